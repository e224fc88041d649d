"""Drawings with photographs in them: samples of a data set (Figure 1), saliency panels (4.8)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

GROUND = "#e8e8e8"  # behind photographs, the same in light and dark


def samples(images: Mapping[str, Sequence[NDArray[np.uint8]]]) -> Figure:
    """Figure 1: a row of grey images (S, S) for each class."""
    columns = max(len(row) for row in images.values())
    drawing = Figure(figsize=(1.5 * columns + 0.9, 1.6 * len(images)), layout="constrained", facecolor=GROUND)
    axes = drawing.subplots(len(images), columns, squeeze=False)
    for line, (name, row) in zip(axes, images.items(), strict=True):
        for axis in line:
            axis.set_axis_off()
        for axis, image in zip(line, row, strict=False):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        line[0].set_title(name, loc="left", fontsize=10)
    return drawing


def saliency(folders: Mapping[str, Path]) -> Figure:
    """For each model (title -> folder of its saliency cell) a row: clean and attacked, each with its map.

    Reads `maps.npz` (clean, adversarial, clean_map, adversarial_map: (n, S, S) in [0, 1]; class_name) and
    shows the first image of each class.
    """
    first = np.load(next(iter(folders.values())) / "maps.npz")
    classes = list(dict.fromkeys(str(name) for name in first["class_name"]))
    drawing = Figure(
        figsize=(2 * 1.45 * len(classes), 1.75 * len(folders)), layout="constrained", facecolor=GROUND
    )
    axes = drawing.subplots(len(folders), 2 * len(classes), squeeze=False)
    for number, (title, folder) in enumerate(folders.items()):
        line = axes[number]
        found = np.load(folder / "maps.npz")
        names = [str(name) for name in found["class_name"]]
        for place, name in enumerate(classes):
            row = names.index(name)
            for shift, kind in enumerate(("clean", "adversarial")):
                axis = line[2 * place + shift]
                axis.imshow(found[kind][row], cmap="gray", vmin=0, vmax=1)
                axis.imshow(found[f"{kind}_map"][row], cmap="inferno", alpha=0.45, vmin=0, vmax=1)
                axis.set_xticks([])
                axis.set_yticks([])
                if number == 0:
                    axis.set_title(f"{name}\n{'clean' if kind == 'clean' else 'attacked'}", fontsize=9)
        line[0].set_ylabel(title.replace(" (", "\n("), fontsize=8)
    return drawing


def saliency_values(folders: Mapping[str, Path]) -> pd.DataFrame:
    """The maps behind `saliency` as the layers have them: a row a model, image, kind and place of the map."""
    rows = []
    for title, folder in folders.items():
        found = np.load(folder / "maps.npz")
        names = [str(name) for name in found["class_name"]]
        for name in dict.fromkeys(names):
            place = names.index(name)
            for kind in ("clean", "adversarial"):
                coarse = found[f"{kind}_coarse"][place]
                rows += [
                    {"model": title, "class": name, "image": kind, "row": row, "column": column, "map": value}
                    for (row, column), value in np.ndenumerate(coarse)
                ]
    return pd.DataFrame(rows)
