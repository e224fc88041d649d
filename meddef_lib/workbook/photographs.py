"""The photographs of a run as files: samples (Figure 1), copies, panels of saliency (4.8), exemplars.

What they show is in the document (`results.parts.pictures`); their pixels are read from the cells here.
"""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from meddef_lib.engine.files import write_whole
from meddef_lib.results import watermark
from meddef_lib.results.collected import Collected

GROUND = "#cfcfcf"  # behind photographs, the same in light and dark
COPIES = {"bytes": "same bytes", "near": "nearly the same"}
SHOWN = ("clean", "adversarial")
DOTS_PER_INCH = 110
QUALITY = 70  # of WebP: a tenth of the bytes of an SVG


def write(found: Collected, document: Mapping[str, Any], folder: Path) -> None:
    """Write every picture that a document names into `folder`, and remove those that it does not name."""
    names = [entry["name"] for listed in document["pictures"].values() for entry in listed]
    for file in folder.glob("*.webp"):
        if file.stem not in names:
            file.unlink()
    for name in names:
        write_one(found, document, name, folder)


def write_one(found: Collected, document: Mapping[str, Any], name: str, folder: Path) -> None:
    """Write the picture of this name, which the document has; its file appears whole."""
    ((draw, entry),) = (
        (DRAWN[kind], entry)
        for kind, listed in document["pictures"].items()
        for entry in listed
        if entry["name"] == name
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.webp", webp(draw(found, document, entry), smoke=document["phantom"]))


def webp(drawing: Figure, *, smoke: bool) -> bytes:
    """A drawing as a WebP image; with `smoke` it says across itself that it shows phantoms."""
    if smoke:
        watermark.stamp(drawing, color="#ff6b81", alpha=0.55)  # paler, it is lost on a photograph
    watermark.as_written(drawing)
    buffer = io.BytesIO()
    drawing.savefig(
        buffer,
        format="webp",
        dpi=DOTS_PER_INCH,
        bbox_inches="tight",
        facecolor=GROUND,
        pil_kwargs={"quality": QUALITY},
    )
    return buffer.getvalue()


def samples(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """Figure 1: a row of prepared images for each class."""
    pixels = found.data[entry["dataset"]].images
    rows = [of_class for _, of_class in pd.DataFrame(entry["images"]).groupby("class_name", sort=False)]
    columns = max(len(of_class) for of_class in rows)
    size = (1.5 * columns + 0.9, 1.6 * len(rows))
    drawing = Figure(figsize=size, layout="constrained", facecolor=GROUND)
    for line, of_class in zip(drawing.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, row in zip(line, of_class["row"], strict=False):
            axis.imshow(pixels[row], cmap="gray", vmin=0, vmax=255)
        line[0].set_title(of_class["class_name"].iloc[0], loc="left", fontsize=10)
    return drawing


def copies(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """Some groups of copies side by side, a row a group, the files named."""
    pixels = found.audits[entry["dataset"]].pictures
    groups = [files for _, files in pd.DataFrame(entry["files"]).groupby(["kind", "group"], sort=False)]
    columns = max(len(files) for files in groups)
    drawing = Figure(figsize=(2.3 * columns + 0.4, 2.3 * len(groups)), layout="constrained")
    axes = drawing.subplots(len(groups), columns, squeeze=False)
    for line, files in zip(axes, groups, strict=True):
        for axis in line:
            _bare(axis)
        for axis, path, picture in zip(line, files["path"], files["picture"], strict=False):
            axis.imshow(pixels[picture], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_title(path, fontsize=6)
        line[0].set_ylabel(COPIES[files["kind"].iloc[0]], fontsize=8)
    return drawing


def exemplars(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """Images that pruned networks answer otherwise, side by side: their class, and how many networks do."""
    pixels, images = found.data[entry["dataset"]].images, entry["images"]
    drawing = Figure(figsize=(1.7 * len(images), 2.1), layout="constrained", facecolor=GROUND)
    (axes,) = drawing.subplots(1, len(images), squeeze=False)
    for axis, shown in zip(axes, images, strict=True):
        axis.set_axis_off()
        axis.imshow(pixels[shown["row"]], cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{shown['class']}\n{shown['networks']} of {shown['among']} networks", fontsize=8)
    return drawing


def saliency(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """A row a class: the clean image, what the attack adds, the attacked image, and the maps of both."""
    rows = list(dict.fromkeys(maps["class"] for maps in entry["maps"]))
    arrays = _arrays(found, entry["model"])
    added = arrays["adversarial"] - arrays["clean"]
    factor = max(1, round(0.5 / max(float(np.abs(added).max()), 1e-3)))
    titles = ("clean", f"added, × {factor}", "attacked", "map, clean", "map, attacked")
    size = (1.5 * len(titles), 1.6 * len(rows) + 0.3)
    drawing = Figure(figsize=size, layout="constrained", facecolor=GROUND)
    axes = drawing.subplots(len(rows), len(titles), squeeze=False)
    for line, name in zip(axes, rows, strict=True):
        by_image = {maps["image"]: maps for maps in entry["maps"] if maps["class"] == name}
        row = by_image["clean"]["row"]
        clean, attacked = arrays["clean"][row], arrays["adversarial"][row]
        for axis, image in zip(
            line, (clean, 0.5 + factor * added[row], attacked, clean, attacked), strict=True
        ):
            _bare(axis)
            axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        for axis, kind in zip(line[3:], SHOWN, strict=True):
            axis.imshow(arrays[f"{kind}_map"][row], cmap="inferno", alpha=0.45, vmin=0, vmax=1)
        line[0].set_ylabel(name, fontsize=9)
        for axis, kind in ((line[0], "clean"), (line[2], "adversarial")):
            axis.set_xlabel(_answer(by_image[kind]), fontsize=8)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    return drawing


def _answer(shown: Mapping[str, Any]) -> str:
    sure = "" if shown["confidence"] is None else f" ({100 * shown['confidence']:.0f} %)"
    return f"answer: {shown['answer']}{sure}"


def _arrays(found: Collected, model: str) -> dict[str, NDArray[Any]]:
    """The arrays of a model's saliency cell. Raises FileNotFoundError if it went away meanwhile."""
    folder = found.folder(f"saliency/{model}")
    if folder is None:
        raise FileNotFoundError(f"the cell saliency/{model} went away while its picture was drawn; run again")
    with np.load(folder / "maps.npz") as arrays:
        return dict(arrays)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


DRAWN: Mapping[str, Callable[[Collected, Mapping[str, Any], Mapping[str, Any]], Figure]] = {
    "samples": samples,
    "copies": copies,
    "saliency": saliency,
    "exemplars": exemplars,
}
