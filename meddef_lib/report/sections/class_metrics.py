"""Section 4.7: precision, recall and F1 of each class, on clean images and under attack."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report.comparing import comparing_table, tally, unprinted
from meddef_lib.report.dotplot import OURS, PAPER, dots, one_picture
from meddef_lib.report.elements import Figure, Prose, Table, frame_table, text_of
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.sections.confusion import classified, from_clean_predictions
from meddef_lib.report.view import View, need

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


@from_clean_predictions
def per_class_table(view: View, dataset: str) -> Table:
    """Those of the full model beside the paper's, a row a class."""
    rows = []
    for of_class in classified(view, dataset, variant=FULL.id)[0]["classes"]:
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


def per_class_read(view: View, dataset: str) -> Prose:
    """What became of the printed metrics."""
    return tally(view, "4.7", [id for id in view.values if id.startswith(f"per_class/{dataset}/")])


@from_clean_predictions
def per_class_dots(view: View, dataset: str) -> Figure:
    """The same metrics as dots, ours beside the paper's, a panel a metric."""
    rows: list[dict[str, Any]] = []
    for of_class in classified(view, dataset, variant=FULL.id)[0]["classes"]:
        for key, title in METRICS.items():
            place = {"panel": title, "row": of_class["class"]}
            value = view.values.get(f"per_class/{dataset}/{of_class['class']}/{key}")
            ends = (
                {"low": value["ci_low"], "high": value["ci_high"]} if value else {"low": None, "high": None}
            )
            none = {"low": None, "high": None}
            rows += [place | {"mark": PAPER, "x": value["published"]} | none] if value else []
            rows += [place | {"mark": OURS, "x": of_class[key]} | ends]
    frame, name = pd.DataFrame(rows), view.dataset(dataset)
    said = "; ".join(
        f"{row['row']} {row['panel']} {text_of(row['x'], 3)}" for row in rows if row["mark"] == OURS
    )
    alt = f"Dot plot of the class metrics of the full model on {name}. Ours: {said}."
    return Figure(
        f"per-class-dots-{dataset}",
        f"Per-class metrics of the full model, clean images, {name}; hollow: the paper, filled: ours with "
        "its 95 % interval.",
        alt,
        one_picture({"": dots(frame, x_label="", ends=(0, 1), smoke=view.smoke)}, alt),
        frame,
    )


@from_clean_predictions
def every_class_table(view: View, dataset: str) -> Table:
    """The same metrics for every variant, ours alone: the paper prints those of the full model only."""
    rows = [
        {
            "model": view.title(network["variant"], dataset),
            "class": of_class["class"],
            "precision": of_class["precision"],
            "recall": of_class["recall"],
            "F1": of_class["f1"],
            "balanced accuracy": network["balanced_accuracy"],
        }
        for network in classified(view, dataset)
        for of_class in network["classes"]
    ]
    return frame_table(
        pd.DataFrame(rows),
        id=f"every-class-{dataset}",
        caption=f"Per-class metrics of every variant, {view.dataset(dataset)}{view.first_seed} (ours)",
        decimals=3,
    )


@from_cells("06_confusion_and_per_class", "attack", main=True)
def attacked_table(view: View, dataset: str) -> Table:
    """The same metrics under attack at the paper's main budget, for every variant (ours)."""
    name = view.dataset(dataset)
    frame = need(view.rows("attacked_classes", dataset=dataset), f"the records of {name}")
    eps = view.parameters["pruning"]["eps"]
    shown = frame[frame["eps"].isna() | (frame["eps"].astype(float) == eps)]
    return frame_table(
        shown.assign(
            model=[view.title(variant, dataset) for variant in shown["variant"]],
            attack=[view.attack(attack) for attack in shown["attack"]],
        )[["model", "attack", "class", *METRICS]],
        id=f"attacked-classes-{dataset}",
        caption=f"Per-class metrics under attack at epsilon {eps:g}, {name}{view.first_seed} (ours)",
        decimals=3,
    )


SECTION = Section(
    number="4.7",
    title="Per-class performance",
    order=47,
    draw=of_each_dataset(per_class_dots, per_class_read, per_class_table, every_class_table, attacked_table),
)
