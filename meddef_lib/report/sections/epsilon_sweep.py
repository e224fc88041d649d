"""Section 4.3: accuracy over epsilon (Tables 1 and 2), and what the training does."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import sweeps
from meddef_lib.report.blocks import Column, Figure, Made, Prose, Table, text_of
from meddef_lib.report.comparing import about_no_gradient, no_gradient
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.view import View, text


def accuracy_table(view: View, dataset: str) -> Table | Prose:
    """Accuracy in percent at each epsilon: Table 1 for ROCT, Table 2 for chest X-ray."""
    if sweeps.curve(view, dataset, "accuracy", "eps")["ours"].isna().all():
        return view.missing(f"the records of {view.dataset(dataset)}")
    unit = "accuracy at the attack's last iterate, %"
    return sweeps.table(view, dataset, "accuracy", unit, _made(view, dataset))


def accuracy_curves(view: View, dataset: str) -> Figure | Prose:
    """Accuracy over epsilon, a panel an attack that has one."""
    frame = sweeps.curve(view, dataset, "accuracy", "eps")
    name = view.dataset(dataset)
    if frame["ours"].isna().all():
        return view.missing(f"the epsilon sweep of {name}")
    frame = frame[~frame["attack"].isin(view.without_eps(frame["attack"]))]
    attacks = [view.attack(attack) for attack in frame["attack"].unique()]
    return sweeps.figure(
        view,
        f"curves-{dataset}-accuracy",
        frame,
        "eps",
        "accuracy, %",
        f"Accuracy over epsilon, {name}: ours (filled, 95 % interval; dotted: balanced), the paper's "
        "(hollow, dashed); crossed out: collapsed.",
        f"Line plots of accuracy against epsilon on {name} under {', '.join(attacks)}, one line a model.",
        _made(view, dataset),
    )


def trainings_table(view: View, dataset: str) -> Table | Prose:
    """The variants that were trained in several ways, a column a way."""
    name = view.dataset(dataset)
    if view.given:
        return view.missing("the same network trained in other ways")
    others = [model["variant"] for model in view.models(dataset, main=False) if not model["image_size"]]
    if not others:
        return text("<p>Every variant was trained in one way on {name}.</p>", name=name)
    measured = [
        {
            "model": view.title(row["variant"]),
            "training": view.training(row["mode"]),
            "attack": view.attack(row["attack"]) + (", balanced" if row["quantity"] != "accuracy" else ""),
            "epsilon": row["eps"],
            "accuracy": row["value"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "n": row["n"],
            "zero_gradients": row["zero_gradients"],
        }
        for row in view.document["trainings_compared"]
        if row["dataset"] == dataset
    ]
    if not measured:
        return view.missing(f"the records of {name}")
    ways = list(dict.fromkeys(row["training"] for row in measured))
    by_place: dict[tuple[str, str, str], dict[str, Markup]] = {}
    for row in measured:
        place = (row["model"], row["attack"], text_of(row["epsilon"]))
        by_place.setdefault(place, {})[row["training"]] = _with_interval(row)
    rows = [[*place, *(of_way.get(way, "–") for way in ways)] for place, of_way in by_place.items()]
    heads = [Column(name, heading=True) for name in ("Model", "Attack", "Epsilon")]
    models = [model for model in view.models(dataset) if model["variant"] in others]
    main = {model["variant"]: model["mode"] for model in models if model["main"]}
    elsewhere = "; ".join(f"{view.title(variant)}: {view.training(mode)}" for variant, mode in main.items())
    return Table(
        f"trainings-compared-{dataset}",
        f"Variants that were trained in more than one way, {name}: accuracy, % (ours)",
        [*heads, *(Column(way.capitalize(), "right") for way in ways)],
        rows,
        pd.DataFrame(measured),
        Markup(
            "With 95 % intervals; attacks at the last iterate. Balanced: the mean of the classes' recalls. "
            "The other tables show {}."
        ).format(elsewhere)
        + about_no_gradient(measured),
        view.made(f"04_epsilon_sweep.{dataset}", view.cells(models, "attack")),
        view.smoke,
        decimals=1,
    )


def _with_interval(row: Mapping[str, Any]) -> Markup:
    value, *ends = (text_of(row[name], 1) for name in ("accuracy", "low", "high"))
    text = f"{value} [{ends[0]}, {ends[1]}]" if "–" not in ends else value
    return Markup(" ").join([text, *no_gradient(row)])


def _made(view: View, dataset: str) -> Made:
    return view.made(f"04_epsilon_sweep.{dataset}", view.cells(view.models(dataset, main=True), "attack"))


SECTION = Section(
    number="4.3",
    title="Attack intensity analysis across epsilon values",
    order=43,
    draw=of_each_dataset(accuracy_table, accuracy_curves, trainings_table),
)
