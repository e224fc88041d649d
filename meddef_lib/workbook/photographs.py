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

GROUND = "#e8e8e8"  # behind photographs, the same in light and dark
COPIES = {"bytes": "same bytes", "near": "nearly the same"}
SHOWN = {"clean": "clean", "adversarial": "attacked"}
DOTS_PER_INCH = 110
QUALITY = 82  # of WebP: a tenth of the bytes of an SVG


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
        facecolor="white",
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


def saliency(found: Collected, document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """A row a model: of each class an image, clean and attacked, each under its map."""
    models = [maps for _, maps in pd.DataFrame(entry["maps"]).groupby("model", sort=False)]
    columns = max(len(maps) for maps in models)
    drawing = Figure(figsize=(1.45 * columns, 1.75 * len(models)), layout="constrained", facecolor=GROUND)
    axes = drawing.subplots(len(models), columns, squeeze=False)
    titles = {model["id"]: model["title"] for model in document["models"]}
    for number, maps in enumerate(models):
        model = str(maps["model"].iloc[0])
        arrays = _arrays(found, model)
        for axis, shown in zip(axes[number], maps.to_dict("records"), strict=True):
            _bare(axis)
            kind, row = shown["image"], shown["row"]
            axis.imshow(arrays[kind][row], cmap="gray", vmin=0, vmax=1)
            axis.imshow(arrays[f"{kind}_map"][row], cmap="inferno", alpha=0.45, vmin=0, vmax=1)
            if number == 0:
                axis.set_title(f"{shown['class']}\n{SHOWN[kind]}", fontsize=9)
        axes[number][0].set_ylabel(titles[model].replace(" (", "\n("), fontsize=8)
    return drawing


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
