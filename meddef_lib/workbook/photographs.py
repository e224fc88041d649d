"""The photographs of a run as files: samples (Figure 1), steps, copies, images under attack, exemplars.

What they show is in the document (`results.parts.pictures`); their pixels are read from the cells here.
"""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from meddef_lib.engine.files import write_whole
from meddef_lib.results import watermark
from meddef_lib.results.collected import Collected

GROUND = "#cfcfcf"  # behind photographs, the same in light and dark
COPIES = {"bytes": "same bytes", "near": "nearly the same"}
TILE = 112  # pixels of the side of a tile, at most
QUALITY_OF_TILES = 25  # what an attack adds is noise, which takes the most bytes
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
    drawing = draw(found, document, entry)
    encode = webp if isinstance(drawing, Figure) else tiles_as_webp
    write_whole(folder / f"{name}.webp", encode(drawing, smoke=document["phantom"]))


def webp(drawing: Figure, *, smoke: bool) -> bytes:
    """A drawing as a WebP image; with `smoke` it says across itself that it shows phantoms."""
    if smoke:
        watermark.stamp(
            drawing, color="#ff6b81", alpha=0.55, fontsize=22
        )  # paler, it is lost on a photograph
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


def sheet(rows: int, columns: int, size: tuple[float, float], **looks: Any) -> tuple[Figure, NDArray[Any]]:
    """A drawing of so many places for pictures, (rows, columns), without marks or frames; size in inches."""
    drawing = Figure(figsize=size, layout="constrained", **looks)
    axes = drawing.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.patch.set_visible(False)  # a place may stay empty
    return drawing, axes


def show(axis: Axes, pixels: NDArray[Any], **how: Any) -> None:
    """A picture of grey levels from 0 to 255."""
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, **how)


def samples(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """Figure 1: a row of prepared images for each class."""
    pixels = found.data[entry["dataset"]].images
    rows = [of_class for _, of_class in pd.DataFrame(entry["images"]).groupby("class_name", sort=False)]
    columns = max(len(of_class) for of_class in rows)
    drawing, axes = sheet(len(rows), columns, (1.5 * columns + 0.9, 1.6 * len(rows)), facecolor=GROUND)
    for line, of_class in zip(axes, rows, strict=True):
        for axis, row in zip(line, of_class["row"], strict=False):
            show(axis, pixels[row])
        line[0].set_title(of_class["class_name"].iloc[0], loc="left", fontsize=10)
    return drawing


def copies(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """Some groups of copies side by side, a row a group, the files named."""
    pixels = found.audits[entry["dataset"]].pictures
    groups = [files for _, files in pd.DataFrame(entry["files"]).groupby(["kind", "group"], sort=False)]
    columns = max(len(files) for files in groups)
    drawing, axes = sheet(len(groups), columns, (2.3 * columns + 0.4, 2.3 * len(groups)))
    for line, files in zip(axes, groups, strict=True):
        for axis, path, picture in zip(line, files["path"], files["picture"], strict=False):
            show(axis, pixels[picture], interpolation="nearest")
            axis.set_title(path, fontsize=6)
        line[0].set_ylabel(COPIES[files["kind"].iloc[0]], fontsize=8)
    return drawing


def exemplars(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """Images that pruned networks answer otherwise, side by side: their class, and how many networks do."""
    pixels, images = found.data[entry["dataset"]].images, entry["images"]
    drawing, (axes,) = sheet(1, len(images), (1.7 * len(images), 2.1), facecolor=GROUND)
    for axis, shown in zip(axes, images, strict=True):
        show(axis, pixels[shown["row"]])
        axis.set_title(f"{shown['class']}\n{shown['networks']} of {shown['among']} networks", fontsize=8)
    return drawing


def stepwise(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> Figure:
    """A row a class: the file, and what each step of preprocessing leaves of it."""
    stored = _arrays(found, f"stepwise/{entry['dataset']}", "stepwise.npz")
    rows = [of_class for _, of_class in pd.DataFrame(entry["steps"]).groupby("class", sort=False)]
    columns = max(len(of_class) for of_class in rows)
    size = (1.9 * columns + 0.3, 1.75 * len(rows) + 0.3)
    drawing, axes = sheet(len(rows), columns, size, facecolor=GROUND)
    for line, of_class in zip(axes, rows, strict=True):
        for axis, step in zip(line, of_class.to_dict("records"), strict=False):
            show(axis, stored[f"{step['row']}"])
            axis.set_title(step["step"], fontsize=8)
            measured = f"mean {step['mean']:.2f}, sd {step['std']:.2f}"
            axis.set_xlabel(f"{step['width']} × {step['height']}, {measured}", fontsize=7)
        line[0].set_ylabel(of_class["class"].iloc[0], fontsize=9)
    return drawing


def gallery(found: Collected, _document: Mapping[str, Any], entry: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Tiles without borders, uint8 (n, rows of tiles, side, side): a column an image of n.

    First the clean images; below them for each state what the attack adds, times its factor about middle
    grey, and the attacked images.
    """
    stored = _arrays(found, f"gallery/{entry['model']}", "gallery.npz")
    clean, side = stored["clean"] / 255, min(TILE, stored["clean"].shape[-1])
    shown = [_smaller(clean, side)]
    for state, added in zip(entry["states"], stored["added"].astype(float), strict=True):
        noise = 0.5 + state["factor"] * added
        nearest = np.arange(side) * noise.shape[-1] // side  # its mean over an area would be no change at all
        shown += [noise[:, nearest][:, :, nearest], _smaller(clean + added, side)]
    whole: NDArray[np.uint8] = (255 * np.clip(np.stack(shown, axis=1), 0, 1)).round().astype(np.uint8)
    return whole


def tiles_as_webp(tiles: NDArray[np.uint8], *, smoke: bool) -> bytes:
    """Tiles (n, rows, side, side) as one image; with `smoke` each says that it shows a phantom."""
    sheet = Image.fromarray(np.concatenate([np.concatenate(list(column)) for column in tiles], axis=1))
    if smoke:
        write, side = ImageDraw.Draw(sheet).text, tiles.shape[-1]
        for x in range(0, sheet.width, side):
            for y in range(0, sheet.height, side):
                write((x + side - 1, y + side - 1), "smoke", fill=255, anchor="rb", font_size=side // 8)
    buffer = io.BytesIO()
    sheet.save(buffer, format="webp", quality=QUALITY_OF_TILES, method=6)
    return buffer.getvalue()


def _smaller(images: NDArray[Any], side: int) -> NDArray[Any]:
    """Images (n, h, w) at (n, side, side)."""
    if images.shape[-1] == side:
        return images
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])


def _arrays(found: Collected, id: str, file: str) -> dict[str, NDArray[Any]]:
    """The arrays of a cell. Raises FileNotFoundError if it went away meanwhile."""
    folder = found.folder(id)
    if folder is None:
        raise FileNotFoundError(f"the step {id} went away while its picture was drawn; run again")
    with np.load(folder / file) as arrays:
        return dict(arrays)


Draw = Callable[[Collected, Mapping[str, Any], Mapping[str, Any]], Any]  # a drawing, or tiles
DRAWN: Mapping[str, Draw] = {
    "samples": samples,
    "copies": copies,
    "stepwise": stepwise,
    "gallery": gallery,
    "exemplars": exemplars,
}
