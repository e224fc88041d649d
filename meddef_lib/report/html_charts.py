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
    corner: str,
    smoke: Container[str],
) -> Markup:
    """A table a panel (by its title): a column a title, in it cells by their row; absent ones stay blank.

    The shade follows the theme of the page. The panels in `smoke` are of phantoms.
    """
    return macros("charts.html.j2").heat_maps(rows, panels, alt, corner, smoke)


# --- dot plots ---

WIDTH, GAP, TOP, BOTTOM, OF_A_SIGN = 1040, 34, 24, 36, 7.2  # px
BETWEEN = 8  # px between the marks of a row
PAPER, OURS, WORST, QUOTED = "paper", "ours", "worst case", "quoted"
FAINT = 0.35  # what says nothing: a collapsed network

INK, LINE = 'fill="currentColor"', 'stroke="currentColor"'


def dots(
    frame: pd.DataFrame,
    *,
    x_label: str,
    ends: tuple[float, float] = (0, 100),
    line: float | None = None,
    smoke: bool = False,
) -> Markup:
    """A panel a value of `panel`, in it a row a value of `row`, in each a mark a value of `mark`.

    Columns: panel, row, mark, x, low, high, and where it has them hover (under the pointer) and faint; "" of
    nothing. Rows stand in their order; `ends` are those of the axis, `line` is dashed in each panel.
    """
    if frame.empty:
        return Markup()
    panels, rows, marks = (list(dict.fromkeys(frame[column])) for column in ("panel", "row", "mark"))
    lanes = [mark for mark in marks if mark != WORST]  # a tick stands on the lane of ours
    step = 12 + BETWEEN * len(lanes)
    labels = 24 + OF_A_SIGN * max(len(str(row)) for row in rows)
    width = (WIDTH - labels) / len(panels) - GAP
    below = TOP + step * len(rows)
    low, high = ends
    parts = [
        _text(labels - 14, TOP + step * (number + 0.5) + 4, name, "end") for number, name in enumerate(rows)
    ]
    for number, panel in enumerate(panels):
        left = labels + number * (width + GAP)

        def across(value: float, left: float = left) -> float:
            return left + width * (min(max(value, low), high) - low) / (high - low)

        parts.append(_text(left + width / 2, 14, panel, "middle", ' font-weight="600"'))
        parting = MaxNLocator(4 if width > 200 else 2, steps=[1, 2, 2.5, 5, 10])
        for tick in parting.tick_values(low, high):
            parts.append(_line(across(tick), TOP, across(tick), below, f'{LINE} opacity=".15"'))
            parts.append(_text(across(tick), below + 14, f"{tick:g}".replace("-", "−"), "middle"))
        parts.append(_text(left + width / 2, below + 29, x_label, "middle"))
        if line is not None:
            parts.append(_line(across(line), TOP, across(line), below, f'{LINE} stroke-dasharray="4 3"'))
        for row in frame[frame["panel"] == panel].to_dict("records"):
            lane = lanes.index(OURS if row["mark"] == WORST and OURS in lanes else row["mark"])
            middle = TOP + step * (rows.index(row["row"]) + 0.5) + BETWEEN * (lane - (len(lanes) - 1) / 2)
            parts.append(_mark(row, middle, across, lanes))
    if smoke:
        place = f'x="{WIDTH / 2}" y="{below / 2 + 20}" text-anchor="middle" font-size="26"'
        parts.append(Markup(f'<text {place} fill="#d0304a" opacity=".22">{WATERMARK}</text>'))
    for number, mark in enumerate(marks):
        parts.append(_key(mark, labels + 10 + 230 * number, below + BOTTOM + 12, lanes))
    size = f'width="{WIDTH}" viewBox="0 0 {WIDTH} {below + BOTTOM + 20:.0f}"'
    svg = f'<svg {size} font-size="12" font-family="sans-serif" aria-hidden="true">{{}}</svg>'
    return Markup(svg).format(Markup().join(parts))


def dot_plot(frame: pd.DataFrame, alt: str, *, by: str = "", smoke: bool = False, **axis: Any) -> Markup:
    """The dots of a frame (and the `axis` of `dots`), or one drawing each value of a column, under its title.

    Those of the column `state` are shown one at a time on the page. What has numbers of phantoms is marked.
    """
    shown = Markup()
    for title, of in frame.groupby(by, sort=False) if by else [("", frame)]:
        measured = not of["mark"].isin([PAPER, QUOTED]).all()
        state = Markup(' data-state="{}"').format(title) if by == "state" else ""
        head = Markup('<p class="soft">{}</p>').format(title) if title else ""
        drawn = dots(of, smoke=smoke and measured, **axis)
        shown += Markup("<div{}>{}{}</div>").format(state, head, drawn)
    return Markup('<div role="img" aria-label="{}">{}</div>').format(alt, shown)


def _mark(row: Mapping[str, Any], y: float, across: Any, lanes: Sequence[str]) -> Markup:
    faint = Markup(f' opacity="{FAINT}"') if row.get("faint") is True else Markup()
    hover = Markup("<title>{}</title>").format(row["hover"]) if row.get("hover") else Markup()
    colour = _colour(row["mark"], lanes)
    inside = Markup()
    if row["mark"] == QUOTED:
        start, wide = across(row["low"]), max(across(row["high"]) - across(row["low"]), 4)
        inside += Markup(
            f'<rect x="{start:.1f}" y="{y - 5:.1f}" width="{wide:.1f}" height="10" fill="none" {LINE}/>'
        )
    elif pd.notna(row["low"]) and pd.notna(row["high"]):
        inside += _line(
            across(row["low"]), y, across(row["high"]), y, f'stroke="{colour}" stroke-width="1.5"'
        )
    if pd.notna(row["x"]):
        inside += _shape(row["mark"], across(row["x"]), y, colour)
    return Markup("<g{}>{}{}</g>").format(faint, hover, inside)


def _shape(mark: str, x: float, y: float, colour: str) -> Markup:
    if mark == WORST:
        return _line(x, y - 7, x, y + 7, 'stroke="#d5365e" stroke-width="2.5"')
    if mark == PAPER:
        return Markup(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" {LINE} stroke-width="1.5"/>')
    return Markup(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')


def _colour(mark: str, lanes: Sequence[str]) -> str:
    if mark in (PAPER, QUOTED):
        return "currentColor"
    return COLOURS[lanes.index(mark) % len(COLOURS)] if mark in lanes and mark != OURS else "#2f8fd0"


def _key(mark: str, x: float, y: float, lanes: Sequence[str]) -> Markup:
    box = Markup(f'<rect x="{x - 8}" y="{y - 9}" width="16" height="10" fill="none" {LINE}/>')
    drawn = box if mark == QUOTED else _shape(mark, x, y - 4, _colour(mark, lanes))
    return drawn + _text(x + 12, y, mark, "start")


def _text(x: float, y: float, said: str, anchor: str, more: str = "") -> Markup:
    return Markup(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {INK}{more}>{{}}</text>').format(
        said
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return Markup(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>')
