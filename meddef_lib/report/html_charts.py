"""Charts as HTML that follows the theme of the page: counts as bars, heat maps as tables, dot plots as SVG.

In a dot plot, rows of models in panels of attacks, the paper's number is hollow, ours filled with its
interval as a whisker, the worst case a tick, a quoted range a box. Other marks have the colours of `charts`.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from meddef_lib.report.charts import COLOURS
from meddef_lib.report.elements import macros
from meddef_lib.results.watermark import WATERMARK

Words = Mapping[str, tuple[str, str, str]]  # word, colour and shape of each verdict


def stacked(counts: Mapping[str, Mapping[str, int]], words: Words, alt: str) -> Markup:
    """A bar a row (by its title) of its counts, with what the colours mean below.

    Each part says its shape and number, so that nothing is told by colour alone; what there is none of has no
    part in it.
    """
    return macros("charts.html.j2").stacked(counts, words, alt)


@dataclass(frozen=True)
class Cell:
    """A share in [0, 1], what is written (its percent where nothing), its hover text and frame.

    The share of a class without images is NaN, and has no shade.
    """

    share: float
    written: str = ""
    hover: str = ""
    frame: str = ""  # closest, near, or "" for none


Panel = Mapping[str, Mapping[str, Cell]]  # by column, by row


def heat_maps(
    rows: Sequence[str],
    panels: Mapping[str, Panel],
    alt: str,
    *,
    corner: tuple[str, str],
    smoke: Container[str],
) -> Markup:
    """A table a panel (by its title): a column a title, in it cells by their row; absent ones are a dash.

    The corner says what the rows are and what the columns are. The shade follows the theme of the page. The
    panels in `smoke` are of phantoms.
    """
    return macros("charts.html.j2").heat_maps(rows, panels, alt, corner, smoke)


def under_the_pointer(what: str) -> Markup:
    """What the cells of heat maps say to a pointer: told where there is one."""
    return Markup('<span class="pointer">Under the pointer: {}.</span>').format(what)


# --- dot plots ---

TOP, BOTTOM = 20, 32  # px above and below the rows
BETWEEN, AROUND = 8, 10  # px between the marks of a row, and around them
PAPER, OURS, WORST, QUOTED = "paper", "ours", "worst case", "quoted"


def dots(
    frame: pd.DataFrame,
    *,
    x_label: str,
    ends: tuple[float, float] = (0, 100),
    line: float | None = None,
    smoke: bool = False,
) -> Markup:
    """A panel a value of `panel`, in it a row a value of `row`, in each a mark a value of `mark`.

    Columns: panel, row, mark, x, low, high, and where it has them hover (under the pointer) and faint (of a
    collapsed network); "" of nothing. Rows stand in their order; `ends` are those of the axis, `line` is
    dashed in each panel. A panel takes the width there is: across, places are in percent, downward in px.
    """
    if frame.empty:
        return Markup()
    panels, rows, marks = (list(dict.fromkeys(frame[column])) for column in ("panel", "row", "mark"))
    lanes = [mark for mark in marks if mark != WORST]  # a tick stands on the lane of ours
    top, step = TOP if any(panels) else 6, AROUND + BETWEEN * len(lanes)
    below = top + step * len(rows)
    low, high = ends

    def across(value: float | None) -> float | None:
        return None if pd.isna(value) else 100 * (min(max(value, low), high) - low) / (high - low)

    def drawn(row: Mapping[Any, Any]) -> dict[str, Any]:
        lane = lanes.index(OURS if row["mark"] == WORST and OURS in lanes else row["mark"])
        middle = top + step * (rows.index(row["row"]) + 0.5) + BETWEEN * (lane - (len(lanes) - 1) / 2)
        places = {name: across(row[name]) for name in ("x", "low", "high")}
        said = {"hover": row.get("hover") or "", "faint": row.get("faint") is True}
        return {"mark": row["mark"], "y": middle, **places, **said}

    ticks = [low, (low + high) / 2, high]  # all that narrow panels have room for
    if len(panels) < 5:
        parting = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
        ticks = [tick for tick in parting.tick_values(low, high) if low <= tick <= high]
    return macros("charts.html.j2").dots(
        {
            panel: [drawn(row) for row in of.to_dict("records")]
            for panel, of in frame.groupby("panel", sort=False)
        },
        rows,
        {mark: _colour(mark, lanes) for mark in marks},
        {across(tick): f"{tick:g}".replace("-", "−") for tick in ticks},
        across(line),
        x_label,
        {"top": top, "step": step, "below": below, "height": below + BOTTOM},
        WATERMARK.split(" · ") if smoke else (),  # two lines: a panel may be narrow
    )


def dot_plot(
    frame: pd.DataFrame, alt: str, *, by: str = "", first: str = "", smoke: bool = False, **axis: Any
) -> Markup:
    """The dots of a frame (and the `axis` of `dots`), or one drawing each value of a column, under its title.

    Those of the column `state` are shown one at a time on the page, `first` before others or what has the
    most marks. What has numbers of phantoms is marked.
    """
    shown = Markup()
    for title, of in frame.groupby(by, sort=False) if by else [("", frame)]:
        measured = not of["mark"].isin([PAPER, QUOTED]).all()
        state = Markup(' data-state="{}"').format(title) if by == "state" else ""
        state += Markup(" data-first") if title and title == first else Markup()
        head = Markup('<p class="soft">{}</p>').format(title) if title else ""
        drawn = dots(of, smoke=smoke and measured, **axis)
        shown += Markup("<div{}>{}{}</div>").format(state, head, drawn)
    return Markup('<div role="img" aria-label="{}">{}</div>').format(alt, shown)


def _colour(mark: str, lanes: Sequence[str]) -> str:
    """The colour of a kind of mark; "" where it has that of the text around."""
    if mark in (PAPER, QUOTED):
        return ""
    own = {OURS: "#2f8fd0", WORST: "#d5365e"}
    return own.get(mark) or COLOURS[lanes.index(mark) % len(COLOURS)]
