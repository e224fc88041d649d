"""The front page (what was run, what became of the numbers, what it cost) and the costs of every cell."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.blocks import Figure, Prose, Table, frame_table
from meddef_lib.report.view import CLAIM_WORDS, STATUS_WORDS, View, text
from meddef_lib.results.addresses import Address
from meddef_lib.workbook.plan import Estimate
from meddef_lib.workbook.progress import duration
from meddef_lib.workbook.schedule import Outcome

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
        _scope(view),
        _counts(view, document),
        _claims(document),
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


def _scope(view: View) -> Prose:
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
    training = profile.training
    return text(
        "<h3>What was run</h3><p>{title}: {variants} variants at {size} px, {epochs} epochs, "
        "{seeds} seed(s), attacks with {steps} steps. {datasets}.</p>",
        title=profile.title,
        variants=len(profile.variants),
        size=profile.image_size,
        epochs=training.epochs,
        seeds=len(profile.seeds),
        steps=profile.attacks.steps,
        datasets="; ".join(datasets),
    )


def _counts(view: View, document: Mapping[str, Any]) -> Prose:
    items = Markup()
    for status, number in document["counts"]["values"].items():
        word, _, shape = STATUS_WORDS[status]
        items += Markup("<li><b>{}</b>{} {}</li>").format(number, shape, word)
    heading = Markup("<h3>The paper's {} printed numbers</h3>").format(len(view.values))
    return Prose(heading + Markup("<ul class='facts'>{}</ul>").format(items))


def _claims(document: Mapping[str, Any]) -> Table:
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
            'Outside the published setting a verdict is indicative: {}. <a href="#claims">The claims</a>'
        ).format(indicative),
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
    rows = []
    eps = view.book.profile.pruning.eps
    for dataset, found in view.book.datasets.items():
        for variant in ("resnet18", "full"):
            row: dict[str, Any] = {"data set": found.title, "model": view.title(variant)}
            for attack in ("", "fgsm", "pgd", "bim"):
                address = Address(
                    dataset=dataset,
                    quantity="accuracy",
                    variant=variant,
                    attack=attack,
                    eps=eps if attack else None,
                )
                outcome = view.found.outcomes.get(address)
                row[f"{attack.upper() or 'clean'}, %"] = outcome.value if outcome else None
                if not attack and outcome is not None:
                    row["balanced, %"] = outcome.alternatives.get("balanced_accuracy")
            rows.append(row)
    frame = pd.DataFrame(rows)
    for name in frame.columns[2:]:
        frame[name] = pd.to_numeric(frame[name])
    return frame_table(
        frame,
        id="headline",
        caption=f"Headline numbers of this run: accuracy in percent, attacks at epsilon {eps:g}",
        smoke=view.smoke,
    )


def _cost(
    view: View, outcomes: Mapping[str, Outcome], estimate: Estimate | None, seconds: float | None
) -> Prose:
    store = view.book.store
    receipts = [store.receipt(recipe) for recipe in view.book.cells.values() if store.has(recipe)]
    computed = sum(receipt["seconds"] for receipt in receipts)
    missing = len(view.book.cells) - len(receipts)
    parts = [f"{len(receipts)} cells took {duration(computed)} of computing"]
    if missing:
        parts.append(f"{missing} are missing")
    if seconds is not None:
        made = sum(outcome.state == "made" for outcome in outcomes.values())
        parts.append(f"this call made {made} and took {duration(seconds)}")
    if estimate is not None and estimate.seconds:
        parts.append(f"it was estimated at {duration(estimate.total_seconds)} before it began")
    return text("<h3>Cost</h3><p>{}.</p>".replace("{}", "{parts}"), parts="; ".join(parts))


def costs(view: View) -> Blocks:
    """Every cell: whether it is there, what it took, where."""
    rows = []
    for recipe in view.book.cells.values():
        state = view.book.store.state(recipe)
        empty = dict.fromkeys(("device", "commit", "key"), "")
        row: dict[str, Any] = {"cell": recipe.id, "state": state.state, "seconds": None, **empty}
        if state.state == "there":
            receipt = view.book.store.receipt(recipe)
            accepted = " (accepted)" if "accepted" in receipt else ""
            row |= {
                "state": state.state + accepted,
                "seconds": receipt["seconds"],
                "device": receipt["device"],
                "commit": (receipt["environment"]["commit"] or "")[:12],
                "key": recipe.key[:12],
            }
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["seconds"] = pd.to_numeric(frame["seconds"])
    kinds = frame.assign(kind=frame["cell"].str.partition("/")[0]).groupby("kind", sort=False)
    sums = kinds.agg(cells=("cell", "size"), seconds=("seconds", "sum")).reset_index()
    blocks: Blocks = [
        frame_table(sums, id="costs", caption="Computing time by kind of cell", decimals=1),
        frame_table(frame, id="cells", caption="Every cell of this profile", decimals=1),
    ]
    differing = _environments(view)
    if len(differing) > 1:
        frame = pd.DataFrame(differing)
        blocks.insert(
            0, frame_table(frame, id="environments", caption="The cells were made in different environments")
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
