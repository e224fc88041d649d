"""Page one: what was run, what became of the numbers, the headline, and what it cost."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.durations import duration
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import sweeps
from meddef_lib.report.comparing import CLAIM_WORDS, HOW_TO_READ, STATUS_WORDS, comparison
from meddef_lib.report.elements import Block, Prose, Table, columns, frame_table, text_of
from meddef_lib.report.view import View, code, text

TESTED = {
    "published": "the images that the folder calls test",
    "all": "every image of the folder",
    "pooled": "the 15 % of all images that the paper's pooled split draws",
    "patient_disjoint": "some 15 % of all images, apart by patient",
}  # on which given weights were tried, by the rule of the split


def summary(view: View) -> list[Block]:
    """Scope, verdicts counted, headline numbers, cost."""
    return [
        *_changed(view),
        *scope(view),
        _numbers(view),
        _claims(view),
        headline(view),
        _open(view),
        _cost(view),
    ]


def _changed(view: View) -> list[Block]:
    """A warning where the paper's transcription or a tolerance is not what it was when results were made."""
    files = view.document["published_files"]["changed"]
    if not files:
        return []
    return [
        text(
            "<p class='banner'><strong>Changed after the run.</strong> The published numbers or their "
            "tolerances are not those of the time when the results were made: {files}. "
            "<code>results.json</code> has the hashes of both.</p>",
            files=", ".join(files),
        )
    ]


def scope(view: View) -> list[Block]:
    """What was run, and which cells and notebooks were not."""
    profile = view.parameters
    run = text(
        "<h3>What was run</h3><p>{title}: {models} at {size} px, iterative attacks of {steps}. {datasets}."
        "</p>",
        title=profile["title"],
        models=_models(view),
        size=profile["image_size"],
        steps=counted(profile["attacks"]["steps"], "step"),
        datasets="; ".join(_images(view, name) for name in view.datasets),
    )
    changed = view.document["run"]["settings"]
    if changed:
        settings = Markup(", ").join(code(setting) for setting in changed)
        run = text(
            "{run}<p>Changed from the profile's parameters: {settings}.</p>", run=run.html, settings=settings
        )
    missing = view.document["costs_together"]["missing"]
    if not missing:
        return [run]
    said = ", ".join(f"{row['kind']} {row['missing']}" for row in view.document["costs"] if row["missing"])
    what = "<h3>What was not run</h3><p>{cells} of this profile: {said} (<a href='#cells'>the cells</a>).</p>"
    return [run, text(what, cells=counted(missing, "cell"), said=said)]


def _images(view: View, dataset: str) -> str:
    """How many images of a data set each split has."""
    found = view.document["data"][dataset]["prepared"]
    if found is None:
        return f"{view.dataset(dataset)}: not prepared"
    sizes = ", ".join(f"{number} {split}" for split, number in found["splits"].items())
    return f"{view.dataset(dataset)}: {sizes} images ({found['version']})"


def _models(view: View) -> str:
    """Which networks: trained here, or given."""
    profile = view.parameters
    if view.given:
        (variant,) = profile["variants"]
        weights = f"{view.given['file']} (sha256 {view.given['sha256']})"
        tested = TESTED[profile["data"]["split"]]
        return f"the weights of {weights}, given as {view.title(variant)}, on {tested},"
    counts = (
        (len(profile["variants"]), "variant"),
        (profile["training"]["epochs"], "epoch"),
        (len(profile["seeds"]), "seed"),
    )
    return ", ".join(counted(number, noun) for number, noun in counts)


def _numbers(view: View) -> Prose:
    items = Markup()
    for status, number in view.document["counts"]["values"].items():
        word, _, shape = STATUS_WORDS[status]
        items += Markup("<li><b>{}</b>{} {}</li>").format(number, shape, word)
    heading = Markup("<h3>The paper's {} printed numbers</h3>").format(len(view.values))
    return Prose(heading + Markup("<ul class='facts'>{}</ul>").format(items))


def _claims(view: View) -> Table:
    """Claims counted by verdict: in this run, and in the paper's own tables."""
    counts = view.document["counts"]
    rows = [
        {
            "verdict": CLAIM_WORDS[verdict][0],
            "in this run": number,
            "in the paper's own tables": counts["claims_in_paper"][verdict],
        }
        for verdict, number in counts["claims"].items()
    ]
    return frame_table(
        pd.DataFrame(rows),
        id="claim-counts",
        caption=f"The paper's {len(view.document['claims'])} testable claims by verdict",
        note=Markup(
            "Verdicts of this run that are indicative, because its setting is not the published one: {}. "
            '<a href="#claims">The claims, one by one</a>'
        ).format(counts["claims_indicative"]),
        smoke=view.smoke,
    )


def headline(view: View) -> Table:
    """Clean and robust accuracy of the baseline and the full model at the paper's main budget."""
    found = view.document["headline"]
    methods = view.parameters["attacks"]["methods"]
    without = view.without_eps(methods)
    attacks = [name for name in methods if name not in without]
    rows: list[list[str | Markup]] = []
    copied: list[dict[str, Any]] = []
    for row in found:
        cells = sweeps.cells(row)
        values = [view.value(cells.get(name, "")) for name in ("clean", *attacks)]
        heads = [view.dataset(row["dataset"]), view.title(row["variant"])]
        rows.append([*heads, text_of(row["balanced_accuracy"]), *(comparison(value) for value in values)])
        copied += [
            {"data set": heads[0], "model": heads[1], "id": value["id"], "paper": value["published"]}
            | {"ours": value["reproduced"], "difference": value["difference"]}
            for value in values
            if value is not None
        ]
    behind = (
        id
        for row in found
        for id in view.cells(row["dataset"], "attack", attacks=attacks, main=True, variant=row["variant"])
    )
    titles = ["Clean, balanced", *(view.attack(name) for name in ("clean", *attacks))]
    return Table(
        "headline",
        f"Headline numbers of this run: accuracy in percent, attacks at epsilon "
        f"{view.parameters['pruning']['eps']:g}",
        columns("Data set", "Model", *titles, heads=2, right=titles),
        rows,
        pd.DataFrame(copied),
        Markup("Balanced: the mean of the classes' recalls, ours alone; the paper prints none. ")
        + HOW_TO_READ,
        view.made(f"04_epsilon_sweep.{next(iter(view.datasets))}", behind),
        view.smoke,
    )


def _open(view: View) -> Prose:
    """What followed from the paper and what had to be assumed, counted."""
    counts = view.document["counts"]
    return text(
        "<h3>What was easy</h3><p>{agreeing} of {measured} printed parameter counts that this run built "
        "follow from the text and the figures.</p><h3>What was difficult</h3><p>The paper is silent or says "
        "two things in {places} places that a run has to decide; {switched} of them are parameters here "
        '(<a href="#ledger">what the paper does not say</a>). {findings} checks of its printed numbers '
        'against each other are not consistent (<a href="#paper-audit">the paper against itself</a>).</p>',
        agreeing=counts["sizes_agreeing"],
        measured=counts["sizes_measured"],
        places=counts["assumptions"],
        switched=counts["assumptions_switched"],
        findings=counts["findings"],
    )


def _cost(view: View) -> Prose:
    run, costs = view.document["run"], view.document["costs_together"]
    computed = duration(costs["seconds"] or 0.0)
    parts = [f"{costs['there']} cells took {computed} of computing, on one worker after the other"]
    if costs["missing"]:
        parts.append(f"{costs['missing']} are missing")
    if run["seconds"] is not None:
        parts.append(f"this call made {run['made']} and took {duration(run['seconds'])}")
    if run["estimate_seconds"]:
        parts.append(f"it was estimated at {duration(run['estimate_seconds'])} before it began")
    where = "<a href='#costs'>Estimated and measured, by kind of cell</a>"
    return text(f"<h3>Cost</h3><p>{{parts}}. {where}.</p>", parts="; ".join(parts))
