"""A trained network laid open: what it is made of (Figure 2), its weights and the cut (Figure 4)."""

import json

import numpy as np
import pandas as pd
import torch
from torch import nn

from meddef_lib.engine.recipe import Workspace
from meddef_lib.models import files, outline
from meddef_lib.pruning import prunable, prune


def make(space: Workspace) -> None:
    """Make an "anatomy/..." cell: tables (Parquet) and the facts that go with them (`anatomy.json`).

    Writes `blocks` and `modules` (see `models.outline`), `magnitudes` and `sparsity`. Settings: `image_size`
    (pixels), `rate` (share of weights that the cut removes), `scope`. Input `model`: a trained model.
    """
    settings = space.settings
    rate, scope, size = settings["rate"], settings["scope"], settings["image_size"]
    model = files.load(space.inputs["model"])
    tables = {
        "blocks": outline.blocks(model, size),
        "modules": outline.modules(model, size),
        "magnitudes": magnitudes(model, rate),
        "sparsity": sparsity(prune(model, rate, scope=scope)),
    }
    for name, table in tables.items():
        table.to_parquet(space.folder / f"{name}.parquet", index=False)
    facts = {
        "image_size": size,
        "rate": rate,
        "scope": scope,
        "attention_on": model.options.attention_on,  # what the channel attention looks at
    }
    (space.folder / "anatomy.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def sparsity(model: nn.Module) -> pd.DataFrame:
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
