"""One picture as its file has it, as networks see it, and what one of them says of it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray

from meddef_lib.report import inline
from meddef_lib.report.charts import COLOURS
from meddef_lib.report.elements import Figure
from meddef_lib.report.view import View

Pixels = NDArray[np.uint8]
INCHES = 2.4  # of a picture


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
    return replace(inline.figure(view, "prepared", caption, alt, drawing, frame), smoke=view.smoke)


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
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    best = max(probabilities, key=lambda name: probabilities[name])
    said = f"{network} answers {best} ({100 * probabilities[best]:.1f} %)"
    alt = f"Photographs of {image} and a bar a class. {said}."
    caption = f"{image}: {said}. A network gives one of its classes to any picture, whatever it shows."
    frame = pd.DataFrame({"class": list(probabilities), "probability": list(probabilities.values())})
    return replace(inline.figure(view, "answer", caption, alt, drawing, frame), smoke=view.smoke)


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
