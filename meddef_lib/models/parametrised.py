"""Weights that torch computes from others whenever they are used: pruned, weight normalised, spectral.

A state dict then holds what they are computed from, under names that tell how.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Parts = Sequence[Tensor]


def pruned(parts: Parts) -> Tensor:
    """weight * mask, of `torch.nn.utils.prune`."""
    weight, mask = parts
    return weight * mask


def weight_normalised(parts: Parts) -> Tensor:
    """g v / |v| (Salimans and Kingma 2016), |v| over the dimensions along which g has length 1."""
    g, v = parts
    over = [place for place, length in enumerate(g.shape) if length == 1]
    return v * (g / (torch.linalg.vector_norm(v, dim=over, keepdim=True) if g.ndim else v.norm()))


def spectrally_normalised(parts: Parts) -> Tensor:
    """weight / (u W v), W the weight as a matrix (Miyato et al. 2018), u and v as training left them."""
    weight, u, v = parts
    return weight / torch.dot(u, weight.flatten(1).mv(v))


# the names of the parts behind a layer's name, and the weight that torch makes of them in evaluation
NAMES: Sequence[tuple[Sequence[str], Callable[[Parts], Tensor]]] = (
    (("{0}_orig", "{0}_mask"), pruned),
    (("parametrizations.{0}.original", "parametrizations.{0}.0.mask"), pruned),
    (("{0}_g", "{0}_v"), weight_normalised),
    (("parametrizations.{0}.original0", "parametrizations.{0}.original1"), weight_normalised),
    (("{0}_orig", "{0}_u", "{0}_v"), spectrally_normalised),
    (
        ("parametrizations.{0}.original", "parametrizations.{0}.0._u", "parametrizations.{0}.0._v"),
        spectrally_normalised,
    ),
)
FIRST = re.compile(r"(.*\.)?(?:(\w+)_(?:orig|g)|parametrizations\.(\w+)\.original0?)")


def computed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with each such weight in the place of its parts; parts of another kind stay as they are.

    Raises ValueError, with the weight's name, where parts do not go together.
    """
    found = dict(state)
    for name in state:
        match = FIRST.fullmatch(name)
        if match is None:
            continue
        layer, weight = match[1] or "", match[2] or match[3]
        beginnings = f"{layer}{weight}_", f"{layer}parametrizations.{weight}."
        own = {other for other in state if other.startswith(beginnings)}
        for kinds, compute in NAMES:
            parts = [layer + kind.format(weight) for kind in kinds]
            if name == parts[0] and own == set(parts):
                try:
                    found[layer + weight] = compute([state[part].float() for part in parts])
                except (RuntimeError, IndexError) as error:
                    raise ValueError(f"{layer}{weight} does not follow from its parts ({error})") from error
                for part in parts:
                    del found[part]
    return found
