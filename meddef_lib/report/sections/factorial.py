"""Architecture or training? Every network by every training as a heat map, and what each of them does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report.comparing import signed
from meddef_lib.report.elements import (
    Figure,
    Made,
    Prose,
    Table,
    eps_text,
    frame_table,
    with_interval,
)
from meddef_lib.report.html_charts import Cell, heat_maps, under_the_pointer
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, list_items, need, text
from meddef_lib.results.model import Model
from meddef_lib.results.outcomes import WORST_CASE
from meddef_lib.results.statistics import p_text

NOTEBOOK = "09_comparison"
from_records = from_cells(NOTEBOOK, "attack")
Row = Mapping[str, Any]


def intro(view: View, dataset: str = "") -> Prose:
    """What is compared, and how the numbers are to be read."""
    design = view.parameters["comparison"]["factorial"]
    networks = ", ".join(view.title(variant) for variant in design["variants"])
    trainings = ", ".join(view.training(mode) for mode in design["modes"])
    said = text(
        "<p>The networks of the ablation differ in size as in their modules, and the tables show each in one "
        "training. Here {networks} are compared in each of these trainings ({trainings}), with the same "
        "seeds and on the same images; what this run has not made has no row, or a dash. The effect of an "
        "architecture is the difference between two networks, averaged over the trainings. The effect of a "
        "training is the difference between two trainings, averaged over the networks. An interaction is "
        "what a training does more to one network than to the first. Intervals "
        "are of 95 %, paired {over}; p has Holm's correction over the effects of one kind at one epsilon. "
        "Two are told apart where it is below 0.05.</p>",
        networks=networks,
        trainings=trainings,
        over="over images" if len(view.parameters["seeds"]) == 1 else "by seed and image, over the seeds",
    )
    return replace(said, title="What is compared, and how to read it")


def reading(view: View, dataset: str = "") -> Prose:
    lines = view.document["factorial"]["sentence"].splitlines()
    return Prose(Markup().join(Markup("<p>{}</p>").format(line) for line in lines))


def _cells(view: View, dataset: str) -> list[Row]:
    found = [row for row in view.document["factorial"]["cells"] if row["dataset"] == dataset]
    return need(found, f"the worst case of the networks for comparison on {view.dataset(dataset)}")


def _made(view: View, dataset: str) -> Made:
    places = dict.fromkeys((row["variant"], row["mode"], row["seed"]) for row in _cells(view, dataset))
    ids = [Model(dataset, *place).id for place in places]
    return view.made(f"{NOTEBOOK}.{dataset}", [f"attack/{id}/{WORST_CASE}" for id in ids])


@from_records
def heat_map(view: View, dataset: str) -> Figure:
    """Accuracy of each network (row) by training (column), clean and in the worst case, over the seeds."""
    name, found = view.dataset(dataset), pd.DataFrame(_cells(view, dataset))
    design = view.parameters["comparison"]["factorial"]
    budgets = sorted(found["eps"].unique())
    panels: dict[str, dict[str, dict[str, Cell]]] = {}
    for title, column, eps in [
        ("Clean", "clean_accuracy", budgets[0]),
        *((f"Worst case, epsilon {eps_text(eps)}", "accuracy", eps) for eps in budgets),
    ]:
        panel = panels.setdefault(title, {})
        for mode in design["modes"]:
            rows = found[(found["mode"] == mode) & (found["eps"] == eps)]
            panel[view.training(mode)] = {
                view.title(str(variant)): _shade(view, title, column, group)
                for variant, group in rows.groupby("variant", sort=False)
            }
    titles = [view.title(variant) for variant in design["variants"]]
    means: dict[Any, float] = found.groupby(["variant", "mode"], sort=False)["accuracy"].mean().to_dict()
    said = "; ".join(
        f"{view.title(variant)}, {view.training(mode)} {mean:.0f} %"
        for (variant, mode), mean in means.items()
    )
    alt = f"Heat map of accuracy by network and training on {name}. Mean over the worst cases: {said}."
    picture = heat_maps(
        titles, panels, alt, corner=("network", "training"), smoke=panels if view.smoke else ()
    )
    return Figure(
        f"factorial-{dataset}",
        f"Accuracy (%) of each network by training, {name}: clean and in the worst case. A dash: not run. "
        "Framed: a network that collapsed or has not learned.",
        alt,
        picture,
        found,
        note=under_the_pointer("n and the interval"),
        made=_made(view, dataset),
    )


def _shade(view: View, title: str, column: str, rows: pd.DataFrame) -> Cell:
    """One network and training; its rows are those of its seeds."""
    ends = ("clean_low", "clean_high") if column == "clean_accuracy" else ("ci_low", "ci_high")
    said = [
        f"seed {row['seed']}: {with_interval(row, column, 1, unit=' %', ends=ends)}, "
        + counted(row["n"], "image")
        + (f"\n{row['says_nothing']}" if row["says_nothing"] else "")
        for row in rows.to_dict("records")
    ]
    first = rows.iloc[0]
    head = f"{title}: {view.title(first['variant'])}, {view.training(first['mode'])}"
    frame = "near" if rows["says_nothing"].any() else ""
    return Cell(float(rows[column].mean()) / 100, hover="\n".join([head, *said]), frame=frame)


def sentences(view: View, dataset: str) -> Prose:
    rows = [row for row in view.document["factorial"]["sentences"] if row["dataset"] == dataset]
    said = Markup("<ul>{}</ul>").format(list_items(row["text"] for row in rows)) if rows else Markup()
    return Prose(said, title="Clean and at each epsilon, in words")


@from_records
def effects(view: View, dataset: str) -> Table | Prose:
    rows = [row for row in view.document["factorial"]["effects"] if row["dataset"] == dataset]
    if not rows:
        return text(
            "<p>{name}: no effect can be computed, as there is no training in which each of these networks "
            "was measured and has learned.</p>",
            name=view.dataset(dataset),
        )
    frame = pd.DataFrame(
        {
            "outcome": "clean" if row["eps"] is None else f"worst case, epsilon {eps_text(row['eps'])}",
            "effect of": row["term"],
            "difference": _named(view, row),
            "points": row["difference"],
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "p (Holm)": row["p_holm"],
            "n": row["n"],
        }
        for row in rows
    )
    points = {name: lambda value: signed(value, 1) for name in ("points", "ci_low", "ci_high")}
    table = frame_table(
        frame,
        id=f"factorial-effects-{dataset}",
        caption=f"Effects of architecture and training, {view.dataset(dataset)}: points of accuracy",
        texts={**points, "p (Holm)": p_text},
    )
    return replace(table, made=_made(view, dataset))


def _named(view: View, row: Row) -> str:
    networks = (
        f"{view.title(row['variant'])} less {view.title(row['other_variant'])}" if row["variant"] else ""
    )
    trainings = f"{view.training(row['mode'])} less {view.training(row['other_mode'])}" if row["mode"] else ""
    return ": ".join(words for words in (networks, trainings) if words)


SECTION = Section(
    title="Architecture or training?",
    order=45.5,
    draw=of_each_dataset(heat_map, sentences, effects, before=[intro, reading]),
    also=("3.3", "4.2"),
)
