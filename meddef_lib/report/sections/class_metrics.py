"""Section 4.7: precision, recall and F1 of each class, on clean images and under attack."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.blocks import Prose, Table, frame_table
from meddef_lib.report.comparing import comparing_table, unprinted
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.sections.confusion import clean_predictions
from meddef_lib.report.view import View

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


def per_class_table(view: View, dataset: str) -> Table | Prose:
    """Those of the full model beside the paper's, a row a class."""
    found = view.rows("classification", dataset=dataset, variant="full")
    if found.empty:
        return view.missing(f"the clean predictions of {view.dataset(dataset)}")
    rows = []
    for of_class in found["classes"].iloc[0]:
        cells = {}
        for key in METRICS:
            id = f"per_class/{dataset}/{of_class['class']}/{key}"
            ours = {"reproduced": of_class[key]}
            cells[key] = view.values.get(id) or unprinted(ours, "share", 4)
        rows.append(((of_class["class"],), cells))
    seeds = max(len(cell.get("per_seed", ())) for _, cells in rows for cell in cells.values())
    return comparing_table(
        view,
        id=f"per-class-{dataset}",
        caption=f"Per-class metrics of the full model, clean images, {view.dataset(dataset)}",
        heads=("Class",),
        columns=METRICS,
        rows=rows,
        note=_intervals(seeds),
        made=clean_predictions(view, dataset),
    )


def _intervals(seeds: int) -> Markup:
    """How the intervals of class metrics were computed that are means over so many seeds."""
    own = Markup(
        "Wilson for precision and recall; for F1 a bias-corrected bootstrap (BCa), and Wilson where a class "
        "has no mistake, or no hit, to resample."
    )
    if seeds < 2:
        return Markup("Intervals: {}").format(own)
    return Markup(
        "Intervals: Student's t over {} seeds, within 0 and 1; where that is narrower, the widest of "
        "their own: {}"
    ).format(seeds, own)


def every_class_table(view: View, dataset: str) -> Table | Prose:
    """The same metrics for every variant, ours alone: the paper prints those of the full model only."""
    name = view.dataset(dataset)
    rows = [
        {
            "model": view.title(network["variant"]),
            "class": of_class["class"],
            "precision": of_class["precision"],
            "recall": of_class["recall"],
            "F1": of_class["f1"],
            "balanced accuracy": network["balanced_accuracy"],
        }
        for network in view.document["classification"]
        if network["dataset"] == dataset
        for of_class in network["classes"]
    ]
    if not rows:
        return view.missing(f"the clean predictions of {name}")
    return frame_table(
        pd.DataFrame(rows),
        id=f"every-class-{dataset}",
        caption=f"Per-class metrics of every variant, {name}{view.first_seed} (ours)",
        decimals=3,
        made=clean_predictions(view, dataset),
        smoke=view.smoke,
    )


def attacked_table(view: View, dataset: str) -> Table | Prose:
    """The same metrics under attack at the paper's main budget, for every variant (ours)."""
    name = view.dataset(dataset)
    frame = view.rows("attacked_classes", dataset=dataset)
    if frame.empty:
        return view.missing(f"the records of {name}")
    eps = view.parameters["pruning"]["eps"]
    shown = frame[frame["eps"].isna() | (frame["eps"].astype(float) == eps)]
    return frame_table(
        shown.assign(
            model=[view.title(variant) for variant in shown["variant"]],
            attack=[view.attack(attack) for attack in shown["attack"]],
        )[["model", "attack", "class", *METRICS]],
        id=f"attacked-classes-{dataset}",
        caption=f"Per-class metrics under attack at epsilon {eps:g}, {name}{view.first_seed} (ours)",
        decimals=3,
        made=view.made(
            f"06_confusion_and_per_class.{dataset}", view.cells(view.models(dataset, main=True), "attack")
        ),
        smoke=view.smoke,
    )


SECTION = Section(
    number="4.7",
    title="Per-class performance",
    order=47,
    draw=of_each_dataset(per_class_table, every_class_table, attacked_table),
)
