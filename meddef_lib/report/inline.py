"""Pictures as HTML that needs nothing beside it: drawings as SVG with real text, photographs embedded."""

import html
import io
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from meddef_lib.report.elements import Figure
from meddef_lib.report.view import View
from meddef_lib.results import watermark

DECIMALS = re.compile(r"-?\d+\.\d\d+")


def svg(drawing: Drawing, alt: str, *, smoke: bool = False) -> Markup:
    """A drawing as inline SVG, the same bytes for the same picture."""
    if smoke:
        watermark.stamp(drawing)
    watermark.as_written(drawing)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight", transparent=True)
    text = buffer.getvalue()
    text = _light(text[text.index("<svg") :])
    # ids must not meet those of another figure on the page
    prefix = "f" + sha256(alt.encode()).hexdigest()[:6]
    text = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(xlink:href="#|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    label = f'role="img" aria-label="{html.escape(alt, quote=True)}"'
    return Markup(text.replace("<svg ", f"<svg {label} ", 1))


def _light(text: str) -> str:
    """A drawing of fewer bytes, its black the ink of the page: tenths of a pixel are enough."""
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' (?:d|x|y|points)="[^"]*"', lambda found: DECIMALS.sub(_tenths, found[0]), text)
    text = re.sub(r"#000000|(?<=[ :])black\b", "currentColor", text)
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    named = {name for pair in used for name in pair}
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in named else "", text)
    text = re.sub(r"font-family: '[^;]*sans-serif", "font-family: sans-serif", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r">\s+<", "><", text)
    return re.sub(r"\s*\n\s*", " ", text).replace("<svg ", '<svg fill="currentColor" ', 1)


def _tenths(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def figure(
    view: View,
    id: str,
    caption: str,
    alt: str,
    drawing: Drawing,
    data: pd.DataFrame,
    *,
    of_images: bool = True,
) -> Figure:
    """A drawing as a figure; one that is not `of_images` needs no mark where these are phantoms."""
    return Figure(id, caption, alt, svg(drawing, alt, smoke=view.smoke and of_images), data)


def photographed(view: View, kind: str, dataset: str) -> Mapping[str, Any] | None:
    """What the document says of a photograph of a data set; None where there is none."""
    return next((entry for entry in view.document["pictures"][kind] if entry["dataset"] == dataset), None)


def photograph(view: View, entry: Mapping[str, Any], alt: str) -> Markup:
    """The photograph of an entry of `pictures`; without its file, the words alone."""
    return view.picture(entry["name"], alt) or Markup("<p>The picture is missing: {}</p>").format(alt)
