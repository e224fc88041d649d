"""What the two sweeps, over epsilon and over pruning, are shown with: a table of rates, and curves."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.blocks import NOTHING, Figure, Made, Prose, Table
from meddef_lib.report.comparing import HOW_TO_READ, comparing_table, unprinted
from meddef_lib.report.inline import svg
from meddef_lib.report.view import View

CLEAN = "Clean images"
NUMBERS = ["paper", "ours", "ci_low", "ci_high", "balanced_accuracy"]
UNITS = {"pixels": "pixels in [0, 1]", "standardised": "standardised pixels"}
AXES = {"eps": "epsilon ({units})", "rate_percent": "weights pruned, %"}


def curve(view: View, dataset: str, quantity: str, axis: str, *, clean: bool = False) -> pd.DataFrame:
    """Ours and the paper's along one axis, clean images or attacked ones: attack, variant, axis, numbers."""
    columns = ["attack", "variant", axis, *NUMBERS, "collapsed"]
    frame = view.rows("curves", dataset=dataset, quantity=quantity)
    if frame.empty:
        return pd.DataFrame(columns=columns)
    frame = frame[(frame["attack"] == "") == clean].replace({"attack": {"": CLEAN}})
    return frame[columns].astype(dict.fromkeys(NUMBERS, float)).reset_index(drop=True)


def table(view: View, dataset: str, quantity: str, unit: str, made: Made, note: Markup = NOTHING) -> Table:
    """Table 1 to 4, or its like where the paper prints none; `unit` says what its numbers are."""
    (found,) = (
        one for one in view.document["tables"] if (one["dataset"], one["quantity"]) == (dataset, quantity)
    )
    over_eps = found["axis"] == "eps"
    columns = {
        name: "Parameters (M)" if name == "parameters" else view.attack(name) for name in found["columns"]
    }
    rows = []
    for row in found["rows"]:
        place = f"{row['position']:.2f}" if over_eps else f"{row['position']:.0f} %"
        rows.append(((place, view.title(row["variant"])), cells(row)))
    without = view.without_eps(found["columns"])
    titles = {name: view.attack(name) for name in without}
    approximated = {name: view.document["names"]["attacks"][name]["approximated"] for name in without}
    said = [
        *(f" {titles[name]} has no epsilon: one run stands in every row of its model." for name in without),
        *(f" {titles[name]} is approximated here: {how}." for name, how in approximated.items() if how),
    ]
    number = found["id"].removeprefix("table")
    title = (
        f"Table {number}: {found['title']}"
        if found["title"]
        else f"Not in the paper: {view.dataset(dataset)}"
    )
    return comparing_table(
        view,
        id=found["id"],
        caption=f"{title} ({unit})",
        heads=("Epsilon" if over_eps else "Pruned", "Model"),
        columns=columns,
        rows=rows,
        note=HOW_TO_READ + Markup().join(Markup("{}").format(words) for words in said) + note,
        made=made,
    )


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row of `tables` or `headline`, as `comparing_table` takes them."""
    ours = {
        name: unprinted(measured, "millions" if name == "parameters" else "percent")
        for name, measured in row["ours"].items()
    }
    return row["ids"] | ours


def figure(
    view: View, id: str, frame: pd.DataFrame, axis: str, y_label: str, caption: str, alt: str, made: Made
) -> Figure | Prose:
    """The curves of a frame, a panel an attack, a line a model."""
    alt = f"{alt} {ends(view, frame, axis)}".rstrip()
    drawing = charts.curves(
        frame.replace({"attack": _titles(view, frame)}),
        balanced=y_label.startswith("accuracy"),
        x=axis,
        panels="attack",
        titles=view.document["names"]["variants"],
        x_label=AXES[axis].format(units=UNITS[view.parameters["eps_units"]]),
        y_label=y_label,
        logarithmic=axis == "eps",
    )
    return Figure(id, caption, alt, svg(drawing, alt, smoke=view.smoke), frame, made=made, smoke=view.smoke)


def ends(view: View, frame: pd.DataFrame, axis: str) -> str:
    """What a line plot says, in words: where the full model begins and ends, by attack."""
    sentences, titles = [], _titles(view, frame)
    of_full = frame[(frame["variant"] == "full") & frame["ours"].notna()]
    for attack, rows in of_full.groupby("attack", sort=False):
        first, last = rows.sort_values(axis).iloc[0], rows.sort_values(axis).iloc[-1]
        start, end = (f"{row['ours']:.1f} % at {row[axis]:g}" for row in (first, last))
        title = titles.get(str(attack), CLEAN)
        sentences.append(f"{title}, full model: {start}, {end}.")
    return " ".join(sentences)


def _titles(view: View, frame: pd.DataFrame) -> dict[str, str]:
    """The names of the attacks of a frame."""
    return {name: view.attack(name) for name in frame["attack"].unique() if name != CLEAN}
