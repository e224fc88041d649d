"""What pruning left: zeros by layer, and the sorted magnitudes with what is cut (MedDef, Figure 4)."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from meddef_lib.pruning import prunable


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
