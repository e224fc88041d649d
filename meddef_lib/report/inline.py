"""Drawings as HTML that needs nothing beside it: inline SVG with real text, or an embedded photograph."""

import base64
import html
import io
import re
from hashlib import sha256

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing
from PIL import Image

WATERMARK = "SMOKE · phantom images"


def svg(drawing: Drawing, alt: str, *, smoke: bool = False) -> Markup:
    """A drawing as inline SVG with real text, the same bytes for the same picture."""
    if smoke:
        stamp(drawing)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight", transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # ids must not meet those of another figure on the page
    prefix = "f" + sha256(alt.encode()).hexdigest()[:8]
    text = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(xlink:href="#|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    label = f'role="img" aria-label="{html.escape(alt, quote=True)}"'
    return Markup(text.replace("<svg ", f"<svg {label} ", 1))


def photograph(drawing: Drawing, alt: str, *, dpi: int = 110, smoke: bool = False) -> Markup:
    """A drawing with photographs in it as an embedded WebP: a tenth of the bytes of an SVG."""
    if smoke:
        stamp(drawing, color="#ff6b81", alpha=0.55)  # what shows on white is lost on a photograph
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    small = io.BytesIO()
    Image.open(buffer).convert("RGB").save(small, format="webp", quality=82)
    data = base64.b64encode(small.getvalue()).decode()
    return Markup(f'<img alt="{html.escape(alt, quote=True)}" src="data:image/webp;base64,{data}">')


def stamp(drawing: Drawing, *, color: str = "#b00020", alpha: float = 0.16) -> None:
    """Write across a drawing that it was made from phantoms, so that it cannot be mistaken when copied."""
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
