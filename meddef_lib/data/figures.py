"""Pictures of what an audit found: copies side by side, shortcuts and where they come from.

Each function returns a matplotlib figure and touches no state of pyplot. Colours are told apart with a
colour-vision deficiency (Okabe and Ito, 2008).
"""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from meddef_lib.data.audit import Audit

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
WIDTH_INCHES = 9.0
KINDS = {"bytes": "same bytes", "near": "nearly the same"}
DISTRIBUTIONS = {
    "width": "width of the file (pixels)",
    "aspect_ratio": "width / height",
    "border": "mean of the outermost pixels, in [0, 1]",
    "mean": "mean brightness, in [0, 1]",
}
BINS = 30
LINES = ("-", "--", "-.", ":")


def copies(found: Audit) -> Figure | None:
    """Some groups of copies side by side, a row a group, the files named; None where there are none."""
    table = found.tables["duplicates"]
    shown = table[table["picture"] >= 0]
    groups = [(str(kind), rows) for (kind, _), rows in shown.groupby(["kind", "group"], sort=False)]
    if not groups:
        return None
    columns = max(len(rows) for _, rows in groups)
    drawing = Figure(figsize=(2.3 * columns + 0.4, 2.3 * len(groups)), layout="constrained")
    axes = drawing.subplots(len(groups), columns, squeeze=False)
    for line, (kind, rows) in zip(axes, groups, strict=True):
        for axis, path, picture in zip(line, rows["path"], rows["picture"], strict=False):
            _picture(axis, found.pictures[picture])
            axis.set_title(path, fontsize=6)
        for axis in line[len(rows) :]:
            _picture(axis, None)
        line[0].set_ylabel(KINDS[kind], fontsize=8)
    return drawing


def shortcut_scores(shortcuts: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Balanced accuracy of the class from one thing alone, with its interval, and the line of chance."""
    known = {name: score for name, score in shortcuts.items() if score["balanced_accuracy"] is not None}
    drawing = Figure(figsize=(WIDTH_INCHES * 0.7, 0.5 + 0.4 * max(len(known), 1)), layout="constrained")
    axis = drawing.subplots()
    for place, score in enumerate(known.values()):
        value = score["balanced_accuracy"]
        spread = [[max(value - score["low"], 0)], [max(score["high"] - value, 0)]]
        axis.errorbar(value, place, xerr=spread, fmt="o", color=COLOURS[0], capsize=3)
    if known:
        chance = next(iter(known.values()))["chance"]
        axis.axvline(chance, color="black", ls=":", lw=1, label="chance")
        axis.legend(frameon=False, fontsize=8)
    axis.set_yticks(range(len(known)), [name.replace("_", " ") for name in known])
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("balanced accuracy (95 % interval)")
    axis.spines[["top", "right"]].set_visible(False)
    return drawing


def shortcut_distributions(found: Audit) -> Figure:
    """Size, shape, borders and brightness of the files by class: what the shortcuts' scores come from."""
    bars = shortcut_histograms(found)
    drawing = Figure(figsize=(WIDTH_INCHES, 5), layout="constrained")
    for axis, (column, label) in zip(drawing.subplots(2, 2).flat, DISTRIBUTIONS.items(), strict=True):
        _histogram(axis, bars[bars["quantity"] == column], found.summary["classes"])
        axis.set_xlabel(label)
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=8)
    return drawing


def shortcut_histograms(found: Audit) -> pd.DataFrame:
    """The bars of `shortcut_distributions`: quantity, class, where a bar begins and ends, % of the class."""
    files = found.tables["files"]
    files = files[files["reason"].isna()]
    sides = files[["border_top", "border_bottom", "border_left", "border_right"]]
    files = files.assign(aspect_ratio=files["width"] / files["height"], border=sides.mean(axis=1))
    bars = []
    for column in DISTRIBUTIONS:
        edges = np.histogram_bin_edges(files[column], bins=BINS)
        for name in found.summary["classes"]:
            values = files.loc[files["class_name"] == name, column]
            percent = np.histogram(values, edges)[0] * 100 / max(len(values), 1)
            of_class = {"quantity": column, "class": name, "from": edges[:-1], "to": edges[1:]}
            bars.append(pd.DataFrame(of_class | {"percent": percent}))
    return pd.concat(bars, ignore_index=True)


def _histogram(axis: Axes, bars: pd.DataFrame, classes: list[str]) -> None:
    for number, name in enumerate(classes):
        mine = bars[bars["class"] == name]
        edges = [*mine["from"], mine["to"].iloc[-1]]
        line = LINES[number % len(LINES)]
        axis.stairs(mine["percent"], edges, color=COLOURS[number], ls=line, lw=1.5, label=name)
    axis.set_ylabel("% of the class")
    axis.spines[["top", "right"]].set_visible(False)


def _picture(axis: Axes, pixels: NDArray[np.uint8] | None) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
    if pixels is not None:
        axis.imshow(pixels, cmap=mpl.colormaps["gray"], vmin=0, vmax=255, interpolation="nearest")
