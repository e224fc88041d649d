"""Section 4.6: confusion matrices of every variant on clean test images."""

import numpy as np
import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.blocks import Figure, Made, Prose, Table
from meddef_lib.report.comparing import comparing_table, unprinted
from meddef_lib.report.inline import svg
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.view import View


def confusion_figure(view: View, dataset: str) -> Figure | Prose:
    """A heat map a variant."""
    found = view.rows("classification", dataset=dataset)
    name, classes = view.dataset(dataset), view.datasets[dataset]["classes"]
    if found.empty:
        return view.missing(f"the clean predictions of {name}")
    matrices = dict(zip(found["variant"], map(np.array, found["matrix"]), strict=True))
    drawing = charts.confusion_matrices(
        {view.title(variant): matrix for variant, matrix in matrices.items()}, classes
    )
    rows = [
        {"variant": variant, "true": true, "predicted": predicted, "images": int(matrix[i, j])}
        for variant, matrix in matrices.items()
        for i, true in enumerate(classes)
        for j, predicted in enumerate(classes)
    ]
    right = "; ".join(
        f"{view.title(variant)} {100 * accuracy:.1f} % on the diagonal"
        for variant, accuracy in zip(found["variant"], found["accuracy"], strict=True)
    )
    alt = f"Heat maps of confusion matrices on {name}, one a model. {right}."
    return Figure(
        f"confusion-{dataset}",
        f"Confusion matrices on clean test images, {name}{view.first_seed}: counts, shaded by share of the "
        "true class (4.6).",
        alt,
        svg(drawing, alt, smoke=view.smoke),
        pd.DataFrame(rows),
        made=clean_predictions(view, dataset),
        smoke=view.smoke,
    )


def clean_predictions(view: View, dataset: str) -> Made:
    """The records of the first attack that sees every image: each has the clean predictions, too."""
    methods = view.parameters["attacks"]["methods"]
    without = view.without_eps(methods)
    whole = next((method for method in methods if method not in without), methods[0])
    first = view.models(dataset, main=True, seed=view.parameters["seeds"][0])
    cells = [id for id in view.cells(first, "attack") if id.endswith(f"/{whole}")]
    return view.made(f"06_confusion_and_per_class.{dataset}", cells)


def confusion_table(view: View, dataset: str) -> Table | Prose:
    """The full model's matrix against the printed cells, as shares of the true class."""
    found = view.rows("classification", dataset=dataset, variant="full")
    name, classes = view.dataset(dataset), view.datasets[dataset]["classes"]
    if found.empty:
        return view.missing(f"the clean predictions of {name}")
    shares = found["row_shares"].iloc[0]
    rows = []
    for true, row in zip(classes, shares, strict=True):
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
        made=clean_predictions(view, dataset),
    )


def calibration_figure(view: View, dataset: str) -> Figure | Prose:
    """A reliability chart with the expected calibration error of each variant (ours: the paper has none)."""
    found, name = view.rows("calibration", dataset=dataset), view.dataset(dataset)
    if found.empty:
        return view.missing(f"the confidences of {name}")
    titles = [view.title(variant) for variant in found["variant"]]
    drawing = charts.reliability(dict(zip(titles, found["bins"], strict=True)))
    said = "; ".join(
        f"{title} {100 * row['error']:.1f} points [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}], "
        f"by chance {100 * row['by_chance']:.1f}"
        for title, row in zip(titles, found.to_dict("records"), strict=True)
    )
    alt = f"Reliability chart on {name}: accuracy over confidence, one line a model. {said}."
    bins = [{"variant": row["variant"], **one} for row in found.to_dict("records") for one in row["bins"]]
    return Figure(
        f"calibration-{dataset}",
        f"Confidence and accuracy on clean test images, {name}{view.first_seed} (ours). Expected calibration "
        f"error with 95 % interval, and what chance makes of one that is calibrated: {said}.",
        alt,
        svg(drawing, alt, smoke=view.smoke),
        pd.DataFrame(bins),
        made=clean_predictions(view, dataset),
        smoke=view.smoke,
    )


SECTION = Section(
    number="4.6",
    title="Confusion matrices",
    order=46,
    draw=of_each_dataset(confusion_figure, confusion_table, calibration_figure),
)
