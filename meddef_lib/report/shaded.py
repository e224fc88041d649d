"""A heat map of shares whose cells say more under the pointer."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import seaborn as sns
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

INCHES_OF_A_CELL = (0.62, 0.26)
INCHES_OF_NAMES = 3.2
SHADES = "Blues"
DARK = 0.6  # from which share on a cell's number is white
WIDTHS = {"closest": 2.2, "near": 0.9, "": 0.0}  # of a cell's frame


@dataclass(frozen=True)
class Cell:
    """A share in [0, 1], what stands under the pointer, and how it is framed."""

    share: float
    hover: str
    frame: str = ""  # closest, near, or "" for none


def draw(rows: Sequence[str], panels: Mapping[str, Mapping[str, Mapping[str, Cell]]]) -> Figure:
    """A panel a title, in it columns by their title, in each cells by their row; absent ones stay blank."""
    width, height = INCHES_OF_A_CELL
    columns = [len(panel) for panel in panels.values()]
    size = (INCHES_OF_NAMES + width * sum(columns), 1.3 + height * len(rows))
    drawing = Figure(figsize=size, layout="constrained")
    axes = drawing.subplots(1, len(panels), squeeze=False, sharey=True, width_ratios=columns)[0]
    shades = sns.color_palette(SHADES, as_cmap=True)
    for panel, (axis, (title, cells)) in enumerate(zip(axes, panels.items(), strict=True)):
        for column, by_row in enumerate(cells.values()):
            for row, name in enumerate(rows):
                if name not in by_row:
                    continue
                cell = by_row[name]
                patch = Rectangle(
                    (column + 0.04, row + 0.04),
                    0.92,
                    0.92,
                    facecolor=shades(cell.share),
                    edgecolor="black" if cell.frame else "none",
                    linewidth=WIDTHS[cell.frame],
                    gid=_id(panel, column, row),
                )
                axis.add_patch(patch)
                ink = "white" if cell.share > DARK else "black"
                place = (column + 0.5, row + 0.5)
                axis.text(*place, f"{100 * cell.share:.0f}", color=ink, ha="center", va="center", fontsize=8)
        axis.set(xlim=(0, len(cells)), ylim=(len(rows), 0))
        axis.set_xticks([column + 0.5 for column in range(len(cells))], list(cells), fontsize=8)
        axis.set_yticks([row + 0.5 for row in range(len(rows))], list(rows), fontsize=8)
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.set_title(title, fontsize=9)
        axis.spines[:].set_visible(False)
    return drawing


def with_hovers(
    picture: Markup, rows: Sequence[str], panels: Mapping[str, Mapping[str, Mapping[str, Cell]]]
) -> Markup:
    """The drawing as SVG, each cell with what its pointer is shown, and its number behind the pointer."""
    said = {
        _id(panel, column, row): by_row[name].hover
        for panel, cells in enumerate(panels.values())
        for column, by_row in enumerate(cells.values())
        for row, name in enumerate(rows)
        if name in by_row
    }

    def titled(found: re.Match[str]) -> str:
        return f"{found[0]}<title>{html.escape(said[found[1]])}</title>"

    # numbers are drawn above their cells and would take the pointer from them
    letting_through = str(picture).replace("<svg ", '<svg class="shaded" ', 1)
    return Markup(re.sub(r'<g id="[^"]*-(cell-\d+-\d+-\d+)">', titled, letting_through))


def _id(panel: int, column: int, row: int) -> str:
    return f"cell-{panel}-{column}-{row}"
