"""Section 4.6: confusion matrices of every variant on clean test images."""

from dataclasses import replace
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report import charts
from meddef_lib.report.comparing import comparing_table, tally, unprinted
from meddef_lib.report.elements import Block, Figure, Prose, Table
from meddef_lib.report.heat import Cell, heat_maps
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Builder, Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need


def from_clean_predictions(draw: Builder) -> Builder:
    """Drawn from records of the first attack that sees every image: each has the clean predictions, too."""

    def drawn(view: View, dataset: str) -> Block:
        methods, seed = view.parameters["attacks"]["methods"], view.parameters["seeds"][0]
        whole = next((name for name in methods if name not in view.without_eps(methods)), methods[0])
        made = from_cells("06_confusion_and_per_class", "attack", attacks=[whole], main=True, seed=seed)
        return made(draw)(view, dataset)

    return drawn


def classified(view: View, dataset: str, **where: Any) -> list[dict[str, Any]]:
    """The networks of a data set with their matrices and metrics. Raises Missing."""
    found = view.entries("classification", dataset=dataset, **where)
    return need(found, f"the clean predictions of {view.dataset(dataset)}")


@from_clean_predictions
def confusion_figure(view: View, dataset: str) -> Figure:
    """A heat map a variant."""
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
    panels = {"Paper: full model, % of the true class": printed} if any(printed.values()) else {}
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
        "answer; counts, shaded by share of the true class (4.6).",
        alt,
        heat_maps(
            classes, panels | measured, alt, corner="true \\ answer", smoke=measured if view.smoke else ()
        ),
        pd.DataFrame(rows),
    )


@from_clean_predictions
def confusion_table(view: View, dataset: str) -> Table:
    """The full model's matrix against the printed cells, as shares of the true class."""
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


def confusion_read(view: View, dataset: str) -> Prose:
    """What became of the printed cells."""
    return tally(view, "4.6", [id for id in view.values if id.startswith(f"confusion/{dataset}/")])


@from_clean_predictions
def calibration_figure(view: View, dataset: str) -> Figure:
    """A reliability chart with the expected calibration error of each variant (ours: the paper has none)."""
    name = view.dataset(dataset)
    found = need(view.entries("calibration", dataset=dataset), f"the confidences of {name}")
    titles = [view.title(row["variant"], dataset) for row in found]
    said = "; ".join(
        f"{title} {100 * row['error']:.1f} points [{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}], "
        f"by chance {100 * row['by_chance']:.1f}"
        for title, row in zip(titles, found, strict=True)
    )
    bins = [{"variant": row["variant"], **one} for row in found for one in row["bins"]]
    drawn = figure(
        view,
        f"calibration-{dataset}",
        f"Confidence and accuracy on clean test images, {name}{view.first_seed} (ours)",
        f"Reliability chart on {name}: accuracy over confidence, one line a model. {said}.",
        charts.reliability(dict(zip(titles, (row["bins"] for row in found), strict=True))),
        pd.DataFrame(bins),
    )
    note = (
        "Expected calibration error with 95 % interval, and what chance makes of one that is calibrated: {}."
    )
    return replace(drawn, note=Markup(note).format(said))


SECTION = Section(
    number="4.6",
    title="Confusion matrices",
    order=46,
    draw=of_each_dataset(confusion_figure, confusion_read, confusion_table, calibration_figure),
)
