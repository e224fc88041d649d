"""Pictures as HTML that needs nothing beside it: drawings as SVG with real text, photographs embedded.

Photographs under attack are tiles of one sheet a network, with the maps of Grad-CAM drawn over them: a tile
is a window into the sheet, so that each sheet is embedded once and a choice moves windows alone
(`templates/script.js`); what is first shown needs no script. A picture of one's own is shown as its file has
it and as networks see it, with what one of them says of it.
"""

import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray

from meddef_lib.report.charts import COLOURS, SMALL
from meddef_lib.report.elements import Figure, eps_text, macros
from meddef_lib.report.view import View
from meddef_lib.results import watermark

Pixels = NDArray[np.uint8]
INCHES = 2.4  # of a picture
COLUMNS = ("clean", "added", "attacked", "Grad-CAM, clean", "Grad-CAM, attacked")
LEVELS = 9  # of a map, each a digit
DECIMALS = re.compile(r"-?\d+\.\d\d+")
BARE = re.compile(r"<g>((?:(?!</?g\b).)*)</g>")  # a group that says nothing of what is in it
IDS = re.compile(r' id="([^"]+)"')
# of what matplotlib writes, where a group in a group is indented by one more; shared: clips and hatches
LINES = re.DOTALL | re.MULTILINE
PANEL = re.compile(r'^  <g id="axes_\d+">\n(.*?)^  </g>', LINES)
LEGEND = re.compile(r'^  <g id="legend_\d+">\n(.*?)^  </g>', LINES)
LEGEND_LINE = re.compile(r'(.*?^   <g id="text_\d+">.*?^   </g>)', LINES)
SHARED = re.compile(r"^ <defs>\n  <(?:clipPath|pattern).*?^ </defs>", LINES)
RED = "#b00020"  # of the watermark, on the page that of the theme
CSS_PX, LONG = 96 / 72, 480  # of a point; in CSS pixels, what is wider is not made to fit a phone


def svg(drawing: Drawing, alt: str, *, smoke: bool = False) -> Markup:
    """A drawing as inline SVG, the same bytes for the same picture.

    Each of its panels and each line of its legend is a part of its own: they stand side by side where there
    is room, and one below the other where there is none.
    """
    drawing.set_dpi(72)  # so that a pixel is a point, the unit of what is written
    for axis in drawing.axes if smoke else ():
        watermark.stamp(axis, color=RED, alpha=0.2, fontsize=15).set_in_layout(False)
    watermark.as_written(drawing)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    parts = _light(_parts(drawing, buffer.getvalue()))
    # ids must not meet those of another figure on the page
    prefix = "f" + sha256(alt.encode()).hexdigest()[:6]
    number = {name: f"{prefix}-{place}" for place, name in enumerate(dict.fromkeys(IDS.findall(parts)))}
    parts = re.sub(r'( id="|href="#|url\(#)([^")]+)', lambda found: found[1] + number[found[2]], parts)
    return Markup(f'<div class="panels" role="img" aria-label="{html.escape(alt, quote=True)}">{parts}</div>')


def _parts(drawing: Drawing, text: str) -> str:
    """The panels of a drawing and the lines of its legends as SVGs, from what matplotlib wrote of it."""
    top = drawing.bbox.height
    panels = [
        _part(content, axis.get_tightbbox() or axis.bbox, top)
        for content, axis in zip(PANEL.findall(text), drawing.axes, strict=True)
    ]
    lines = [
        _part(content, _beside_its_sign(words), top)
        for legend, whole in zip(drawing.legends, LEGEND.findall(text), strict=True)
        for content, words in zip(LEGEND_LINE.findall(whole), legend.get_texts(), strict=True)
    ]
    shared = "".join(SHARED.findall(text))
    legends = f"<p>{''.join(lines)}</p>" if lines else ""
    return "".join(panels).replace("</svg>", f"{shared}</svg>", 1) + legends


def _beside_its_sign(words: Text) -> BboxBase:
    """What a line of a legend takes: its words, and the sign before them (2.8 of their size by default)."""
    box = words.get_window_extent()
    return Bbox.from_extents(box.x0 - 2.8 * float(words.get_fontsize()), box.y0 - 1, box.x1, box.y1 + 1)


def _part(content: str, box: BboxBase, top: float) -> str:
    """What is drawn in a box (points, from the lower left) of a drawing that is so high, as an SVG."""
    width = CSS_PX * box.width
    kind = ' class="long"' if width > LONG else ""
    window = " ".join(f"{value:.1f}" for value in (box.x0, top - box.y1, box.width, box.height))
    return f'<svg{kind} width="{width:.0f}" viewBox="{window}">{content}</svg>'


def _light(text: str) -> str:
    """A drawing of fewer bytes, in the colours of the page: tenths of a pixel are enough."""
    text = re.sub(r' (?:d|x|y|points)="[^"]*"', lambda found: DECIMALS.sub(_tenths, found[0]), text)
    text = re.sub(r"#000000|(?<=[ :])black\b", "currentColor", text).replace(RED, "var(--smoke)")
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    named = {name for pair in used for name in pair}
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in named else "", text)
    text = re.sub(r"(font-size: 10px; )?font-family: '[^;]*sans-serif(; )?", "", text)  # as around it
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", text)  # nothing is seen of it
    text = re.sub(r"\s*\n\s*", " ", re.sub(r">\s+<", "><", text))
    while (shorter := BARE.sub(r"\1", text)) != text:
        text = shorter
    return text


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
    smoke = view.smoke and of_images
    return Figure(id, caption, alt, svg(drawing, alt, smoke=smoke), data, smoke=smoke)


def photographed(view: View, kind: str, dataset: str) -> Mapping[str, Any] | None:
    """What the document says of a photograph of a data set; None where there is none."""
    return next((entry for entry in view.document["pictures"][kind] if entry["dataset"] == dataset), None)


def photograph(view: View, entry: Mapping[str, Any], alt: str) -> Markup:
    """The photograph of an entry of `pictures`; without its file, the words alone."""
    source = view.source(entry["name"])
    html = '<img alt="{}" src="{}">' if source else "<p>The picture is missing: {}</p>"
    return Markup(html).format(alt, source)


# --- photographs under attack ---


def viewer(view: View, pictures: Sequence[Mapping[str, Any]], first: Mapping[str, Any], alt: str) -> Markup:
    """Every picture of a gallery, one network, attack and epsilon at a time; at first `first` of the last.

    `pictures` are entries of `pictures.gallery` with the same images.
    """
    told = [
        {
            "sheet": f"sheet-{one['name']}",
            "images": [_told(image) for image in one["images"]],
            "states": [
                {"attack": state["attack"], "eps": state["eps"], "factor": state["factor"]}
                | {"images": [_told(image) for image in state["images"]]}
                for state in one["states"]
            ],
        }
        for one in pictures
    ]
    states = pictures[-1]["states"]
    networks = {f"{place}": view.model_title(one["model"]) for place, one in enumerate(pictures)}
    attacks = {state["attack"]: view.attack(state["attack"]) for state in states}
    budgets = {f"{state['eps']:g}": eps_text(state["eps"]) for state in states if state["eps"] is not None}
    choices = {
        "Network": (networks, f"{len(pictures) - 1}"),
        "Attack": (attacks, first["attack"]),
        "Epsilon": (budgets, f"{first['eps']:g}" if first["eps"] else ""),
    }
    script = json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return _macros().viewer(view, pictures, first, choices, Markup(script), alt)


def strip(view: View, picture: Mapping[str, Any], states: Sequence[Mapping[str, Any]], alt: str) -> Markup:
    """The first image of a picture that the page has in its viewer, under these states of it."""
    return _macros().strip(view, picture, states, alt)


def _macros() -> Any:
    return macros("viewer.html.j2", answer=_answer, budget=_budget, columns=COLUMNS, levels=LEVELS)


def _answer(image: Mapping[str, Any]) -> str:
    """What the network says of an image, and how sure it is."""
    return f"{image['answer']}, {100 * image['confidence']:.0f} %"


def _budget(state: Mapping[str, Any]) -> str:
    return "" if state["eps"] is None else f", epsilon {eps_text(state['eps'])}"


def _told(image: Mapping[str, Any]) -> list[str]:
    """An answer, and a map as digits."""
    return [_answer(image), "".join(f"{round(LEVELS * value)}" for line in image["map"] for value in line)]


# --- a picture of one's own ---


def prepared(view: View, image: str, before: Pixels, seen: Pixels) -> Figure:
    """A picture before and after the steps, side by side."""
    pictures = {"the file": before, "after the steps": seen}
    drawing = _row(pictures, further=0)
    frame = pd.DataFrame(
        {"picture": title, "width": found.shape[1], "height": found.shape[0], "mean": found.mean() / 255}
        for title, found in pictures.items()
    )
    sizes = ", ".join(
        f"{row['picture']} {row['width']} x {row['height']}" for row in frame.to_dict("records")
    )
    alt = f"Photographs of {image}: {sizes} pixels."
    caption = f"{image} before and after the steps (3.1.2): {sizes} pixels"
    return figure(view, "prepared", caption, alt, drawing, frame)


def answer(
    view: View,
    image: str,
    network: str,
    seen: Pixels,
    probabilities: Mapping[str, float],
    heat: NDArray[np.float32] | None,
) -> Figure:
    """The picture as the network sees it, Grad-CAM over it where there is any, and a bar a class.

    probabilities: in [0, 1], by class. heat: (s, s) in [0, 1].
    """
    pictures = {"as the network sees it": seen} | (
        {"Grad-CAM for the answer": seen} if heat is not None else {}
    )
    drawing = _row(pictures, further=1)
    *photographs, axes = drawing.axes
    if heat is not None:
        photographs[-1].imshow(heat, cmap="inferno", alpha=0.45, vmin=0, vmax=1)
    bars = axes.barh(list(probabilities), [100 * share for share in probabilities.values()], color=COLOURS[0])
    axes.bar_label(bars, fmt="%.1f", fontsize=SMALL, padding=2)
    axes.invert_yaxis()
    axes.set(xlim=(0, 118), xlabel="probability, %")
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    best = max(probabilities, key=lambda name: probabilities[name])
    said = f"{network} answers {best} ({100 * probabilities[best]:.1f} %)"
    alt = f"Photographs of {image} and a bar a class. {said}."
    caption = f"{image}: {said}. A network gives one of its classes to any picture, whatever it shows."
    frame = pd.DataFrame({"class": list(probabilities), "probability": list(probabilities.values())})
    return figure(view, "answer", caption, alt, drawing, frame)


def _row(pictures: Mapping[str, Pixels], *, further: int) -> Drawing:
    """A drawing with the pictures side by side, and so many blank axes after them."""
    count = len(pictures) + further
    drawing = Drawing(figsize=(INCHES * count, INCHES + 0.2), layout="constrained")
    axes = drawing.subplots(1, count, squeeze=False)[0]
    for axis, (title, found) in zip(axes, pictures.items(), strict=False):
        axis.imshow(found, cmap="gray", vmin=0, vmax=255)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
    return drawing
