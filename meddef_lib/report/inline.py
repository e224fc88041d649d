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
from numpy.typing import NDArray

from meddef_lib.report.charts import COLOURS
from meddef_lib.report.elements import Figure, macros
from meddef_lib.report.view import View
from meddef_lib.results import watermark

Pixels = NDArray[np.uint8]
INCHES = 2.4  # of a picture
COLUMNS = ("clean", "added", "attacked", "Grad-CAM, clean", "Grad-CAM, attacked")
LEVELS = 9  # of a map, each a digit
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
    budgets = [f"{state['eps']:g}" for state in states if state["eps"] is not None]
    choices = {
        "Network": (networks, f"{len(pictures) - 1}"),
        "Attack": (attacks, first["attack"]),
        "Epsilon": (dict(zip(budgets, budgets, strict=True)), f"{first['eps']:g}" if first["eps"] else ""),
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
    return "" if state["eps"] is None else f", ε {state['eps']:g}"


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
    axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    axes.invert_yaxis()
    axes.set(xlim=(0, 118), xlabel="probability, %")
    axes.tick_params(labelsize=8)
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
