"""What the two sweeps, over epsilon and over pruning, are shown with: a table of rates, and curves."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report import charts, inline
from meddef_lib.report.comparing import HOW_TO_READ, comparing_table, unprinted
from meddef_lib.report.elements import NOTHING, Figure, Table
from meddef_lib.report.view import View, need

CLEAN = "Clean images"
NUMBERS = ["paper", "ours", "ci_low", "ci_high", "balanced_accuracy"]
UNITS = {"pixels": "pixels in [0, 1]", "standardised": "standardised pixels"}
AXES = {"eps": "epsilon ({units})", "rate_percent": "weights pruned, %"}


def curve(
    view: View, dataset: str, quantity: str, axis: str, *, missing: str, clean: bool = False
) -> pd.DataFrame:
    """Ours and the paper's along one axis, clean images or attacked ones: attack, variant, axis, numbers.

    Raises Missing, naming `missing`, where nothing was measured.
    """
    found = view.entries("curves", dataset=dataset, quantity=quantity)
    of_kind = [row | {"attack": row["attack"] or CLEAN} for row in found if (row["attack"] == "") == clean]
    need([row for row in of_kind if row["ours"] is not None], missing)
    return pd.DataFrame(of_kind, columns=["attack", "variant", axis, *NUMBERS, "collapsed"]).astype(
        dict.fromkeys(NUMBERS, float)
    )


def table(view: View, dataset: str, quantity: str, unit: str, note: Markup = NOTHING) -> Table:
    """Table 1 to 4, or its like where the paper prints none; `unit` says what its numbers are."""
    (found,) = view.entries("tables", dataset=dataset, quantity=quantity)
    over_eps = found["axis"] == "eps"
    columns = {
        name: "Parameters (M)" if name == "parameters" else view.attack(name) for name in found["columns"]
    }
    rows = []
    for row in found["rows"]:
        place = f"{row['position']:.2f}" if over_eps else f"{row['position']:.0f} %"
        rows.append(((place, view.title(row["variant"], dataset)), cells(row)))
    called = view.document["names"]["attacks"]
    attacks = [called[name] for name in found["columns"] if name in called]
    said = [
        f" {one['title']} has no epsilon: one run stands in every row of its model."
        for one in attacks
        if not one["has_eps"]
    ]
    said += [
        f" {one['title'][:1].upper()}{one['title'][1:]} is approximated here: {one['approximated']}."
        for one in attacks
        if one["approximated"]
    ]
    name, title = found["name"] or "Not in the paper", found["title"] or view.dataset(dataset)
    return comparing_table(
        view,
        id=found["id"],
        caption=f"{name}: {title} ({unit})",
        heads=("Epsilon" if over_eps else "Pruned", "Model"),
        columns=columns,
        rows=rows,
        note=HOW_TO_READ + Markup("{}").format("".join(said)) + note,
    )


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row of `tables` or `headline`, as `comparing_table` takes them."""
    ours = {
        name: unprinted(measured, "millions" if name == "parameters" else "percent")
        for name, measured in row["ours"].items()
    }
    return row["ids"] | ours


def figure(
    view: View, dataset: str, id: str, frame: pd.DataFrame, quantity: str, caption: str, alt: str
) -> Figure:
    """The curves of a frame, a panel an attack, a line a model; the words begin with `alt`."""
    axis = next(name for name in AXES if name in frame)
    titles = {name: view.attack(name) for name in frame["attack"].unique() if name != CLEAN}
    drawing = charts.curves(
        frame.replace({"attack": titles}),
        x=axis,
        balanced=quantity == "accuracy",
        titles={name: view.title(name, dataset) for name in frame["variant"].unique()},
        x_label=AXES[axis].format(units=UNITS[view.parameters["eps_units"]]),
        y_label=f"{quantity}, %",
        logarithmic=axis == "eps",
    )
    return inline.figure(view, id, caption, f"{alt} {ends(view, frame, axis)}".rstrip(), drawing, frame)


def ends(view: View, frame: pd.DataFrame, axis: str) -> str:
    """What a line plot says, in words: where the full model begins and ends, by attack."""
    sentences = []
    of_full = frame[(frame["variant"] == FULL.id) & frame["ours"].notna()]
    for attack, rows in of_full.groupby("attack", sort=False):
        first, last = rows.sort_values(axis).iloc[[0, -1]].to_dict("records")
        start, end = (f"{row['ours']:.1f} % at {row[axis]:g}" for row in (first, last))
        title = CLEAN if attack == CLEAN else view.attack(str(attack))
        sentences.append(f"{title}, full model: {start}, {end}.")
    return " ".join(sentences)
