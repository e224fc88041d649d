"""Section 4.3: accuracy over epsilon (Tables 1 and 2), the worst case, and what the training does."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import sweeps
from meddef_lib.report.comparing import about_no_gradient, no_gradient
from meddef_lib.report.elements import Figure, Prose, Table, columns, frame_table, text_of, with_interval
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import Missing, View, need, text

NOTEBOOK = "04_epsilon_sweep"
from_records = from_cells(NOTEBOOK, "attack", main=True)


@from_records
def accuracy_table(view: View, dataset: str) -> Table:
    sweeps.curve(view, dataset, "accuracy", "eps")
    return sweeps.table(view, dataset, "accuracy", "accuracy on the attack's final image, %")


@from_records
def accuracy_dots(view: View, dataset: str) -> Figure:
    sweeps.curve(view, dataset, "accuracy", "eps")
    return sweeps.dots(view, dataset, "accuracy", "accuracy on the attack's final image")


@from_records
def accuracy_curves(view: View, dataset: str) -> Figure:
    name = view.dataset(dataset)
    frame = sweeps.curve(view, dataset, "accuracy", "eps")
    frame = frame[~frame["attack"].isin(view.without_eps(frame["attack"]))]
    attacks = [view.attack(attack) for attack in frame["attack"].unique()]
    return sweeps.figure(
        view,
        dataset,
        f"curves-{dataset}-accuracy",
        frame,
        "accuracy",
        f"Accuracy over epsilon, {name}: ours (filled, 95 % interval; dotted: balanced), the paper's "
        "(hollow, dashed); crossed out: one answer for nearly every image.",
        f"Line plots of accuracy against epsilon on {name} under {', '.join(attacks)}, one line a model.",
    )


@from_records
def rises(view: View, dataset: str) -> Prose:
    """Where accuracy rises from one epsilon to the next, so that the smaller one did more; else nothing."""
    rows = view.entries("curves", dataset=dataset, quantity="accuracy")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted((row for row in rows if row["ours"] is not None), key=lambda row: row["eps"] or 0):
        if row["attack"] and row["attack"] not in view.without_eps([row["attack"]]):
            found.setdefault((row["variant"], row["attack"]), []).append(row)
    steps = [step for of_line in found.values() for step in pairwise(of_line)]
    up = [(first, then) for first, then in steps if then["ours"] > first["ours"]]
    if not up:
        return Prose(Markup())
    first, then = max(up, key=lambda step: step[1]["ours"] - step[0]["ours"])
    return text(
        "<p>From one epsilon to the next accuracy rises in {up} of {steps}, in {apart} with intervals apart; "
        "most under {attack} on {network}: {ends}.</p>",
        up=len(up),
        steps=counted(len(steps), "step"),
        apart=sum(then["ci_low"] > first["ci_high"] for first, then in up) or "none",
        attack=view.attack(first["attack"]),
        network=view.title(first["variant"], dataset),
        ends=", ".join(f"{one['ours']:.1f} % at {eps_text(one['eps'])}" for one in (first, then)),
    )


def _worst_cases(view: View, dataset: str) -> list[dict[str, Any]]:
    """Of the networks of the tables with the first seed. Raises Missing."""
    shown = {(model["variant"], model["mode"], model["seed"]) for model in view.models(dataset, main=True)}
    rows = view.entries("worst_case", dataset=dataset, seed=view.parameters["seeds"][0])
    main = [row for row in rows if (row["variant"], row["mode"], row["seed"]) in shown]
    return need(main, f"the worst case on {view.dataset(dataset)}")


@from_cells(NOTEBOOK)
def worst_case_gap(view: View, dataset: str) -> Prose:
    rows = _worst_cases(view, dataset)
    two = len(view.datasets[dataset]["classes"]) == 2
    attacks = ", ".join(view.attack(name) for name in rows[0]["fallen"])
    said = [
        f"Worst case: an image counts as right only if all of {attacks} fail on it; each tries the images "
        f"that those before it left{'; with two classes, as here, APGD-T is APGD-DLR' if two else ''}."
    ]
    unpruned = [row for row in rows if row["gap"] is not None and not row["rate_percent"]]
    main = view.parameters["pruning"]["eps"]
    told = [row for row in unpruned if (row["variant"], row["eps"]) == (FULL.id, main)]
    largest = max(unpruned, key=lambda row: row["gap"], default=None)
    said += [_gap(view, dataset, row) for row in told]
    if largest is None:
        said.append("PGD was not measured on the same images at the same epsilon.")
    elif largest["gap"] > max((row["gap"] for row in told), default=-math.inf):
        said.append(f"The largest gap: {_gap(view, dataset, largest)}")
    return text("<p>{said}</p>", said=" ".join(said))


def _gap(view: View, dataset: str, row: Mapping[str, Any]) -> str:
    gap = with_interval(row, "gap", 1, unit=" points", ends=("gap_low", "gap_high"))
    accuracy, pgd = (text_of(row[name], 1) for name in ("accuracy", "pgd"))
    return (
        f"{view.title(row['variant'], dataset)} at epsilon {eps_text(row['eps'])}: {accuracy} % in the worst "
        f"case, {pgd} % under this run's PGD on the same {counted(row['n'], 'image')}, a gap of {gap}."
    )


@from_cells(NOTEBOOK, "attack", "prune", main=True, attacks=("worst_case", "pgd"))
def worst_case_table(view: View, dataset: str) -> Table:
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
        caption=f"The worst case and this run's PGD on the same images, "
        f"{view.dataset(dataset)}{view.first_seed} (ours)",
        decimals=1,
        texts={"epsilon": eps_text},
        note=Markup(
            "Accuracy with Wilson's 95 % interval; PGD with the steps of this run, by its final image. Gap: "
            "PGD less the worst case, in points. PGD is the first attack of the worst case, so that the gap "
            "is a share of the images, with Wilson's interval; where an image falls to PGD alone after all, "
            "with that of a paired difference (Bonett and Price, 2012). An image falls to the first attack "
            "that finds a mistake; the next ones do not see it."
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
        return text("Every variant was trained in one way on {name}.", kind="note", name=name)
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
        for row in view.needed("trainings_compared", dataset, "the records of")
    ]
    ways = list(dict.fromkeys(row["training"] for row in measured))
    by_place: dict[tuple[str, str, str], dict[str, Markup]] = {}
    for row in measured:
        place = (row["model"], row["attack"], "–" if row["epsilon"] is None else eps_text(row["epsilon"]))
        said = with_interval(row, "accuracy", 1, ends=("low", "high"))
        by_place.setdefault(place, {})[row["training"]] = Markup(" ").join([said, *no_gradient(row)])
    rows = [[*place, *(of_way.get(way, "–") for way in ways)] for place, of_way in by_place.items()]
    titles = [way.capitalize() for way in ways]
    shown = {model["variant"]: model["mode"] for model in view.models(dataset, main=True)}
    elsewhere = [
        f"{view.title(name)}: {view.training(mode)}" for name, mode in shown.items() if name in others
    ]
    variants = dict.fromkeys(others)
    cells = [id for variant in variants for id in view.cells(dataset, "attack", variant=variant)]
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
        view.made(f"{NOTEBOOK}.{dataset}", cells),
        decimals=1,
    )


SECTION = Section(
    number="4.3",
    title="Attack intensity analysis across epsilon values",
    order=43,
    draw=of_each_dataset(
        accuracy_dots,
        sweeps.agreement("accuracy"),
        rises,
        accuracy_table,
        accuracy_curves,
        worst_case_gap,
        worst_case_table,
        trainings_table,
    ),
)
