"""The median of the pixels around (feature squeezing; Xu et al. 2018, section 3.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from meddef_lib.attacks.registry import Setting
from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import OBLIVIOUS, STRAIGHT_THROUGH, Defended, Transformed

DEFENCE = Defence(
    id="median_filter", title="Median filter", source="Xu et al. 2018", own={"size": Setting(3, least=2)}
)


def defended(networks: Sequence[nn.Module], *, size: int) -> Defended:
    """The network behind `median`, whose subgradient leads to the pixel that is the median."""
    (network,) = networks

    def filtered(images: Tensor) -> Tensor:
        return median(images, size)

    itself = Transformed(network, filtered, filtered)
    straight = Transformed(network, filtered, lambda images: images)
    return Defended(
        itself, {OBLIVIOUS: network}, {"gradient of the median": itself, STRAIGHT_THROUGH: straight}
    )


def median(images: Tensor, size: int) -> Tensor:
    """Each value of (n, c, h, w) replaced by the median of the size x size around it, the lower of two.

    Beyond the edge the outermost pixels go on. Slices and a sort, as torch's own median, unfold and padding
    have no deterministic gradient on CUDA.
    """
    before, (height, width) = size // 2, images.shape[-2:]
    rows, columns = (
        torch.arange(-before, length + size - 1 - before, device=images.device).clamp(0, length - 1)
        for length in (height, width)
    )
    wide = images.index_select(2, rows).index_select(3, columns)
    shifted = [
        wide[..., top : top + height, left : left + width] for top in range(size) for left in range(size)
    ]
    return torch.stack(shifted, dim=-1).sort(dim=-1).values[..., (size * size - 1) // 2]
