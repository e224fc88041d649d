"""Heat maps as tables: numbers that can be read and copied, on a shade that follows the theme."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

SHADE = "61,143,204"  # red, green, blue: over a light ground and a dark one its ink stays legible
MOST = 0.6  # opacity of a share of 1


@dataclass(frozen=True)
class Cell:
    """A share in [0, 1], what is written (its percent where nothing), its hover text and frame."""

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
    corner: str = "",
    smoke: Container[str] = (),
) -> Markup:
    """A table a panel (by its title): a column a title, in it cells by their row; absent ones stay blank.

    The panels in `smoke` are of phantoms.
    """
    drawn = Markup().join(
        Markup("<div{}>{}</div>").format(
            Markup(' class="smoke"') if title in smoke else "", _table(rows, title, panel, corner)
        )
        for title, panel in panels.items()
    )
    return Markup('<div class="heat" role="group" aria-label="{}">{}</div>').format(alt, drawn)


def _table(rows: Sequence[str], title: str, panel: Panel, corner: str) -> Markup:
    head = Markup().join(Markup('<th scope="col">{}</th>').format(name) for name in panel)
    body = Markup().join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row, Markup().join(_cell(cells.get(row)) for cells in panel.values())
        )
        for row in rows
        if any(row in cells for cells in panel.values())
    )
    first = Markup("<td>{}</td>").format(corner)
    html = "<table><caption>{}</caption><thead><tr>{}{}</tr></thead><tbody>{}</tbody></table>"
    return Markup(html).format(title, first, head, body)


def _cell(cell: Cell | None) -> Markup:
    if cell is None:
        return Markup("<td></td>")
    written = cell.written or f"{100 * cell.share:.0f}"
    share = 0.0 if cell.share != cell.share else cell.share  # a class without images has none
    hover = Markup(' title="{}"').format(cell.hover) if cell.hover else Markup()
    frame = Markup(' class="{}"').format(cell.frame) if cell.frame else Markup()
    style = f"background:rgba({SHADE},{MOST * share:.2f});text-align:center"
    return Markup('<td{}{} style="{}">{}</td>').format(frame, hover, style, written)
