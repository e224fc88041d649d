"""Sections 4.6 and 4.7: confusion matrices, calibration and metrics by class, clean and under attack."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report.comparing import comparing_table, tallied, unprinted
from meddef_lib.report.elements import Block, Figure, Table, eps_text, frame_table, text_of, with_interval
from meddef_lib.report.html_charts import OURS, PAPER, Cell, dot_plot, heat_maps
from meddef_lib.report.section import Builder, Section, from_cells, of_each_dataset
from meddef_lib.report.view import View

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


def from_clean_predictions(draw: Builder) -> Builder:
    """Drawn from records of the first attack there that sees every image: each has the clean predictions."""

    def drawn(view: View, dataset: str) -> Block:
        methods, seed = view.parameters["attacks"]["methods"], view.parameters["seeds"][0]
        there = [cell["attack"] for cell in view.entries("cells", kind="attack", state="there")]
        seen = [name for name in methods if name in there and name not in view.without_eps(methods)]
        whole = (seen or methods)[0]
        made = from_cells("06_confusion_and_per_class", "attack", attacks=[whole], main=True, seed=seed)
        return made(draw)(view, dataset)

    return drawn


def classified(view: View, dataset: str, **where: Any) -> list[dict[str, Any]]:
    """The networks of a data set with their matrices and metrics. Raises Missing."""
    return view.needed("classification", dataset, "the clean predictions of", **where)


@from_clean_predictions
def confusion_figure(view: View, dataset: str) -> Figure:
    name, classes = view.dataset(dataset), view.datasets[dataset]["classes"]
    found = classified(view, dataset)
    printed = {
        predicted: {
            true: Cell(value["published"])
            for true in classes
            if (value := view.values.get(f"confusion/{dataset}/{true}/{predicted}"))
        }
        for predicted in classes
    }
    panels = (
        {"Paper: full model, % of the true class, printed or inferred": printed}
        if any(printed.values())
        else {}
    )
    measured = {
        f"Ours: {view.title(one['variant'], dataset)}": {
            predicted: {
                true: Cell(one["row_shares"][row][column] or 0, str(one["matrix"][row][column]))
                for row, true in enumerate(classes)
            }
            for column, predicted in enumerate(classes)
        }
        for one in found
    }
    rows = [
        {"variant": one["variant"], "true": true, "predicted": predicted, "images": images}
        for one in found
        for true, row in zip(classes, one["matrix"], strict=True)
        for predicted, images in zip(classes, row, strict=True)
    ]
    right = "; ".join(
        f"{view.title(one['variant'], dataset)} {100 * one['accuracy']:.1f} % on the diagonal"
        for one in found
    )
    alt = f"Heat maps of confusion matrices on {name}, one a model. {right}."
    return Figure(
        f"confusion-{dataset}",
        f"Confusion matrices on clean test images, {name}{view.first_seed}: a row a true class, a column an "
        "answer; counts (of the paper: %), shaded by share of the true class (4.6).",
        alt,
        heat_maps(
            classes, panels | measured, alt, corner=("true", "answer"), smoke=measured if view.smoke else ()
        ),
        pd.DataFrame(rows),
    )


@from_clean_predictions
def confusion_table(view: View, dataset: str) -> Table:
    name, classes = view.dataset(dataset), view.datasets[dataset]["classes"]
    rows = []
    for true, row in zip(classes, classified(view, dataset, variant=FULL.id)[0]["row_shares"], strict=True):
        cells = {}
        for predicted, share in zip(classes, row, strict=True):
            id = f"confusion/{dataset}/{true}/{predicted}"
            cells[predicted] = id if id in view.values else unprinted({"reproduced": share}, "share", 4)
        rows.append(((true,), cells))
    return comparing_table(
        view,
        id=f"confusion-table-{dataset}",
        caption=f"Confusion matrix of the full model, {name}: row shares",
        heads=("True class",),
        columns={name: f"predicted {name}" for name in classes},
        rows=rows,
        note=Markup("The paper's counts as shares of their row; ours alone where it prints none."),
    )


@from_clean_predictions
def calibration_figure(view: View, dataset: str) -> Figure:
    """Confidence beside accuracy, bin by bin, and the calibration error of each variant (ours alone)."""
    name = view.dataset(dataset)
    found = view.needed("calibration", dataset, "the confidences of")
    titles = [view.title(row["variant"], dataset) for row in found]
    said = "; ".join(
        f"{title} {with_interval(row, 'error', 1, unit=' points', scale=100)}, by chance "
        f"{100 * row['by_chance']:.1f}, {_beyond_noise(row['bins'])}"
        for title, row in zip(titles, found, strict=True)
    )
    marks = [
        {"state": title, "panel": "", "row": _bin(one), "mark": mark, "x": 100 * one[key]} | whisker
        for title, row in zip(titles, found, strict=True)
        for one in row["bins"]
        for mark, key, whisker in (
            ("mean confidence", "confidence", {"low": None, "high": None}),
            (
                "answers that are right",
                "accuracy",
                {"low": 100 * one["ci_low"], "high": 100 * one["ci_high"]},
            ),
        )
    ]
    alt = f"Dot plot of confidence and accuracy on {name}, a row a bin, one model at a time. {said}."
    return Figure(
        f"calibration-{dataset}",
        "Are answers right as often as the network is sure of them? Clean test images, "
        f"{name}{view.first_seed} (ours); whisker: 95 % interval.",
        alt,
        dot_plot(
            pd.DataFrame(marks),
            alt,
            by="state",
            first=view.title(FULL.id, dataset),
            x_label="%",
            smoke=view.smoke,
        ),
        pd.DataFrame([{"variant": row["variant"], **one} for row in found for one in row["bins"]]),
        Markup(
            "Expected calibration error with 95 % interval, that of a calibrated network by chance, and in "
            "how many bins accuracy is apart from confidence by more than its interval: {}."
        ).format(said),
    )


def _beyond_noise(bins: Sequence[Mapping[str, Any]]) -> str:
    """In how many bins confidence lies outside the interval of accuracy, which few images make wide."""
    apart = [one for one in bins if not one["ci_low"] <= one["confidence"] <= one["ci_high"]]
    n, of = (sum(one["images"] for one in found) for found in (apart, bins))
    return f"apart in {len(apart)} of {counted(len(bins), 'bin')} ({n} of {counted(of, 'image')})"


def _bin(one: Mapping[str, Any]) -> str:
    """The confidences that a row of the chart is of, and on how many images."""
    return f"sure of {100 * one['low']:.0f} to {100 * one['high']:.0f} %, n = {one['images']}"


# --- by class ---


@from_clean_predictions
def per_class_table(view: View, dataset: str) -> Table:
    """Precision, recall and F1 of the full model beside the paper's, a row a class."""
    rows = []
    for of_class in classified(view, dataset, variant=FULL.id)[0]["classes"]:
        cells = {
            key: view.values.get(f"per_class/{dataset}/{of_class['class']}/{key}")
            or unprinted({"reproduced": of_class[key]}, "share", 4)
            for key in METRICS
        }
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
    """How the intervals of metrics were computed that are means over so many seeds."""
    own = Markup(
        "Wilson for precision and recall; for F1 that of the share behind it, TP / (TP + FP + FN), carried "
        "over (Lam et al. 2023)."
    )
    if seeds < 2:
        return Markup("Intervals: {}").format(own)
    return Markup(
        "Intervals: Student's t over {} seeds, within 0 and 1; where that is narrower, the widest of "
        "their own: {}"
    ).format(seeds, own)


@from_clean_predictions
def per_class_dots(view: View, dataset: str) -> Figure:
    rows: list[dict[str, Any]] = []
    for of_class in classified(view, dataset, variant=FULL.id)[0]["classes"]:
        for key, title in METRICS.items():
            place = {"panel": title, "row": of_class["class"]}
            value = view.values.get(f"per_class/{dataset}/{of_class['class']}/{key}")
            ends = {"low": value and value["ci_low"], "high": value and value["ci_high"]}
            rows += [place | {"mark": PAPER, "x": value["published"]} | dict.fromkeys(ends)] if value else []
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
        dot_plot(frame, alt, x_label="", ends=(0, 1), smoke=view.smoke),
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
        heads=2,
        decimals=3,
    )


@from_cells("06_confusion_and_per_class", "attack", main=True)
def attacked_table(view: View, dataset: str) -> Table:
    name = view.dataset(dataset)
    frame = pd.DataFrame(view.needed("attacked_classes", dataset, "the records of"))
    eps = view.parameters["pruning"]["eps"]
    shown = frame[frame["eps"].isna() | (frame["eps"].astype(float) == eps)]
    return frame_table(
        shown.assign(
            model=[view.title(variant, dataset) for variant in shown["variant"]],
            attack=[view.attack(attack) for attack in shown["attack"]],
        )[["model", "attack", "class", *METRICS]].rename(columns=METRICS),
        id=f"attacked-classes-{dataset}",
        caption=f"Per-class metrics under attack at epsilon {eps_text(eps)}, {name}{view.first_seed} (ours)",
        heads=3,
        decimals=3,
    )


SECTION = Section(
    number="4.6",
    title="Confusion matrices",
    order=46,
    draw=of_each_dataset(
        confusion_figure,
        tallied("numbers of 4.6, printed or inferred from its totals and recalls", "confusion"),
        confusion_table,
        calibration_figure,
    ),
)
PER_CLASS = Section(
    number="4.7",
    title="Per-class performance",
    order=47,
    draw=of_each_dataset(
        per_class_dots,
        tallied("numbers printed in 4.7", "per_class"),
        per_class_table,
        every_class_table,
        attacked_table,
    ),
)
