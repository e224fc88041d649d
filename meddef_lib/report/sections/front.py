"""The front page (what was run, what became of the numbers, what it cost) and the costs of every cell."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.app import plan
from meddef_lib.app.plan import Estimate
from meddef_lib.app.progress import duration
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.schedule import Outcome
from meddef_lib.paper.addresses import Address
from meddef_lib.report.blocks import Column, Figure, Prose, Table, frame_table, text_of
from meddef_lib.report.view import (
    ATTACK_TITLES,
    CLAIM_WORDS,
    HOW_TO_READ,
    STATUS_WORDS,
    View,
    code,
    comparison,
    counted,
    device_and_precision,
    text,
)
from meddef_lib.workbook import notebooks

Blocks = list[Prose | Table | Figure]


def summary(
    view: View,
    document: Mapping[str, Any],
    outcomes: Mapping[str, Outcome],
    *,
    estimate: Estimate | None,
    seconds: float | None,
) -> Blocks:
    """Page one: scope, verdicts counted, headline numbers, cost."""
    return [
        *_changed(document),
        *_scope(view),
        _counts(view, document),
        _claims(view, document),
        _headline(view),
        _easy_and_difficult(view, document),
        _cost(view, outcomes, estimate, seconds),
    ]


def _changed(document: Mapping[str, Any]) -> Blocks:
    """A warning where the paper's transcription or a tolerance is not what it was when results were made."""
    files = document["published_files"]["changed"]
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


def _scope(view: View) -> Blocks:
    """What was run, and which cells and notebooks were not."""
    profile = view.book.profile
    datasets = []
    for name, dataset in view.book.datasets.items():
        prepared = view.found.data.get(name)
        if prepared is None:
            datasets.append(f"{dataset.title}: not prepared")
            continue
        counts = prepared.summary["counts"]
        sizes = ", ".join(f"{sum(of_class.values())} {split}" for split, of_class in counts.items())
        datasets.append(f"{dataset.title}: {sizes} images ({prepared.summary['data_version']})")
    run = text(
        "<h3>What was run</h3><p>{title}: {models} at {size} px, iterative attacks of {steps}. {datasets}."
        "</p>",
        title=profile.title,
        models=_models(view),
        size=profile.image_size,
        steps=counted(profile.attacks.steps, "step"),
        datasets="; ".join(datasets),
    )
    changed = view.book.settings
    if changed:
        settings = Markup(", ").join(code(setting) for setting in changed)
        run = text(
            "{run}<p>Changed from the profile's parameters: {settings}.</p>", run=run.html, settings=settings
        )
    store = view.book.store
    lacking = [name for name, recipe in every_cell(view).items() if not store.has(recipe)]
    if not lacking:
        return [run]
    kinds = pd.Series([name.partition("/")[0] for name in lacking]).value_counts(sort=False)
    said = ", ".join(f"{kind} {number}" for kind, number in kinds.items())
    what = "<h3>What was not run</h3><p>{cells} of this profile: {said} (<a href='#cells'>the cells</a>).</p>"
    return [run, text(what, cells=counted(len(lacking), "cell"), said=said)]


def _models(view: View) -> str:
    """Which networks: trained here, or given."""
    profile, book = view.book.profile, view.book
    if book.given:
        (variant,) = profile.variants
        return f"the weights of {book.given_name} (sha256 {book.given}), given as {view.title(variant)},"
    counts = (
        (len(profile.variants), "variant"),
        (profile.training.epochs, "epoch"),
        (len(profile.seeds), "seed"),
    )
    return ", ".join(counted(number, noun) for number, noun in counts)


def every_cell(view: View) -> dict[str, Recipe]:
    """Every cell of the workbook by id, its executed notebooks last."""
    pages = notebooks.recipes(view.book, notebooks.NOTEBOOKS) if not view.book.given else {}
    return dict(view.book.cells) | {recipe.id: recipe for recipe in pages.values()}


def _counts(view: View, document: Mapping[str, Any]) -> Prose:
    items = Markup()
    for status, number in document["counts"]["values"].items():
        word, _, shape = STATUS_WORDS[status]
        items += Markup("<li><b>{}</b>{} {}</li>").format(number, shape, word)
    heading = Markup("<h3>The paper's {} printed numbers</h3>").format(len(view.values))
    return Prose(heading + Markup("<ul class='facts'>{}</ul>").format(items))


def _claims(view: View, document: Mapping[str, Any]) -> Table:
    """Claims counted by verdict: in this run, and in the paper's own tables."""
    counts = document["counts"]
    rows = [
        {
            "verdict": CLAIM_WORDS[verdict][0],
            "in this run": number,
            "in the paper's own tables": counts["claims_in_paper"][verdict],
        }
        for verdict, number in counts["claims"].items()
    ]
    indicative = sum(claim["indicative"] for claim in document["claims"])
    return frame_table(
        pd.DataFrame(rows),
        id="claim-counts",
        caption=f"The paper's {len(document['claims'])} testable claims by verdict",
        note=Markup(
            "Verdicts of this run that are indicative, because its setting is not the published one: {}. "
            '<a href="#claims">The claims, one by one</a>'
        ).format(indicative),
        smoke=view.smoke,
    )


def _easy_and_difficult(view: View, document: Mapping[str, Any]) -> Prose:
    """What followed from the paper and what had to be assumed, counted."""
    sizes = [
        row for name, row in view.values.items() if name.endswith("/parameters") and name.startswith("table")
    ]
    measured = [row for row in sizes if row["difference"] is not None]
    agreeing = sum(abs(row["difference"]) <= row["tolerance"] for row in measured)
    ledger = document["ledger"]
    switched = sum(entry["parameter"] is not None for entry in ledger)
    findings = [finding for finding in document["paper_audit"] if finding["grade"] != "consistent"]
    return text(
        "<h3>What was easy</h3><p>{agreeing} of {measured} printed parameter counts that this run built "
        "follow from the text and the figures.</p><h3>What was difficult</h3><p>The paper is silent or says "
        "two things in {places} places that a run has to decide; {switched} of them are parameters here "
        '(<a href="#ledger">what the paper does not say</a>). {findings} checks of its printed numbers '
        'against each other are not consistent (<a href="#paper-audit">the paper against itself</a>).</p>',
        agreeing=agreeing,
        measured=len(measured),
        places=len(ledger),
        switched=switched,
        findings=len(findings),
    )


def _headline(view: View) -> Table:
    """Clean and robust accuracy of the baseline and the full model at the paper's main budget."""
    eps = view.book.profile.pruning.eps
    attacks = [name for name in view.book.profile.attacks.methods if name != "jsma"]
    rows: list[list[str | Markup]] = []
    copied = []
    models = []
    for dataset, found in view.book.datasets.items():
        table = {"roct": "table1", "chest_xray": "table2"}[dataset]
        place = view.paper.tables[table].position_text(eps)
        of_dataset = [m for m in view.book.main_models(dataset) if m.variant in ("resnet18", "full")]
        models += of_dataset
        for variant in dict.fromkeys(model.variant for model in of_dataset):
            ids = [f"{table}/{variant}/clean", *(f"{table}/{variant}/{place}/{name}" for name in attacks)]
            values = [view.values.get(name) for name in ids]
            clean = view.found.outcomes.get(Address(dataset=dataset, quantity="accuracy", variant=variant))
            balanced = clean.alternatives.get("balanced_accuracy") if clean else None
            heads = [found.title, view.title(variant)]
            rows.append([*heads, text_of(balanced), *(comparison(value) for value in values)])
            copied += [
                {"data set": heads[0], "model": heads[1], "id": value["id"], "paper": value["published"]}
                | {"ours": value["reproduced"], "difference": value["difference"]}
                for value in values
                if value is not None
            ]
    heads_of = [Column("Data set", heading=True), Column("Model", heading=True)]
    titles = ["Clean, balanced", "Clean", *(ATTACK_TITLES[name] for name in attacks)]
    return Table(
        "headline",
        f"Headline numbers of this run: accuracy in percent, attacks at epsilon {eps:g}",
        [*heads_of, *(Column(title, "right") for title in titles)],
        rows,
        pd.DataFrame(copied),
        Markup("Balanced: the mean of the classes' recalls, ours alone; the paper prints none. ")
        + HOW_TO_READ,
        view.made(
            f"04_epsilon_sweep.{next(iter(view.book.datasets))}",
            (view.book.attack(model, name) for model in models for name in attacks),
        ),
        view.smoke,
    )


def _cost(
    view: View, outcomes: Mapping[str, Outcome], estimate: Estimate | None, seconds: float | None
) -> Prose:
    store = view.book.store
    every = every_cell(view)
    receipts = [store.receipt(recipe) for recipe in every.values() if store.has(recipe)]
    computed = sum(receipt["seconds"] for receipt in receipts)
    missing = len(every) - len(receipts)
    parts = [f"{len(receipts)} cells took {duration(computed)} of computing, on one worker after the other"]
    if missing:
        parts.append(f"{missing} are missing")
    if seconds is not None:
        made = sum(outcome.state == "made" for outcome in outcomes.values())
        parts.append(f"this call made {made} and took {duration(seconds)}")
    if estimate is not None and estimate.seconds:
        parts.append(f"it was estimated at {duration(estimate.total_seconds)} before it began")
    where = "<a href='#costs'>Estimated and measured, by kind of cell</a>"
    return text(f"<h3>Cost</h3><p>{{parts}}. {where}.</p>", parts="; ".join(parts))


def costs(view: View) -> Blocks:
    """Every cell: whether it is there, what it took, where."""
    rows = []
    estimated = plan.remembered(view.book.store)
    for recipe in every_cell(view).values():
        state = view.book.store.state(recipe)
        empty = dict.fromkeys(("device", "commit", "key"), "")
        times = {"estimated": None, "seconds": None}
        row: dict[str, Any] = {"cell": recipe.id, "state": state.state, **times, **empty}
        if state.state == "there":
            receipt = view.book.store.receipt(recipe)
            accepted = " (accepted)" if "accepted" in receipt else ""
            row |= {
                "state": state.state + accepted,
                "estimated": estimated.get(recipe.key),
                "seconds": receipt["seconds"],
                "device": device_and_precision(receipt),
                "commit": (receipt["environment"]["commit"] or "")[:12],
                "key": recipe.key[:12],
            }
        rows.append(row)
    frame = pd.DataFrame(rows)
    for name in ("seconds", "estimated"):
        frame[name] = pd.to_numeric(frame[name])
    kinds = frame.assign(kind=frame["cell"].str.partition("/")[0], there=frame["seconds"].notna())
    by_kind = kinds.groupby("kind", sort=False)
    sums = by_kind.agg(cells=("cell", "size"), there=("there", "sum"))
    sums = sums.join(by_kind[["estimated", "seconds"]].sum(min_count=1))  # nothing known is no zero
    note = Markup(
        "Estimated: seconds on one worker, foreseen from the calibration of this machine when the cells that "
        "are there were last missing; the others have none. Cells that run side by side take longer each."
    )
    blocks: Blocks = [
        frame_table(
            sums.reset_index(),
            id="costs",
            caption="Computing time by kind of cell: estimated and measured seconds",
            decimals=1,
            note=note,
            smoke=view.smoke,
        ),
        frame_table(frame, id="cells", caption="Every cell of this profile", decimals=1, smoke=view.smoke),
    ]
    differing = _environments(view)
    if len(differing) > 1:
        frame = pd.DataFrame(differing)
        blocks.insert(
            0,
            frame_table(
                frame,
                id="environments",
                caption="The cells were made in different environments",
                smoke=view.smoke,
            ),
        )
    return blocks


def _environments(view: View) -> list[dict[str, Any]]:
    """The distinct surroundings that cells were made in: versions, processor, device."""
    found: dict[str, dict[str, Any]] = {}
    for recipe in view.book.cells.values():
        if view.book.store.has(recipe):
            receipt = view.book.store.receipt(recipe)
            made = receipt["environment"]
            packages = ", ".join(f"{name} {version}" for name, version in made["packages"].items())
            row = {
                "python": made["python"],
                "packages": packages,
                "processor": made["processor"],
                "device": receipt["device"],
            }
            found.setdefault(str(row), row | {"cells": 0})["cells"] += 1
    return list(found.values())
