"""One-shot unstructured pruning by L1 magnitude, after training (MedDef, sections 3.5 and 3.8)."""

import copy
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from meddef_lib.inference_mode import outside_inference_mode

Scope = Literal["global", "layer"]
Model = TypeVar("Model", bound=nn.Module)


@outside_inference_mode
def prune(model: Model, rate: float, scope: Scope = "global") -> Model:
    """A copy of `model` without the smallest weights of its convolutions and linear layers.

    `rate` is the share of these weights, 0 <= rate < 1, that becomes zero: of all layers together (`scope`
    "global", section 3.8), or of each layer ("layer", the authors' public code). Biases and batch
    normalisation stay. The weights removed are those of torch's `prune.global_unstructured` and
    `prune.l1_unstructured`, but there is no mask and no hook: the zeros are plain values of plain parameters.
    Raises ValueError.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"the pruning rate is {rate}; expected a share, 0 <= rate < 1")
    if scope not in ("global", "layer"):
        raise ValueError(f"the scope of pruning is {scope!r}; expected 'global' or 'layer'")
    pruned = copy.deepcopy(model)
    weights = list(prunable(pruned).values())
    with torch.no_grad():
        for group in [weights] if scope == "global" else [[weight] for weight in weights]:
            # on the CPU, so that ties are resolved alike on every device
            magnitudes = torch.cat([weight.abs().flatten() for weight in group]).cpu()
            removed = smallest(magnitudes, round(rate * magnitudes.numel()))
            for weight, part in zip(group, removed.split([weight.numel() for weight in group]), strict=True):
                weight.masked_fill_(part.view(weight.shape).to(weight.device), 0.0)
    return pruned


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The weights that pruning looks at, by the name of their layer, in the order of `model.modules()`."""
    return {
        name: layer.weight
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }


def smallest(magnitudes: Tensor, count: int) -> Tensor:
    """Which `count` of the magnitudes (n,), on the CPU, are the smallest: a mask (n,) of so many True."""
    if count == 0:
        return torch.zeros_like(magnitudes, dtype=torch.bool)
    # of 20 million values numpy finds the cut 30 times faster than torch.topk finds all that are below it
    cut = float(np.partition(magnitudes.numpy(), count - 1)[count - 1])
    mask = magnitudes <= cut
    if mask.sum() > count:  # ties at the cut: any choice is right, torch's is the one that others can check
        chosen = torch.topk(magnitudes, count, largest=False, sorted=False).indices
        mask = torch.zeros_like(mask).index_fill_(0, chosen, True)
    return mask
