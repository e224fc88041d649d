"""Average pooling and bilinear enlargement of small maps as products with fixed matrices.

The CUDA gradients of torch's own operators differ from run to run; those of a matrix product do not, and on
maps of a few positions it is also faster on a CPU. Each matrix holds what torch's operator makes of the unit
maps, so it is that operator, at any size.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]

# by operator, sizes, device and type; not functools.lru_cache, about which torch.compile warns
_MATRICES: dict[tuple[str, Size, Size, torch.device, torch.dtype], Tensor] = {}


def average_pool(x: Tensor, size: Size) -> Tensor:
    """Adaptive average pooling, (n, c, h, w) to (n, c, *size); `size` may exceed (h, w)."""
    return _resample(x, size, "average_pool", F.adaptive_avg_pool2d)


def bilinear(x: Tensor, size: Size) -> Tensor:
    """Bilinear interpolation (`align_corners=False`, no antialiasing), (n, c, h, w) to (n, c, *size)."""
    return _resample(x, size, "bilinear", _interpolate)


def _resample(x: Tensor, size: Size, name: str, operator: Callable[[Tensor, Size], Tensor]) -> Tensor:
    height, width = x.shape[-2:]
    key = (name, (height, width), size, x.device, x.dtype)
    if key not in _MATRICES:
        with torch.inference_mode(False):  # what inference mode makes, training refuses
            units = torch.eye(height * width).unflatten(1, (1, height, width))
            _MATRICES[key] = operator(units, size).flatten(1).to(x.device, x.dtype)
    return (x.flatten(2) @ _MATRICES[key]).unflatten(2, size)


def _interpolate(x: Tensor, size: Size) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False)
