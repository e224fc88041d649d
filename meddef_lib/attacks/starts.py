"""Random numbers of an image: drawn from the seed and the image's id, never from its place in a batch.

SplitMix64 (Steele, Lea and Flood 2014) as a hash of a counter, in integer arithmetic on the images' own
device: the same seed and id give the same bits alone, in any batch, after a resumed run, and on a GPU. Every
image has a stream of its own; `stream` separates draws for different purposes (restarts, queries).
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)
_ALL = (1 << 64) - 1


def uniform_like(images: Tensor, image_ids: Tensor | None, *, seed: int, stream: int = 0) -> Tensor:
    """Numbers uniform in (-1, 1), one for each value of each image; symmetric about 0, which does not occur.

    Shapes: images (n, c, h, w), float32 or float64; image_ids int64 (n,), None for the place in the batch.
    The numbers belong to (channel, row, column) and not to the memory format.
    """
    return _values_like(images, image_ids, seed, stream, _symmetric)


def signs_like(images: Tensor, image_ids: Tensor | None, *, seed: int, stream: int = 0) -> Tensor:
    """-1 or 1 with equal probability, one for each value of each image; arguments as in `uniform_like`."""
    return _values_like(images, image_ids, seed, stream, _signs)


def draws(image_ids: Tensor, count: int, *, seed: int, stream: int = 0) -> Tensor:
    """`count` numbers uniform in [0, 1) for each image: float64 (n, count)."""
    keys = _mixed(image_ids + _base(seed, stream))
    return (_stream(keys[:, None], count) >> 11 & (1 << 53) - 1).double() * 2.0**-53


def ids_or_places(image_ids: Tensor | None, images: Tensor) -> Tensor:
    """The ids on the images' device; without ids, each image's place in the batch. Raises ValueError."""
    if image_ids is None:
        return torch.arange(len(images), device=images.device)
    if image_ids.shape != images.shape[:1] or image_ids.dtype != torch.int64:
        raise ValueError(
            f"image_ids is {image_ids.dtype} {tuple(image_ids.shape)}; expected one int64 id for each of "
            f"{len(images)} images."
        )
    return image_ids.to(images.device)


def _values_like(
    images: Tensor,
    image_ids: Tensor | None,
    seed: int,
    stream: int,
    of_bits: Callable[[Tensor, torch.dtype], Tensor],
) -> Tensor:
    keys = _mixed(ids_or_places(image_ids, images) + _base(seed, stream))
    values = torch.empty_like(images)
    # one image at a time: its integers stay in the processor's cache, and a batch of them is never held
    for value, key in zip(values, keys, strict=True):
        value.copy_(of_bits(_stream(key, value.numel()), images.dtype).view(value.shape))
    return values


def _symmetric(bits: Tensor, dtype: torch.dtype) -> Tensor:
    """The odd integers below 2**digits in size, scaled: every one is exact in `dtype`."""
    digits = 53 if dtype == torch.float64 else 24
    bits.bitwise_right_shift_(64 - digits).bitwise_and_((1 << digits) - 1)
    return bits.mul_(2).add_(1 - (1 << digits)).to(dtype).mul_(2.0**-digits)


def _signs(bits: Tensor, dtype: torch.dtype) -> Tensor:
    return bits.bitwise_right_shift_(63).mul_(2).add_(1).to(dtype)  # arithmetic shift: -1 or 0


def _stream(key: Tensor, count: int) -> Tensor:
    """The first `count` 64-bit numbers after `key`: (..., count) for keys (..., 1) or one key."""
    counter = torch.arange(1, count + 1, device=key.device)
    return _mixed(counter.mul_(_signed(_GOLDEN)) + key)


def _mixed(z: Tensor) -> Tensor:
    """SplitMix64's output function on int64, whose products wrap around; shifts are logical. Overwrites z."""
    for shift, factor in zip(_SHIFTS, (*_FACTORS, None), strict=True):
        z.bitwise_xor_((z >> shift).bitwise_and_((1 << 64 - shift) - 1))
        if factor is not None:
            z.mul_(_signed(factor))
    return z


def _base(seed: int, stream: int) -> int:
    """One int64 for a seed and a stream."""
    return int(_mixed(torch.tensor(_of_seed(seed)) + stream))


@cache  # Square asks for every query
def _of_seed(seed: int) -> int:
    return int(_mixed(torch.tensor(_signed(seed * _GOLDEN & _ALL))))


def _signed(z: int) -> int:
    """The int64 of the same 64 bits."""
    return z - (1 << 64) if z >> 63 else z
