"""Sections 4.6 and 4.7: confusion matrices of every variant, and per-class precision, recall and F1."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.blocks import Figure, Made, Prose, Table, frame_table
from meddef_lib.report.inline import svg
from meddef_lib.report.view import View, comparing_table
from meddef_lib.results import metrics
from meddef_lib.results.metrics import Matrix

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


def matrices(view: View, dataset: str) -> dict[str, Matrix]:
    """Confusion matrices on clean test images by variant (rows true, first seed, the tables' mode)."""
    records = view.found.attacked
    if records.empty:
        return {}
    found = {}
    count = len(view.book.datasets[dataset].classes)
    for model in view.book.main_models(dataset):
        mine = records[
            (records["dataset"] == dataset)
            & (records["variant"] == model.variant)
            & (records["mode"] == model.mode)
            & (records["seed"] == view.book.profile.seeds[0])
        ]
        if not mine.empty and model.seed == view.book.profile.seeds[0]:
            runs = [rows for _, rows in mine.groupby(["attack", "eps"], dropna=False)]
            whole = max(runs, key=len)  # JSMA may have seen a part of the images
            found[model.variant] = metrics.confusion_matrix(whole["label"], whole["clean_pred"], count)
    return found


def confusion_figure(view: View, dataset: str) -> Figure | Prose:
    """A heat map a variant."""
    found = matrices(view, dataset)
    if not found:
        return view.missing(f"the clean predictions of {view.book.datasets[dataset].title}")
    classes = view.book.datasets[dataset].classes
    drawing = charts.confusion_matrices({view.title(name): matrix for name, matrix in found.items()}, classes)
    rows = [
        {"variant": variant, "true": true, "predicted": predicted, "images": int(matrix[i, j])}
        for variant, matrix in found.items()
        for i, true in enumerate(classes)
        for j, predicted in enumerate(classes)
    ]
    right = "; ".join(
        f"{view.title(variant)} {100 * (metrics.accuracy(matrix) or 0):.1f} % on the diagonal"
        for variant, matrix in found.items()
    )
    name = view.book.datasets[dataset].title
    alt = f"Heat maps of confusion matrices on {name}, one a model. {right}."
    return Figure(
        f"confusion-{dataset}",
        f"Confusion matrices on clean test images, {name}{view.first_seed}: counts, shaded by share of the "
        "true class (4.6).",
        alt,
        svg(drawing, alt, smoke=view.smoke),
        pd.DataFrame(rows),
        made=_made(view, dataset),
        smoke=view.smoke,
    )


def _made(view: View, dataset: str) -> Made:
    """The records of the first attack that sees every image: each has the clean predictions, too."""
    methods = view.book.profile.attacks.methods
    whole = next((method for method in methods if method != "jsma"), methods[0])
    first = [model for model in view.book.main_models(dataset) if model.seed == view.book.profile.seeds[0]]
    return view.made(
        f"06_confusion_and_per_class.{dataset}", (view.book.attack(model, whole) for model in first)
    )


def confusion_table(view: View, dataset: str) -> Table | Prose:
    """The full model's matrix against the printed cells, as shares of the true class."""
    if not matrices(view, dataset):
        return view.missing(f"the clean predictions of {view.book.datasets[dataset].title}")
    classes = view.book.datasets[dataset].classes
    columns = {name: f"predicted {name}" for name in classes}
    rows = [((true,), {name: f"confusion/{dataset}/{true}/{name}" for name in classes}) for true in classes]
    return comparing_table(
        view,
        id=f"confusion-table-{dataset}",
        caption=f"Confusion matrix of the full model, {view.book.datasets[dataset].title}: row shares",
        heads=("True class",),
        columns=columns,
        rows=rows,
        note=Markup("The paper's counts as shares of their row; a dash where it prints none."),
        made=_made(view, dataset),
    )


def per_class_table(view: View, dataset: str) -> Table | Prose:
    """Precision, recall and F1 of the full model, a row a class (4.7)."""
    if not matrices(view, dataset):
        return view.missing(f"the clean predictions of {view.book.datasets[dataset].title}")
    classes = view.book.datasets[dataset].classes
    rows = [((name,), {key: f"per_class/{dataset}/{name}/{key}" for key in METRICS}) for name in classes]
    return comparing_table(
        view,
        id=f"per-class-{dataset}",
        caption=f"Per-class metrics of the full model, clean images, {view.book.datasets[dataset].title}",
        heads=("Class",),
        columns=METRICS,
        rows=rows,
        note=_intervals(max(len(view.values[id]["per_seed"]) for _, ids in rows for id in ids.values())),
        made=_made(view, dataset),
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
        "Intervals: Student's t over {} seeds, within 0 and 1; where the seeds agree, the widest of "
        "their own: {}"
    ).format(seeds, own)


def every_class_table(view: View, dataset: str) -> Table | Prose:
    """The same metrics for every variant, ours alone: the paper prints those of the full model only."""
    rows = []
    classes = view.book.datasets[dataset].classes
    for variant, matrix in matrices(view, dataset).items():
        columns = zip(
            classes, metrics.precision(matrix), metrics.recall(matrix), metrics.f1(matrix), strict=True
        )
        for name, precision, recall, f1 in columns:
            rows.append(
                {
                    "model": view.title(variant),
                    "class": name,
                    "precision": precision,
                    "recall": recall,
                    "F1": f1,
                    "balanced accuracy": metrics.balanced_accuracy(matrix),
                }
            )
    if not rows:
        return view.missing(f"the clean predictions of {view.book.datasets[dataset].title}")
    name = view.book.datasets[dataset].title
    return frame_table(
        pd.DataFrame(rows),
        id=f"every-class-{dataset}",
        caption=f"Per-class metrics of every variant, {name}{view.first_seed} (ours)",
        decimals=3,
        made=_made(view, dataset),
        smoke=view.smoke,
    )
