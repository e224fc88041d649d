"""What is written across every drawing of phantoms, so that it cannot be mistaken when copied."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

WATERMARK = "SMOKE · made-up images"


def stamp(drawing: Figure | Axes, *, color: str, alpha: float, fontsize: float) -> Text:
    """Write it across a drawing, or across one panel, so that a part alone says it, too."""
    across = drawing.transAxes if isinstance(drawing, Axes) else drawing.transSubfigure
    return drawing.text(
        0.5,
        0.5,
        WATERMARK,
        ha="center",
        va="center",
        rotation=18,
        fontsize=fontsize,
        color=color,
        alpha=alpha,
        transform=across,
        zorder=100,
    )


def as_written(drawing: Figure) -> None:
    """Show every text of a drawing as it is: the dollars in a name are no formula."""
    for text in drawing.findobj(Text):
        text.set_parse_math(False)
