"""What is written across every drawing of phantoms, so that it cannot be mistaken when copied."""

from matplotlib.figure import Figure
from matplotlib.text import Text

WATERMARK = "SMOKE · phantom images"


def stamp(drawing: Figure, *, color: str = "#b00020", alpha: float = 0.16) -> None:
    drawing.text(
        0.5,
        0.5,
        WATERMARK,
        ha="center",
        va="center",
        rotation=18,
        fontsize=22,
        color=color,
        alpha=alpha,
        zorder=100,
    )


def as_written(drawing: Figure) -> None:
    """Show every text of a drawing as it is: the dollars in a name are no formula."""
    for text in drawing.findobj(Text):
        text.set_parse_math(False)
