"""What pruning left: zeros by layer, and the picture of sorted magnitudes with the cut (MedDef, Figure 4)."""

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from meddef_lib.pruning import Scope, prunable

REMOVED, KEPT = "#9a9a9a", "#0072b2"  # grey and blue of Okabe and Ito's palette


def table(model: nn.Module) -> pd.DataFrame:
    """One row a prunable layer and a last one, "overall": layer, weights, zeros, sparsity (a share)."""
    rows = [
        (name, weight.numel(), int((weight == 0).sum().item())) for name, weight in prunable(model).items()
    ]
    _, weights, zeros = zip(*rows, strict=True)
    found = pd.DataFrame(
        [*rows, ("overall", sum(weights), sum(zeros))], columns=["layer", "weights", "zeros"]
    )
    return found.assign(sparsity=found["zeros"] / found["weights"])


def magnitudes(model: nn.Module, rate: float, points: int = 400) -> pd.DataFrame:
    """The magnitudes of all prunable weights in rising order, at `points` evenly spaced ranks (Figure 4).

    Columns: share (of weights that are smaller, 0 to 1), magnitude, removed (by global pruning at `rate`).
    """
    with torch.no_grad():
        values = torch.cat([weight.abs().flatten() for weight in prunable(model).values()])
    ordered = np.sort(values.cpu().numpy())
    ranks = np.unique(np.linspace(0, len(ordered) - 1, points).round().astype(np.int64))
    removed = ranks < round(rate * len(ordered))
    return pd.DataFrame({"share": ranks / len(ordered), "magnitude": ordered[ranks], "removed": removed})


def cut_at(sorted_magnitudes: pd.DataFrame) -> float:
    """The least magnitude that stays, of what `magnitudes` returns."""
    return float(sorted_magnitudes.loc[~sorted_magnitudes["removed"], "magnitude"].iloc[0])


def figure(sorted_magnitudes: pd.DataFrame, scope: Scope = "global") -> Figure:
    """Draw what `magnitudes` returns: the sorted weights, those removed in grey, the cut as a dashed line.

    With the `scope` "layer" the label says that this one cut is not where the layers were cut.
    """
    drawing = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = drawing.subplots()
    percent = 100 * sorted_magnitudes["share"]
    magnitude = sorted_magnitudes["magnitude"]
    removed = sorted_magnitudes["removed"]
    for part, colour, hatch in ((removed, REMOVED, "//"), (~removed, KEPT, None)):
        axes.fill_between(percent[part], magnitude[part], color=colour, alpha=0.35, hatch=hatch, linewidth=0)
        axes.plot(percent[part], magnitude[part], color=colour, linewidth=2)
    if removed.any():
        cut, height = percent[~removed].iloc[0], cut_at(sorted_magnitudes)
        axes.axvline(cut, color="black", linestyle="--", linewidth=1)
        side, offset = ("left", 1) if cut < 60 else ("right", -1)
        label = f"cut at |w| = {height:.2g}\n{cut:.0f} % of the weights removed"
        if scope == "layer":
            label = f"global cut at |w| = {height:.2g}, not applied:\n{cut:.0f} % of each layer removed"
        axes.text(cut + offset, 0.97, label, ha=side, va="top", transform=axes.get_xaxis_transform())
    axes.set(xlabel="weights, smallest first (%)", ylabel="magnitude |w|", xlim=(0, 100))
    axes.set_ylim(0, 1.05 * magnitude.iloc[:-1].max())  # the largest alone would flatten the rest
    axes.spines[["top", "right"]].set_visible(False)
    return drawing
