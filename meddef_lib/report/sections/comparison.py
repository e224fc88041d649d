"""Section 4.5: the paper's Table 5, what it quotes of each method beside what this run measured of it."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.comparing import COLLAPSED, STATUS_WORDS
from meddef_lib.report.elements import (
    Figure,
    Made,
    Prose,
    Table,
    columns,
    eps_text,
    label,
    macros,
    text_of,
    with_interval,
)
from meddef_lib.report.html_charts import OURS, QUOTED, dot_plot
from meddef_lib.report.section import Section, marked, of_each_dataset
from meddef_lib.report.view import View, folded_list
from meddef_lib.results.parts.names import trained

Row = dict[str, Any]
METRICS = {
    "attack_success_rate": "PGD success rate",
    "safe_rate": "safe pruning rate",
    "frequency_correlation": "correlation of forgetting with class frequency",
    "boosted_accuracy": "accuracy of boosted trees, clean",
    "boosted_robust_accuracy": "accuracy of boosted trees, attacked",
}
FIGURE = ("method", "dataset", "metric")  # what one quoted figure is of
OTHER_NETWORKS = {"resnet152": "ResNet-152 of torchvision"}
ATTACKS = {"both": "both attacks"}
ON_A_GRID = "safe_rate"  # of the few rates that a run tries: its interval meets whatever lies between two


def rows_of(view: View, dataset: str) -> list[Row]:
    """The rows of Table 5 about a data set, of all without one."""
    return view.entries("table5", **({"dataset": dataset} if dataset else {}))


def network(view: View, row: Row) -> str:
    """What was measured in the place of a quoted method."""
    known = view.document["names"]["variants"] | OTHER_NETWORKS | {"": ""}
    title = known[row["variant"]]
    return trained(title, view.training(row["mode"])) if row["mode"] else title


def number(row: Row) -> str:
    unit, decimals = ("", 2) if row["unit"] == "share" else (" %", 1)
    return with_interval(row, "reproduced", decimals, unit=unit)


def place(view: View, point: Row) -> str:
    said = [ATTACKS.get(point["attack"]) or view.attack(point["attack"])] if point["attack"] else []
    said += [f"epsilon {eps_text(point['eps'])}"] if point["eps"] is not None else []
    said += [f"{point['rate_percent']} % pruned"] if point["rate_percent"] is not None else []
    return ", ".join(said)


def meets(row: Row) -> bool:
    """Whether the interval of what was measured and the quoted range have a number in common."""
    low, high = (row["reproduced"] if row[end] is None else row[end] for end in ("ci_low", "ci_high"))
    return bool(low <= row["quoted_high"] and row["quoted_low"] <= high)


def counted(rows: list[Row]) -> list[Row]:
    """The rows whose numbers say something: measured, of networks that do not give every image one answer."""
    return [row for row in rows if row["status"] == "measured" and not row["collapsed"]]


def reading(view: View, dataset: str = "") -> Prose:
    """A sentence for each quoted figure and data set, and how many of what was measured meet it."""
    rows = rows_of(view, dataset)
    measured = counted(rows)
    compared = [row for row in measured if row["metric"] != ON_A_GRID]
    if view.smoke:
        first = f"Numbers measured beside those that the paper quotes: {len(measured)}."
    else:
        many = sum(map(meets, compared))
        first = f"Numbers whose 95 % interval here meets what the paper quotes: {many} of {len(compared)}."
        if len(compared) < len(measured):
            first += " Safe pruning rates are left out: their intervals end at rates tried, far apart."
    by_number = folded_list("Number by number", list(_sentences(view, rows)))
    return marked(view, Prose(Markup("<p>{}</p>{}").format(first, by_number)))


def _sentences(view: View, rows: list[Row]) -> Iterator[str]:
    for (method, of, metric), found in groupby(rows, key=itemgetter(*FIGURE)):
        of_figure = list(found)
        start = f"{method}, {METRICS[metric]}, {view.dataset(of)}: quoted {of_figure[0]['quoted']}; "
        ranked = sorted(counted(of_figure), key=lambda row: row["reproduced"])
        if not ranked:
            why = of_figure[0]["how"] or "The network gives nearly every image one answer."
            yield f"{start}nothing measured here can be compared. {why}"
            continue
        least, most = (f"{number(row)} for {network(view, row)}" for row in (ranked[0], ranked[-1]))
        said = f"here {least}" if len(ranked) == 1 else f"here from {least} to {most}"
        at = place(view, ranked[0])
        yield f"{start}{said}{f', at {at}' if at else ''}."


def chart(view: View, dataset: str) -> Figure | Prose:
    """Quoted ranges and measured numbers in percent; empty where nothing was measured."""
    rows = [
        {
            "panel": METRICS[row["metric"]],
            "label": f"{row['method']}: {network(view, row)}",
            "low": row["quoted_low"],
            "high": row["quoted_high"],
            "value": row["reproduced"],
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
        }
        for row in counted(rows_of(view, dataset))
        if row["unit"] == "percent"
    ]
    if not rows:
        return Prose(Markup())
    frame = pd.DataFrame(rows)
    said = "; ".join(f"{row['label']}, {row['panel']}: {row['value']:.1f} %" for row in rows)
    alt = f"Quoted ranges as boxes and measured numbers as dots with whiskers. {said}."
    of_metric = frame.assign(row=frame["label"], metric=frame["panel"], panel="")
    quoted = of_metric.assign(mark=QUOTED, x=None)
    ours = of_metric.assign(mark=OURS, x=frame["value"], low=frame["ci_low"], high=frame["ci_high"])
    picture = dot_plot(pd.concat([quoted, ours]), alt, by="metric", x_label="%", smoke=view.smoke)
    return Figure(
        f"table5-chart-{dataset}",
        f"Table 5: what the paper quotes (boxes) and what was measured on {view.dataset(dataset)} "
        "(dots, 95 % intervals), %",
        alt,
        picture,
        frame,
        made=_made(view, dataset),
        smoke=view.smoke,
    )


def table5(view: View, dataset: str = "") -> Table:
    """Table 5, quoted and measured: a row a method, data set, figure and network."""
    shown, rows = [], rows_of(view, dataset)
    # what cannot be had of any network for one reason is one row
    for _, found in groupby(rows, key=itemgetter(*FIGURE, "how")):
        of_reason = list(found)
        alike = len(of_reason) > 1 and of_reason[0]["reproduced"] is None
        shown += (
            [(of_reason[0], _together(view, of_reason))]
            if alike
            else [(row, network(view, row)) for row in of_reason]
        )
    note = Markup(
        "Quoted: as the paper's Table 5 prints it, of other data, networks and attacks. Measured: on the "
        "images of this run, with its 95 % interval. Nearest: of every epsilon and pruning rate that was "
        "measured the one closest to what is quoted, collapsed networks aside. A measured number is of "
        "another setting than the quoted one, which itself cannot be run: the two are not judged. What "
        "differs between the settings stands below."
    )
    numbers = ("Measured", "n", "Nearest")
    titles = ("Method", "Measure", "Quoted", "Network", *numbers)
    return Table(
        f"table5{f'-{dataset}' if dataset else ''}",
        "Table 5: other defences and MedDef, quoted and measured",
        columns(*titles, right=numbers, wide=("Measure", "Network")),
        [_shown(view, row, title) for row, title in shown],
        pd.DataFrame([_copied(view, row) for row in rows]),
        note,
        _made(view, dataset),
        view.smoke,
    )


def _together(view: View, rows: list[Row]) -> str:
    """Several networks in one row: all of the figure, or one variant in its trainings, or each by name."""
    if len(rows) == len(view.entries("table5", **{name: rows[0][name] for name in FIGURE})):
        return "every network"
    trainings = [view.training(row["mode"]) for row in rows if row["mode"]]
    if trainings and len({row["variant"] for row in rows}) == 1:
        return trained(network(view, rows[0] | {"mode": ""}), "; ".join(trainings))
    return "; ".join(network(view, row) for row in rows)


def _shown(view: View, row: Row, title: str) -> list[str | Markup]:
    nearest = next((point for point in row["points"] if point["nearest"]), None)
    words = [label(STATUS_WORDS[row["status"]])] if row["status"] != "measured" else []
    words = [label(COLLAPSED)] if row["collapsed"] else words
    return [
        f"{row['method']} {row['year']}",
        Markup("{}<br>{}").format(METRICS[row["metric"]], view.dataset(row["dataset"])),
        row["quoted"],
        Markup("<br>").join(said for said in (title, row["how"]) if said) or "–",
        Markup(" ").join([_placed(number(row), place(view, row)), *words]),
        text_of(row["n"]) if row["n"] else "–",
        _placed(number(row | nearest), place(view, nearest)) if nearest else "–",
    ]


def _placed(said: str, at: str) -> Markup:
    """A number, and below it where it was measured."""
    return Markup('{} <span class="interval">{}</span>' if at else "{}").format(said, at)


def _copied(view: View, row: Row) -> dict[str, Any]:
    names = ("method", "dataset", "metric", "unit", "quoted", "quoted_low", "quoted_high")
    numbers = ("reproduced", "ci_low", "ci_high", "n", "attack", "eps", "rate_percent", "status")
    return (
        {name: row[name] for name in names}
        | {"network": network(view, row)}
        | {name: row[name] for name in numbers}
    )


def _made(view: View, dataset: str) -> Made:
    """By the records of PGD on the networks that the table names, and the boosted trees."""
    rows = rows_of(view, dataset)
    named = tuple(f"{row['dataset']}/{row['variant']}/{row['mode']}/" for row in rows if row["mode"])
    of_pgd = [cell for cell in view.entries("cells", attack="pgd") if cell["kind"] in ("attack", "prune")]
    ids = [cell["id"] for cell in of_pgd if cell["id"].partition("/")[2].startswith(named)]
    ids += [cell["id"] for cell in view.entries("cells", kind="boosted")]
    return view.made("09_comparison." + (dataset or next(iter(view.datasets))), ids)


def settings(view: View, dataset: str = "") -> Prose:
    by_method = {row["method"]: row for row in reversed(rows_of(view, dataset))}
    html = macros("sections.html.j2").settings(reversed(by_method.values()))
    return Prose(html, title="What differs between the quoted settings and this run's")


SECTION = Section(
    number="4.5",
    title="State-of-the-art comparison",
    order=45,
    draw=of_each_dataset(chart, after=[reading, table5, settings]),
)
