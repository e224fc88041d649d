"""Which reading of the evaluation protocol makes the columns that the paper prints?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.params.protocol import DESCRIBED
from meddef_lib.report.elements import Figure, Prose, Table, columns, macros, text_of, with_interval
from meddef_lib.report.html_charts import Cell, heat_maps, under_the_pointer
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.sweeps import place_of
from meddef_lib.report.view import View, text
from meddef_lib.results.parts.readings import OF_THE_TABLES, as_far

MEASURED = ("agreement", "ci_low", "ci_high", "distance", "images", "told_apart")
WHICH, HOW_FAR = "Which reading comes closest to", "How far the protocol as described agrees with"
from_records = from_cells("08_robustness_checks", "readings")
Row = Mapping[str, Any]


def _columns(view: View, dataset: str, **where: Any) -> list[dict[str, Any]]:
    """The printed columns of a data set that readings were tried on. Raises Missing."""
    return view.needed("readings", dataset, "the readings of the protocol on", **where)


def _training(view: View, row: Row) -> str:
    return "as in the tables" if row["training"] == OF_THE_TABLES else view.training(row["training"])


def _title(view: View, row: Row) -> str:
    return f"{row['name']}, {view.attack(row['attack'])}"


def _reading(view: View, name: str) -> str:
    title: str = view.document["protocol"]["readings"][name]["title"]
    return title


def _closest(row: Row) -> list[str]:
    """The closest reading and, of those not told apart from it, what is as close; [] where none is named."""
    distances = {one["reading"]: one["distance"] for one in row["readings"]}
    return [
        name
        for name in (row["closest"], *row["not_told_apart"])
        if name and as_far(distances[name], distances[row["closest"]])
    ]


def _tied(view: View, row: Row) -> str:
    """The closest by name: `A`, of a tie `A = B`."""
    return " = ".join(_reading(view, name) for name in _closest(row))


@from_records
def sentences(view: View, dataset: str) -> Prose:
    rows = _columns(view, dataset, training=OF_THE_TABLES)
    said = list(dict.fromkeys(row["text"] for row in rows))
    if len(said) == 1:
        return Prose(Markup("<p>{}</p>").format(said[0]))
    items = [Markup("<li><b>{}</b>: {}</li>").format(_title(view, row), row["text"]) for row in rows]
    return Prose(Markup("<ul>{}</ul>").format(Markup().join(items)), title="Column by column, in words")


@from_records
def agreements(view: View, dataset: str) -> Figure:
    """Printed columns against readings, shaded by agreement: the networks of the tables."""
    return _shaded(view, dataset, [OF_THE_TABLES], f"readings-{dataset}")


@from_records
def other_trainings(view: View, dataset: str) -> Figure | Prose:
    """The same by networks that were all trained in one way, a panel a way."""
    trainings = dict.fromkeys(row["training"] for row in _columns(view, dataset))
    others = [training for training in trainings if training != OF_THE_TABLES]
    if not others:
        said = "Readings were tried on no other training of a network of {name}."
        return text(said, kind="note", name=view.dataset(dataset))
    return _shaded(view, dataset, others, f"readings-trainings-{dataset}")


def _shaded(view: View, dataset: str, trainings: Sequence[str], id: str) -> Figure:
    name = view.dataset(dataset)
    found = [row for training in trainings for row in _columns(view, dataset, training=training)]
    panels: dict[str, dict[str, dict[str, Cell]]] = {}
    for row in found:
        panel = panels.setdefault(f"{name}, {_training(view, row)}", {})
        panel[f"{row['name']} {view.attack(row['attack'])}"] = {
            _reading(view, one["reading"]): Cell(
                one["agreement"], hover=_hover(view, row, one), frame=_frame(row, one["reading"])
            )
            for one in row["readings"]
        }
    there = {title for panel in panels.values() for cells in panel.values() for title in cells}
    titles = [one["title"] for one in view.document["protocol"]["readings"].values()]
    rows = [title for title in dict.fromkeys(titles) if title in there]
    closest = "; ".join(
        f"{_title(view, row)} ({_training(view, row)}): {_tied(view, row)}" for row in found if row["closest"]
    )
    alt = f"Heat map of the agreement of each reading with each printed column on {name}. " + (
        f"Closest: {closest}." if closest else "On made-up images none is named the closest."
    )
    picture = heat_maps(
        rows, panels, alt, corner=("reading", "printed column"), smoke=panels if view.smoke else ()
    )
    return Figure(
        id,
        f"Agreement (%) of each reading of the protocol with the printed columns, {name}, "
        f"{', '.join(dict.fromkeys(_training(view, row) for row in found))}, {_trial(view, found)}. "
        + (
            "Framed: the closest (thick; several: a tie), and what its agreement cannot tell apart (thin). "
            * bool(closest)
        )
        + "A dash: the reading is none of that column.",
        alt,
        picture,
        _numbers(view, found),
        under_the_pointer("printed and our values"),
    )


def _trial(view: View, found: Iterable[Row]) -> str:
    """On how many images readings were tried, and with how many steps: those of the tables may be others."""
    n = sorted({one["images"] for row in found for one in row["readings"]})
    wanted = view.parameters["readings"]
    most = f" and {wanted['most_steps']} at most" if wanted["most_steps"] else ""
    steps = f"{counted(wanted['steps'], 'step')} where a reading says no other{most}"
    return f"{' or '.join([*map(str, n[:-1]), counted(n[-1], 'image')])}, {steps}"


def _frame(row: Row, reading: str) -> str:
    return "closest" if reading in _closest(row) else "near" if reading in row["not_told_apart"] else ""


def _hover(view: View, row: Row, one: Row) -> str:
    head = f"{_title(view, row)}: {_reading(view, one['reading'])}"
    head += f"\nagreement {_measured(one)} away, {counted(one['images'], 'image')}"
    axis = "eps" if row["quantity"] == "accuracy" else "rate"
    lines = [
        f"{view.title(value['variant'])}, {place_of(axis, value['position'])}: "
        f"paper {text_of(value['printed'])}, ours {text_of(value['reproduced'])}"
        for value in one["values"]
    ]
    return "\n".join([head, *lines])


def _numbers(view: View, found: Iterable[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "table": row["name"],
            "attack": view.attack(row["attack"]),
            "training": _training(view, row),
            "reading": _reading(view, one["reading"]),
            **{name: one[name] for name in MEASURED},
            **value,
        }
        for row in found
        for one in row["readings"]
        for value in one["values"]
    )


@from_records
def overview(view: View, dataset: str) -> Table:
    """A row a printed column and training: the closest reading, the described one, what is as close."""
    rows, copied = [], []
    columns_of = _columns(view, dataset)
    several = len({row["training"] for row in columns_of}) > 1
    for row in columns_of:
        by_name = {one["reading"]: one for one in row["readings"]}
        first = row["readings"][0] if row["closest"] else None
        name, training = _title(view, row), _training(view, row)
        tied, closest = _closest(row), _tied(view, row) or "–"
        near = "; ".join(_reading(view, name) for name in row["not_told_apart"] if name not in tied) or "–"
        measured = [_measured(one) for one in (first, by_name.get(DESCRIBED))]
        rows.append([name, *[training] * several, str(row["statements"]), closest, *measured, near])
        copied.append(
            {"column": name, "training": training, "statements": row["statements"], "closest": closest}
            | _copied("closest", first)
            | _copied("described", by_name.get(DESCRIBED))
            | {"not_told_apart": near}
        )
    numbers = ("Statements", "Closest: agreement", "As described: agreement")
    heads = ("Printed column", *["Training"] * several)
    titles = (*heads, "Statements", "Closest reading", *numbers[1:], "Not told apart")
    return Table(
        f"readings-table-{dataset}",
        f"{WHICH if any(row['closest'] for row in columns_of) else HOW_FAR} the printed "
        f"columns, {view.dataset(dataset)}",
        columns(*titles, heads=len(heads), right=numbers, wide=["Not told apart"]),
        rows,
        pd.DataFrame(copied),
        Markup(
            "Of {}. Agreement with its 95 % interval over resamples of these images: of few it may have no "
            "width, and then does not say how sure the number is. Behind it the mean absolute difference "
            "in points. {} A reading that fits is no proof that it was used."
        ).format(_trial(view, columns_of), view.document["protocol"]["measure"]["text"]),
        decimals=3,
    )


def _measured(one: Row | None) -> str:
    if one is None:
        return "–"
    agreement = with_interval(one, "agreement", unit=" %", scale=100)
    return f"{agreement}, {text_of(one['distance'], 1)} points"


def _copied(name: str, one: Row | None) -> dict[str, Any]:
    keys = ("agreement", "ci_low", "ci_high", "distance")
    return {f"{name}_{key}": one[key] if one else None for key in keys}


def explanations(view: View, dataset: str = "") -> Prose:
    html = macros("sections.html.j2").readings(view.document["protocol"])
    return Prose(html, title="The readings, what is compared, and which give the same numbers")


SECTION = Section(
    title="Which reading of the protocol makes the printed columns?",
    order=48.6,
    draw=of_each_dataset(sentences, agreements, overview, other_trainings, after=[explanations]),
)
