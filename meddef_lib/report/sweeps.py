"""What the two sweeps, over epsilon and over pruning, are shown with: a table of rates, and curves."""

from collections.abc import Container, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import charts, inline
from meddef_lib.report.comparing import HOW_TO_READ, comparing_table, tally, unprinted
from meddef_lib.report.elements import NOTHING, Figure, Prose, Table, eps_text
from meddef_lib.report.html_charts import OURS, PAPER, WORST, dot_plot
from meddef_lib.report.section import Builder
from meddef_lib.report.view import View, need

CLEAN = "Clean images"
NUMBERS = ["paper", "ours", "ci_low", "ci_high", "balanced_accuracy"]
APART = ("parameters", "worst_case")  # not panels of their own: the worst case is a tick
UNITS = {"pixels": "pixels in [0, 1]", "standardised": "standardised pixels"}
AXES = {"eps": "epsilon ({units})", "rate_percent": "weights pruned, %"}


def curve(view: View, dataset: str, quantity: str, axis: str, *, clean: bool = False) -> pd.DataFrame:
    """Ours and the paper's along one axis, clean images or attacked ones: attack, variant, axis, numbers.

    Raises Missing where nothing was measured.
    """
    found = view.entries("curves", dataset=dataset, quantity=quantity)
    of_kind = [row | {"attack": row["attack"] or CLEAN} for row in found if (row["attack"] == "") == clean]
    need([row for row in of_kind if row["ours"] is not None], f"the records of {view.dataset(dataset)}")
    return pd.DataFrame(of_kind, columns=["attack", "variant", axis, *NUMBERS, "collapsed"]).astype(
        dict.fromkeys(NUMBERS, float)
    )


def under_attack_alone(view: View, dataset: str, quantity: str) -> Markup:
    """Which networks give nearly every attacked image one answer, but not the clean ones: no collapse."""
    rows = view.entries("curves", dataset=dataset, collapsed=True)
    collapsed = {(row["variant"], row["rate_percent"] or 0) for row in rows if not row["attack"]}
    alone: dict[str, list[str]] = {}
    for row in rows:
        axis = "eps" if row["rate_percent"] is None else "rate_percent"
        place = (row["variant"], row["rate_percent"] or 0)
        if row["attack"] and row["quantity"] == quantity and place not in collapsed:
            title = f"{view.title(row['variant'], dataset)}, {view.attack(row['attack'])}"
            alone.setdefault(title, []).append(place_of(axis, row[axis]))
    said = "; ".join(f"{title} at {', '.join(places)}" for title, places in alone.items())
    return Markup(" One answer under attack alone: {}.").format(said) if said else NOTHING


def table(view: View, dataset: str, quantity: str, unit: str, note: Markup = NOTHING) -> Table:
    """Table 1 to 4, or its like where the paper prints none; `unit` says what its numbers are."""
    (found,) = view.entries("tables", dataset=dataset, quantity=quantity)
    over_eps = found["axis"] == "eps"
    columns = {
        name: "Parameters (M)" if name == "parameters" else view.attack(name) for name in found["columns"]
    }
    rows = []
    for row in found["rows"]:
        place = eps_text(row["position"]) if over_eps else f"{row['position']:.0f} %"
        rows.append(((place, view.title(row["variant"], dataset)), cells(row)))
    called = view.document["names"]["attacks"]
    attacks = [called[name] for name in found["columns"] if name in called]
    said = [
        f" {one['title']} has no epsilon: one run stands in every row of its model."
        for one in attacks
        if over_eps and not one["has_eps"]
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
        note=HOW_TO_READ
        + Markup("{}").format("".join(said))
        + note
        + under_attack_alone(view, dataset, quantity),
    )


def dots(view: View, dataset: str, quantity: str, caption: str, *, clean: bool = False) -> Figure:
    """A table of rates as dots: a panel an attack, a row a model, one epsilon or pruning rate at a time.

    `clean` adds the accuracy on clean images at the same pruning rate, so that a collapse is seen.
    """
    (found,) = view.entries("tables", dataset=dataset, quantity=quantity)
    titles = {name: view.attack(name) for name in found["columns"] if name not in APART}
    without_eps = view.without_eps(titles)  # beside these the worst case within an epsilon says nothing
    rows: list[dict[str, Any]] = []
    for row in sorted(found["rows"], key=lambda row: row["position"]):
        for column, cell in cells(row).items():
            value = view.value(cell)
            if value is not None and column in titles:
                place = place_of(found["axis"], row["position"])
                model = view.title(row["variant"], dataset)
                drawn = _marks({"state": place, "panel": titles[column], "row": model}, value)
                rows += [one for one in drawn if column not in without_eps or one["mark"] != WORST]
    if clean:
        rows += _clean(view, dataset, {row["state"] for row in rows})
    frame = pd.DataFrame(need(rows, f"the records of {view.dataset(dataset)}"))
    said = "; ".join(
        f"{row['row']}, {row['panel']}, {row['state']}: {row['x']:.1f} %"
        for row in frame[frame["mark"] == OURS].to_dict("records")[:12]
    )
    alt = f"Dot plot of {caption}, a panel an attack, a row a model. Ours: {said or 'not measured'}."
    return Figure(
        f"dots-{found['id']}",
        f"{found['name'] or view.dataset(dataset)}: {caption}; {_signs(view, frame, clean=clean)}.",
        alt,
        dot_plot(frame, alt, by="state", first=most_read(frame), x_label="%", smoke=view.smoke),
        frame.drop(columns="hover"),
    )


def most_read(frame: pd.DataFrame) -> str:
    """The state with the most numbers of ours that are not faint; "" where there is none."""
    read = frame[(frame["mark"] == OURS) & ~frame["faint"].astype(bool)]
    return max(frame["state"].unique(), key=lambda state: (read["state"] == state).sum()) if len(read) else ""


def _signs(view: View, frame: pd.DataFrame, *, clean: bool) -> str:
    """What the marks mean that are drawn, and the panel that no table has."""
    fewer = view.parameters["attacks"]["worst_case"]["images"]
    marks = {
        PAPER: "hollow: the paper",
        OURS: "filled: ours with its 95 % interval",
        WORST: "tick: the worst case" + (f" of at most {counted(fewer, 'image')}" if fewer else ""),
    }
    said = [words for mark, words in marks.items() if (frame["mark"] == mark).any()]
    said += ["faint: one answer for nearly every image, clean or attacked"] if frame["faint"].any() else []
    return ", ".join(said) + ("; beside them ours on clean images" if clean else "")


def place_of(axis: str, position: float) -> str:
    return f"epsilon {eps_text(position)}" if axis == "eps" else f"{position:.0f} % pruned"


def _marks(place: dict[str, str], value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The paper's number, ours, and the worst case of the same network, where there are such."""
    found = {PAPER: value["published"], OURS: value["reproduced"]}
    found[WORST] = value["alternatives"].get("worst_case")
    faint, ends = bool(value.get("collapsed")), {"low": value["ci_low"], "high": value["ci_high"]}
    n = {OURS: f", {counted(value['n'], 'image')}" if value["n"] else ""}  # the worst case is of fewer
    return [
        place
        | {
            "mark": mark,
            "x": x,
            "hover": f"{mark} {x:.2f} %{n.get(mark, '')}",
            "faint": faint and mark != PAPER,
        }
        | (ends if mark == OURS else dict.fromkeys(ends))
        for mark, x in found.items()
        if x is not None
    ]


def _clean(view: View, dataset: str, states: Container[str]) -> list[dict[str, Any]]:
    """Clean accuracy of the pruned networks as marks of their own panel."""
    return [
        {"state": state, "panel": "Clean accuracy", "row": view.title(row["variant"], dataset), "mark": OURS}
        | {"x": row["ours"], "low": row["ci_low"], "high": row["ci_high"], "faint": row["collapsed"]}
        | {"hover": f"clean {row['ours']:.2f} %"}
        for row in view.entries("curves", dataset=dataset, quantity="accuracy", attack="")
        if row["ours"] is not None and row["rate_percent"] is not None
        if (state := place_of("rate", row["rate_percent"])) in states
    ]


def agreement(quantity: str) -> Builder:
    """Draws what became of the numbers that the paper's table prints, in a sentence."""

    def draw(view: View, dataset: str) -> Prose:
        (found,) = view.entries("tables", dataset=dataset, quantity=quantity)
        ids = [id for row in found["rows"] for id in row["ids"].values()]
        return tally(view, f"numbers printed in {found['name'] or view.dataset(dataset)}", ids)

    return draw


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row of `tables`, as `comparing_table` takes them."""
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
    attacks = {name: view.attack(name) for name in frame["attack"].unique() if name != CLEAN}
    variants = {name: view.title(name, dataset) for name in frame["variant"].unique()}
    drawing = charts.curves(
        frame.replace({"attack": attacks, "variant": variants}),
        x=axis,
        balanced=quantity == "accuracy",
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
        start, end = (f"{row['ours']:.1f} % at {place_of(axis, row[axis])}" for row in (first, last))
        title = CLEAN if attack == CLEAN else view.attack(str(attack))
        sentences.append(f"{title}, full model: {start}, {end}.")
    return " ".join(sentences)
