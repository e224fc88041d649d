"""Section 4.3: accuracy over epsilon (Tables 1 and 2), the worst case, and what the training does."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report import sweeps
from meddef_lib.report.comparing import about_no_gradient, no_gradient
from meddef_lib.report.elements import Figure, Prose, Table, columns, frame_table, text_of
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import Missing, View, need, note

NOTEBOOK = "04_epsilon_sweep"
from_records = from_cells(NOTEBOOK, "attack", main=True)


@from_records
def accuracy_table(view: View, dataset: str) -> Table:
    """Accuracy in percent at each epsilon: Table 1 for ROCT, Table 2 for chest X-ray."""
    sweeps.curve(view, dataset, "accuracy", "eps", missing=f"the records of {view.dataset(dataset)}")
    return sweeps.table(view, dataset, "accuracy", "accuracy on the attack's final image, %")


@from_records
def accuracy_dots(view: View, dataset: str) -> Figure:
    """The same as dots, one epsilon at a time."""
    sweeps.curve(view, dataset, "accuracy", "eps", missing=f"the records of {view.dataset(dataset)}")
    return sweeps.dot_plot(view, dataset, "accuracy", "accuracy on the attack's final image")


def accuracy_read(view: View, dataset: str) -> Prose:
    """What became of the table's numbers."""
    return sweeps.agreement(view, dataset, "accuracy")


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


def _worst_cases(view: View, dataset: str) -> list[dict[str, Any]]:
    """Of the networks of the tables with the first seed. Raises Missing."""
    shown = {(model["variant"], model["mode"], model["seed"]) for model in view.models(dataset, main=True)}
    rows = view.entries("worst_case", dataset=dataset, seed=view.parameters["seeds"][0])
    main = [row for row in rows if (row["variant"], row["mode"], row["seed"]) in shown]
    return need(main, f"the worst case on {view.dataset(dataset)}")


@from_cells(NOTEBOOK)
def worst_case_gap(view: View, dataset: str) -> Prose:
    """How far the worst case lies below the paper's own PGD, in words."""
    rows = _worst_cases(view, dataset)
    two = len(view.datasets[dataset]["classes"]) == 2
    said = [
        Markup(
            "<p>Worst case: an image counts as right where every one of {attacks} fails, each on what is "
            "still right after those before it{third}."
        ).format(
            attacks=", ".join(view.attack(name) for name in rows[0]["fallen"]),
            third="; with two classes, as here, APGD-T is APGD-DLR" if two else "",
        )
    ]
    unpruned = [row for row in rows if row["gap"] is not None and not row["rate_percent"]]
    main = view.parameters["pruning"]["eps"]
    told = [row for row in unpruned if (row["variant"], row["eps"]) == (FULL.id, main)]
    largest = max(unpruned, key=lambda row: row["gap"], default=None)
    said += [_gap(view, dataset, row) for row in told]
    if largest is None:
        said.append(Markup("PGD was not measured on the same images at the same epsilon."))
    elif largest["gap"] > max((row["gap"] for row in told), default=-math.inf):
        said.append(Markup("The largest gap: {}").format(_gap(view, dataset, largest)))
    return Prose(Markup(" ").join(said) + Markup("</p>"))


def _gap(view: View, dataset: str, row: Mapping[str, Any]) -> Markup:
    names = ("accuracy", "pgd", "gap", "gap_low", "gap_high")
    return Markup(
        "{model} at epsilon {eps:.3g}: {accuracy} % in the worst case, {pgd} % under the paper's own PGD on "
        "the same {n} images, a gap of {gap} points [{gap_low}, {gap_high}]."
    ).format(
        model=view.title(row["variant"], dataset),
        eps=row["eps"],
        n=row["n"],
        **{name: text_of(row[name], 1) for name in names},
    )


@from_cells(NOTEBOOK, "attack", "prune", main=True, attacks=("worst_case", "pgd"))
def worst_case_table(view: View, dataset: str) -> Table:
    """The worst case beside PGD on the same images, and to which attack images fell."""
    rows = [
        {
            "model": view.title(row["variant"], dataset),
            "pruned, %": row["rate_percent"],
            "epsilon": row["eps"],
            "n": row["n"],
            "worst case, %": row["accuracy"],
            "low": row["ci_low"],
            "high": row["ci_high"],
            "PGD, %": row["pgd"],
            "gap": row["gap"],
            "gap, low": row["gap_low"],
            "gap, high": row["gap_high"],
            "wrong before": row["misclassified"],
        }
        | {f"fell to {view.attack(name)}": number for name, number in row["fallen"].items()}
        for row in _worst_cases(view, dataset)
    ]
    return frame_table(
        pd.DataFrame(rows),
        id=f"worst-case-{dataset}",
        caption=f"The worst case and the paper's own PGD on the same images, "
        f"{view.dataset(dataset)}{view.first_seed} (ours)",
        decimals=1,
        texts={"epsilon": lambda eps: f"{eps:.3g}"},
        note=Markup(
            "Accuracy with Wilson's 95 % interval; PGD by its final image. Gap: PGD less the worst case, in "
            "points, with the 95 % interval of a paired difference (Bonett and Price, 2012). An image falls "
            "to the first attack that finds a mistake; the next ones do not see it."
        ),
    )


@from_cells(NOTEBOOK)
def trainings_table(view: View, dataset: str) -> Table | Prose:
    """The variants that were trained in several ways, a column a way."""
    name = view.dataset(dataset)
    if view.given:
        raise Missing("the same network trained in other ways")
    others = [model["variant"] for model in view.models(dataset, main=False) if not model["image_size"]]
    if not others:
        return note("Every variant was trained in one way on {name}.", name=name)
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
            "With 95 % intervals; attacks by their final image. Balanced: the mean of the classes' recalls. "
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
    draw=of_each_dataset(
        accuracy_dots,
        accuracy_read,
        accuracy_table,
        accuracy_curves,
        worst_case_gap,
        worst_case_table,
        trainings_table,
    ),
)
