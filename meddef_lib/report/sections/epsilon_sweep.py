"""Section 4.3: accuracy over epsilon (Tables 1 and 2), and what the training does."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import sweeps
from meddef_lib.report.comparing import about_no_gradient, no_gradient
from meddef_lib.report.elements import Figure, Prose, Table, columns, text_of
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import Missing, View, need, text

NOTEBOOK = "04_epsilon_sweep"
from_records = from_cells(NOTEBOOK, "attack", main=True)


@from_records
def accuracy_table(view: View, dataset: str) -> Table:
    """Accuracy in percent at each epsilon: Table 1 for ROCT, Table 2 for chest X-ray."""
    sweeps.curve(view, dataset, "accuracy", "eps", missing=f"the records of {view.dataset(dataset)}")
    return sweeps.table(view, dataset, "accuracy", "accuracy at the attack's last iterate, %")


@from_records
def accuracy_curves(view: View, dataset: str) -> Figure:
    """Accuracy over epsilon, a panel an attack that has one."""
    name = view.dataset(dataset)
    frame = sweeps.curve(view, dataset, "accuracy", "eps", missing=f"the epsilon sweep of {name}")
    frame = frame[~frame["attack"].isin(view.without_eps(frame["attack"]))]
    attacks = [view.attack(attack) for attack in frame["attack"].unique()]
    return sweeps.figure(
        view,
        dataset,
        f"curves-{dataset}-accuracy",
        frame,
        "accuracy",
        f"Accuracy over epsilon, {name}: ours (filled, 95 % interval; dotted: balanced), the paper's "
        "(hollow, dashed); crossed out: collapsed.",
        f"Line plots of accuracy against epsilon on {name} under {', '.join(attacks)}, one line a model.",
    )


@from_cells(NOTEBOOK)
def trainings_table(view: View, dataset: str) -> Table | Prose:
    """The variants that were trained in several ways, a column a way."""
    name = view.dataset(dataset)
    if view.given:
        raise Missing("the same network trained in other ways")
    others = [model["variant"] for model in view.models(dataset, main=False) if not model["image_size"]]
    if not others:
        return text("<p>Every variant was trained in one way on {name}.</p>", name=name)
    measured = [
        {
            "model": view.title(row["variant"], dataset),
            "training": view.training(row["mode"]),
            "attack": view.attack(row["attack"]) + (", balanced" if row["quantity"] != "accuracy" else ""),
            "epsilon": row["eps"],
            "accuracy": row["value"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "n": row["n"],
            "zero_gradients": row["zero_gradients"],
        }
        for row in need(view.entries("trainings_compared", dataset=dataset), f"the records of {name}")
    ]
    ways = list(dict.fromkeys(row["training"] for row in measured))
    by_place: dict[tuple[str, str, str], dict[str, Markup]] = {}
    for row in measured:
        place = (row["model"], row["attack"], text_of(row["epsilon"]))
        by_place.setdefault(place, {})[row["training"]] = _with_interval(row)
    rows = [[*place, *(of_way.get(way, "–") for way in ways)] for place, of_way in by_place.items()]
    titles = [way.capitalize() for way in ways]
    shown = {model["variant"]: model["mode"] for model in view.models(dataset, main=True)}
    elsewhere = [
        f"{view.title(name)}: {view.training(mode)}" for name, mode in shown.items() if name in others
    ]
    return Table(
        f"trainings-compared-{dataset}",
        f"Variants that were trained in more than one way, {name}: accuracy, % (ours)",
        columns("Model", "Attack", "Epsilon", *titles, heads=3, right=titles),
        rows,
        pd.DataFrame(measured),
        Markup(
            "With 95 % intervals; attacks at the last iterate. Balanced: the mean of the classes' recalls. "
            "The other tables show {}."
        ).format("; ".join(elsewhere))
        + about_no_gradient(measured),
        view.made(
            f"{NOTEBOOK}.{dataset}",
            (
                id
                for variant in dict.fromkeys(others)
                for id in view.cells(dataset, "attack", variant=variant)
            ),
        ),
        decimals=1,
    )


def _with_interval(row: Mapping[str, Any]) -> Markup:
    value, *ends = (text_of(row[name], 1) for name in ("accuracy", "low", "high"))
    text = f"{value} [{ends[0]}, {ends[1]}]" if "–" not in ends else value
    return Markup(" ").join([text, *no_gradient(row)])


SECTION = Section(
    number="4.3",
    title="Attack intensity analysis across epsilon values",
    order=43,
    draw=of_each_dataset(accuracy_table, accuracy_curves, trainings_table),
)
