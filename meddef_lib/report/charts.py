"""Drawings of measured numbers beside printed ones: matplotlib figures, no torch, no state of pyplot.

The paper's numbers are hollow markers on dashed lines, ours filled ones on solid lines; models differ by
colour and marker; most people with a colour-vision deficiency tell them apart (Okabe and Ito, 2008).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH_INCHES = 9.0


def curves(
    frame: pd.DataFrame,
    *,
    x: str,
    panels: str,
    titles: Mapping[str, str],
    x_label: str,
    y_label: str,
    logarithmic: bool = False,
    balanced: bool = False,
) -> Figure:
    """Ours against the paper's, a panel for each value of `panels`, a line a model.

    `frame` has the columns x, `panels`, variant, paper, ours, ci_low, ci_high, balanced_accuracy, collapsed;
    absent numbers are NaN. Collapsed networks are crossed out; `balanced` adds balanced accuracies, dotted.
    """
    names = list(dict.fromkeys(frame[panels]))
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    drawing = Figure(figsize=(WIDTH_INCHES, 3.1 * rows), layout="constrained")
    axes = drawing.subplots(rows, columns, squeeze=False, sharey=True)
    for place, name in enumerate(names):
        axis = axes[place // columns][place % columns]
        for number, (variant, of_variant) in enumerate(
            frame[frame[panels] == name].groupby("variant", sort=False)
        ):
            _line(axis, of_variant.sort_values(x), x, str(variant), number, titles, balanced=balanced)
        axis.set_title(str(name), fontsize=10)
        axis.set_xlabel(x_label)
        if logarithmic:
            axis.set_xscale("log")
            ticks = sorted(frame[x].dropna().unique())
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
        axis.set_ylim(-3, 103)
        axis.grid(alpha=0.25)
    for row in axes:
        row[0].set_ylabel(y_label)
    for spare in range(len(names), rows * columns):
        axes[spare // columns][spare % columns].set_axis_off()
    handles, labels = axes[0][0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return drawing


def _line(
    axis: Axes,
    rows: pd.DataFrame,
    x: str,
    variant: str,
    number: int,
    titles: Mapping[str, str],
    *,
    balanced: bool,
) -> None:
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    printed = rows.dropna(subset=["paper"])
    axis.plot(
        printed[x], printed["paper"], "--", color=colour, lw=1, marker=marker, mfc="none", ms=5, alpha=0.8
    )
    ours = rows.dropna(subset=["ours"])
    if balanced:
        axis.plot(ours[x], ours["balanced_accuracy"], ":", color=colour, lw=1.2)
    nothing = ours[ours["collapsed"]]
    axis.plot(nothing[x], nothing["ours"], "x", color="black", ms=9, zorder=5)
    below = (ours["ours"] - ours["ci_low"]).clip(lower=0).fillna(0)
    above = (ours["ci_high"] - ours["ours"]).clip(lower=0).fillna(0)
    axis.errorbar(
        ours[x],
        ours["ours"],
        yerr=[below, above],
        color=colour,
        marker=marker,
        ms=5,
        lw=1.6,
        elinewidth=0.8,
        capsize=2,
        label=titles.get(variant, variant),
    )


def confusion_matrices(matrices: Mapping[str, NDArray[np.int64]], classes: Sequence[str]) -> Figure:
    """A heat map a model: counts written in, colour by the share of the true class (the row)."""
    columns = min(3, max(1, len(matrices)))
    rows = -(-len(matrices) // columns)
    drawing = Figure(figsize=(3.1 * columns, 2.9 * rows), layout="constrained")
    axes = drawing.subplots(rows, columns, squeeze=False)
    for place, (name, matrix) in enumerate(matrices.items()):
        axis = axes[place // columns][place % columns]
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        sns.heatmap(
            shares,
            annot=matrix,
            fmt="d",
            vmin=0,
            vmax=1,
            cmap="Blues",
            cbar=False,
            square=True,
            xticklabels=classes,
            yticklabels=classes,
            annot_kws={"fontsize": 8},
            ax=axis,
        )
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("predicted", fontsize=8)
        axis.set_ylabel("true", fontsize=8)
        axis.tick_params(labelsize=7)
    for spare in range(len(matrices), rows * columns):
        axes[spare // columns][spare % columns].set_axis_off()
    return drawing


def training_curves(history: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """History by epoch: a panel a column of `columns` (name -> title), a line a model (column `model`)."""
    drawing = Figure(figsize=(WIDTH_INCHES, 2.9 * -(-len(columns) // 2)), layout="constrained")
    axes = drawing.subplots(-(-len(columns) // 2), 2, squeeze=False)
    for place, (column, title) in enumerate(columns.items()):
        axis = axes[place // 2][place % 2]
        for number, (name, rows) in enumerate(history.groupby("model", sort=False)):
            axis.plot(
                rows["epoch"],
                rows[column],
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                ms=3.5,
                lw=1.3,
                label=str(name),
            )
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.grid(alpha=0.25)
    for spare in range(len(columns), axes.size):
        axes[spare // 2][spare % 2].set_axis_off()
    handles, labels = axes[0][0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return drawing


def schedule(frame: pd.DataFrame) -> Figure:
    """The three phases by epoch (columns epoch, phase, eps, adversarial_weight)."""
    drawing = Figure(figsize=(WIDTH_INCHES, 2.8), layout="constrained")
    left, right = drawing.subplots(1, 2)
    for axis, column, title in (
        (left, "eps", "epsilon"),
        (right, "adversarial_weight", "adversarial weight"),
    ):
        for number, (name, rows) in enumerate(frame.groupby("phase", sort=False)):
            axis.plot(rows["epoch"], rows[column], "o-", ms=3, color=COLOURS[number], label=str(name))
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.grid(alpha=0.25)
    left.legend(fontsize=8, frameon=False)
    return drawing


def distribution(frame: pd.DataFrame) -> Figure:
    """Figure 5: bars of images by class, a panel a split (columns split, class, images)."""
    splits = list(dict.fromkeys(frame["split"]))
    drawing = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    axes = drawing.subplots(1, len(splits), squeeze=False)[0]
    for axis, split in zip(axes, splits, strict=True):
        rows = frame[frame["split"] == split]
        bars = axis.bar(rows["class"], rows["images"], color=COLOURS[0])
        axis.bar_label(bars, fontsize=8)
        axis.set_title(split, fontsize=10)
        axis.margins(y=0.15)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("images")
    return drawing


REMOVED, KEPT = "#9a9a9a", COLOURS[0]


def magnitudes(network: Mapping[str, Any]) -> Figure:
    """Figure 4 of an entry of `networks`: the sorted weights, those removed in grey, the cut dashed.

    Where each layer is cut by itself the label says that this one cut is not where the layers were cut.
    """
    weights = pd.DataFrame(network["magnitudes"])
    drawing = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = drawing.subplots()
    percent, magnitude, removed = 100 * weights["share"], weights["magnitude"], weights["removed"]
    for part, colour, hatch in ((removed, REMOVED, "//"), (~removed, KEPT, None)):
        axes.fill_between(percent[part], magnitude[part], color=colour, alpha=0.35, hatch=hatch, linewidth=0)
        axes.plot(percent[part], magnitude[part], color=colour, linewidth=2)
    if removed.any():
        cut, height = percent[~removed].iloc[0], network["cut"]
        axes.axvline(cut, color="black", linestyle="--", linewidth=1)
        side, offset = ("left", 1) if cut < 60 else ("right", -1)
        label = f"cut at |w| = {height:.2g}\n{cut:.0f} % of the weights removed"
        if network["scope"] == "layer":
            label = f"global cut at |w| = {height:.2g}, not applied:\n{cut:.0f} % of each layer removed"
        axes.text(cut + offset, 0.97, label, ha=side, va="top", transform=axes.get_xaxis_transform())
    axes.set(xlabel="weights, smallest first (%)", ylabel="magnitude |w|", xlim=(0, 100))
    axes.set_ylim(0, 1.05 * magnitude.iloc[:-1].max())  # the largest alone would flatten the rest
    axes.spines[["top", "right"]].set_visible(False)
    return drawing


def shortcut_scores(scores: pd.DataFrame) -> Figure:
    """Balanced accuracy of the class from one thing alone, with its interval, and the line of chance.

    Columns shortcut, balanced_accuracy, low, high, chance (shares).
    """
    drawing = Figure(figsize=(WIDTH_INCHES * 0.7, 0.5 + 0.4 * max(len(scores), 1)), layout="constrained")
    axis = drawing.subplots()
    for place, score in enumerate(scores.to_dict("records")):
        value = score["balanced_accuracy"]
        spread = [[max(value - score["low"], 0)], [max(score["high"] - value, 0)]]
        axis.errorbar(value, place, xerr=spread, fmt="o", color=COLOURS[0], capsize=3)
    if len(scores):
        axis.axvline(scores["chance"].iloc[0], color="black", ls=":", lw=1, label="chance")
        axis.legend(frameon=False, fontsize=8)
    axis.set_yticks(range(len(scores)), list(scores["shortcut"]))
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("balanced accuracy (95 % interval)")
    axis.spines[["top", "right"]].set_visible(False)
    return drawing


def reliability(networks: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Accuracy over confidence, a line a network (by its title), and the diagonal of one that is calibrated.

    The bins of each are those of the document's `calibration`; a point is as large as its share of images.
    """
    drawing = Figure(figsize=(WIDTH_INCHES * 0.6, WIDTH_INCHES * 0.6), layout="constrained")
    axis = drawing.subplots()
    axis.plot([0, 1], [0, 1], ":", color="black", lw=1, label="calibrated")
    for number, (title, bins) in enumerate(networks.items()):
        x, y, images = (
            np.asarray([row[key] for row in bins]) for key in ("confidence", "accuracy", "images")
        )
        colour = COLOURS[number % len(COLOURS)]
        axis.plot(x, y, color=colour, lw=1, label=title)
        axis.scatter(
            x, y, 10 + 120 * images / images.sum(), color=colour, marker=MARKERS[number % len(MARKERS)]
        )
    axis.set_xlabel("confidence in the answer")
    axis.set_ylabel("accuracy")
    axis.set_ylim(-0.03, 1.03)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, fontsize=8)
    return drawing


QUANTITIES = {
    "width": "width of the file (pixels)",
    "aspect_ratio": "width / height",
    "border": "mean of the outermost pixels, in [0, 1]",
    "mean": "mean brightness, in [0, 1]",
}
LINES = ("-", "--", "-.", ":")


def histograms(quantities: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel a quantity (`quantity`, `edges` of the bars, `percent` by class), a line a class."""
    drawing = Figure(figsize=(WIDTH_INCHES, 5), layout="constrained")
    for axis, row in zip(drawing.subplots(2, 2).flat, quantities, strict=True):
        for number, (name, percent) in enumerate(row["percent"].items()):
            line = LINES[number % len(LINES)]
            colour = COLOURS[number % len(COLOURS)]
            axis.stairs(percent, row["edges"], color=colour, ls=line, lw=1.5, label=name)
        axis.set_xlabel(QUANTITIES[row["quantity"]])
        axis.set_ylabel("% of the class")
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=8)
    return drawing
