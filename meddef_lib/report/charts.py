"""Drawings of measured numbers beside printed ones: matplotlib figures, no torch, no state of pyplot.

The paper's numbers are hollow markers on dashed lines, ours filled ones on solid lines; models differ by
colour and marker; most people with a colour-vision deficiency tell them apart (Okabe and Ito, 2008).
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # one more than colours: no two of eight look alike
LINES = ("-", "--", "-.", ":")
WIDTH_INCHES = 4.5  # of a panel: two stand side by side on a screen, and a phone shows one hardly smaller
SMALL = 9  # points, of the smallest words
INK = "#000000"  # the ink of the page, light or dark (`inline.svg`)


def _panels(
    titles: Sequence[str],
    columns: int,
    height: float,
    *,
    width: float = WIDTH_INCHES,
    y_label: str = "",
) -> tuple[Figure, list[Axes]]:
    """A drawing of a panel a title, row by row, each so wide and high (inches).

    Each panel says all that is needed to read it: where there is no room for two, one stands alone.
    """
    rows = -(-len(titles) // columns)
    drawing = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = list(drawing.subplots(rows, columns, squeeze=False).flat)
    for axis, title in zip(axes, titles, strict=False):
        axis.set_title(title, fontsize=10)
        axis.set_ylabel(y_label)
    for spare in axes[len(titles) :]:
        spare.remove()
    return drawing, axes[: len(titles)]


def _style_of(number: int) -> dict[str, Any]:
    """The colour and the marker of the model with this number."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def _legend(drawing: Figure) -> None:
    """One legend for all panels, from the lines of the first; `inline.svg` puts its lines below the panels.

    They stand one below the other: what is wider than the drawing would be left out by matplotlib in part.
    """
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    legend = drawing.legend(handles, labels, loc="upper left", fontsize=SMALL, frameon=False)
    legend.set_in_layout(False)


def curves(
    frame: pd.DataFrame,
    *,
    x: str,
    x_label: str,
    y_label: str,
    logarithmic: bool,
    balanced: bool,
) -> Figure:
    """Ours against the paper's, a panel an attack, a line a model.

    `frame` has the columns x, attack, variant, paper, ours, ci_low, ci_high, balanced_accuracy, collapsed;
    absent numbers are NaN. No line leads over a place that another attack or model has.
    Collapsed networks are crossed out; `balanced` adds balanced accuracies, dotted.
    """
    names, tried = list(dict.fromkeys(frame["attack"])), frame.loc[frame["ours"].notna(), x].tolist()
    drawing, axes = _panels(names, min(2, len(names)), 3.1, y_label=y_label)
    for axis, name in zip(axes, names, strict=True):
        of_panel = frame[frame["attack"] == name]
        for number, (variant, rows) in enumerate(of_panel.groupby("variant", sort=False)):
            _line(axis, rows.sort_values(x), x, str(variant), _style_of(number), tried, balanced=balanced)
        axis.set_xlabel(x_label)
        if logarithmic:
            axis.set_xscale("log")
            ticks = sorted(frame[x].dropna().unique())
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
        else:
            low, high = frame[x].min(), frame[x].max()  # of all panels: one rate alone has no scale
            beside = 0.05 * (high - low) or 1.0
            axis.set_xlim(low - beside, high + beside)
        axis.set_ylim(-3, 103)
        axis.grid(alpha=0.25)
    _legend(drawing)
    return drawing


def _line(
    axis: Axes,
    rows: pd.DataFrame,
    x: str,
    title: str,
    style: Mapping[str, Any],
    tried: Sequence[float],
    *,
    balanced: bool,
) -> None:
    printed, ours = rows.dropna(subset=["paper"]), rows[rows[x].isin(tried)]  # what is NaN there parts a line
    axis.plot(printed[x], printed["paper"], "--", lw=1, mfc="none", ms=5, alpha=0.8, **style)
    if balanced:
        axis.plot(ours[x], ours["balanced_accuracy"], ":", color=style["color"], lw=1.2)
    nothing = ours[ours["collapsed"].astype(bool)]
    axis.plot(nothing[x], nothing["ours"], "x", color=INK, ms=9, zorder=5)
    below = (ours["ours"] - ours["ci_low"]).clip(lower=0).fillna(0)
    above = (ours["ci_high"] - ours["ours"]).clip(lower=0).fillna(0)
    lines: dict[str, Any] = {"ms": 5, "lw": 1.6, "elinewidth": 0.8, "capsize": 2}
    axis.errorbar(ours[x], ours["ours"], yerr=[below, above], label=title, **style, **lines)


def over_epochs(frame: pd.DataFrame, columns: Mapping[str, str], lines: str) -> Figure:
    """A panel a column of `columns` (name -> title), by the column `epoch`, a line a value of `lines`."""
    long = frame.rename(columns=dict(columns)).melt(["epoch", lines], [*columns.values()], "panel", "y")
    return panels_of_lines(long.rename(columns={"epoch": "x", lines: "line"}), "epoch")


def distribution(frame: pd.DataFrame) -> Figure:
    """Figure 5: bars of images by class, a panel a split (columns split, class, images)."""
    splits = list(dict.fromkeys(frame["split"]))
    drawing, axes = _panels(splits, len(splits), 2.6, width=3)
    for axis, split in zip(axes, splits, strict=True):
        rows = frame[frame["split"] == split]
        sns.barplot(rows, x="class", y="images", color=COLOURS[0], ax=axis)
        for bars in cast("list[BarContainer]", axis.containers):
            axis.bar_label(bars, fontsize=SMALL)
        axis.set(xlabel="", ylabel="images")
        axis.margins(y=0.15)
        axis.tick_params(labelsize=SMALL)
    return drawing


REMOVED, KEPT = "#9a9a9a", COLOURS[0]


def magnitudes(network: Mapping[str, Any]) -> Figure:
    """Figure 4 of an entry of `anatomy`: the sorted weights, those removed in grey, the cut dashed.

    Where each layer is cut by itself the label says that this one cut is not where the layers were cut.
    """
    weights = pd.DataFrame(network["magnitudes"])
    drawing, (axes,) = _panels([""], 1, 2.8)
    percent, magnitude, removed = 100 * weights["share"], weights["magnitude"], weights["removed"]
    for part, colour, hatch in ((removed, REMOVED, "//"), (~removed, KEPT, None)):
        axes.fill_between(percent[part], magnitude[part], color=colour, alpha=0.35, hatch=hatch, linewidth=0)
        axes.plot(percent[part], magnitude[part], color=colour, linewidth=2)
    if removed.any():
        cut, height = 100 * network["cut_share"], network["cut"]
        axes.axvline(cut, color=INK, linestyle="--", linewidth=1)
        side, offset = ("left", 1) if cut < 60 else ("right", -1)
        label = f"cut at |w| = {height:.2g}\n{cut:.0f} % of the weights removed"
        if network["scope"] == "layer":
            label = f"global cut at |w| = {height:.2g}, not applied:\n{cut:.0f} % of each layer removed"
        place = axes.get_xaxis_transform()
        axes.text(cut + offset, 0.97, label, ha=side, va="top", fontsize=SMALL, transform=place)
    axes.set(xlabel="weights, smallest first (%)", ylabel="magnitude |w|", xlim=(0, 100))
    axes.set_ylim(0, 1.05 * magnitude.iloc[:-1].max())  # the largest alone would flatten the rest
    axes.spines[["top", "right"]].set_visible(False)
    return drawing


QUANTITIES = {
    "width": "width of the file (pixels)",
    "aspect_ratio": "width / height",
    "border": "mean of the outermost pixels, in [0, 1]",
    "mean": "mean brightness, in [0, 1]",
}


def histograms(quantities: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel a quantity (`quantity`, `edges` of the bars, `percent` by class), a line a class."""
    drawing, axes = _panels([""] * len(quantities), 2, 2.5)
    for axis, row in zip(axes, quantities, strict=True):
        for number, (name, percent) in enumerate(row["percent"].items()):
            colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
            axis.stairs(percent, row["edges"], color=colour, ls=line, lw=1.5, label=name)
        axis.set(xlabel=QUANTITIES[row["quantity"]], ylabel="% of the class")
        axis.spines[["top", "right"]].set_visible(False)
    _legend(drawing)
    return drawing


def panels_of_lines(
    frame: pd.DataFrame, x_label: str | Mapping[str, str], y_label: str = "", *, logarithmic: bool = False
) -> Figure:
    """A panel a value of `panel`, in it a line a value of `line`: y over x, with its interval if it has one.

    Columns: panel, line, x, y and, where there are intervals, low, high. One label below all
    panels, or one a panel.
    """
    names = list(dict.fromkeys(frame["panel"]))
    columns, width = min(2, len(names)), WIDTH_INCHES
    if len(names) == 3 or len(names) > 4:  # two in a row would leave one alone, or fill more than a screen
        columns = 3 if len(names) < 7 else 4
        width = WIDTH_INCHES * 2.1 / columns
    # of three or four in a row, a title wider than its panel would push the next one away
    titles = [name.replace(" (", "\n(") for name in names] if columns > 2 else names
    drawing, axes = _panels(titles, columns, 2.4, width=width, y_label=y_label)
    for axis, name in zip(axes, names, strict=True):
        of_panel = frame[frame["panel"] == name]
        # through many intervals that lie on each other the lines are still seen
        opacity = min(0.12, 0.4 / of_panel["line"].nunique())
        for number, (line, rows) in enumerate(of_panel.groupby("line", sort=False)):
            style = _style_of(number)
            axis.plot(rows["x"], rows["y"], ms=4, lw=1.3, label=str(line), **style)
            if "low" in rows:
                axis.fill_between(rows["x"], rows["low"], rows["high"], color=style["color"], alpha=opacity)
        axis.set_xlabel(x_label if isinstance(x_label, str) else x_label[name])
        if logarithmic:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter("{x:g}")
        elif (of_panel["x"] % 1 == 0).all():
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.grid(alpha=0.25)
    _legend(drawing)
    return drawing
