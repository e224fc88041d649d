"""From a memory-mapped array of grey images to batches on the device, in an order that a generator draws.

Each image is changed at random there. The paper names augmentation as a step (3.2.1) and lists none; every
change here is a parameter with its range.
"""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from meddef_lib.params import AugmentationParams

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageSet:
    """Some images of an array: `pixels` uint8 (N, h, w), usually memory-mapped; `rows` and `labels` (n,)."""

    pixels: npt.NDArray[np.uint8]
    rows: Positions
    labels: Positions

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class EpochPlan:
    """One epoch's order: `batches` of `parts` of positions within a set, and a seed for each part."""

    parts: list[list[Positions]]  # [batch][part]
    seeds: npt.NDArray[np.int64]  # (batches, parts)


def plan_epoch(images: int, batch_size: int, parts: int, rng: np.random.Generator) -> EpochPlan:
    """Draw an epoch over all images in batches of at most `batch_size`, as even as they can be.

    Even batches leave no remainder of one or two images, on which batch normalisation would fail. Each
    batch is divided into `parts`: they are computed one after another by one process, or side by side by
    several, and every random choice on a part comes from its own seed, so that both ways see the same
    images, noise and dropout.
    """
    order = rng.permutation(images)
    batches = np.array_split(order, batch_count(images, batch_size))
    seeds = rng.integers(2**63 - 1, size=(len(batches), parts), dtype=np.int64)
    return EpochPlan([np.array_split(batch, parts) for batch in batches], seeds)


def batch_count(images: int, batch_size: int) -> int:
    return -(-images // batch_size)


def stream(
    images: ImageSet, parts: Iterable[Positions], device: torch.device, *, pinned: bool = True
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each part on the device: grey levels uint8 (n, h, w), labels int64 (n,).

    A thread reads one part ahead while the device computes; for a CUDA device, if `pinned`, into page-locked
    memory, from where the copy need not be waited for.
    """
    pinned = pinned and device.type == "cuda"

    def read(positions: Positions) -> tuple[Tensor, Tensor]:
        grey = torch.from_numpy(images.pixels[images.rows[positions]])
        labels = torch.from_numpy(images.labels[positions])
        return (grey.pin_memory(), labels.pin_memory()) if pinned else (grey, labels)

    def on_device(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return pair[0].to(device, non_blocking=pinned), pair[1].to(device, non_blocking=pinned)

    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = None
        for positions in parts:
            following = reader.submit(read, positions)
            if ahead is not None:
                yield on_device(ahead.result())
            ahead = following
        if ahead is not None:
            yield on_device(ahead.result())


def as_images(grey: Tensor) -> Tensor:
    """Grey levels uint8 (n, h, w) as float32 (n, 1, h, w) in [0, 1]: what augmentation works on."""
    return grey.unsqueeze(1).to(torch.float32).div_(255)


def as_input(images: Tensor, memory_format: torch.memory_format) -> Tensor:
    """One grey channel (n, 1, h, w) as the three channels of a network's input, each in memory of its own."""
    return images.expand(-1, 3, -1, -1).contiguous(memory_format=memory_format)


def augment(images: Tensor, params: AugmentationParams, *, generator: torch.Generator) -> Tensor:
    """Flip, turn, shift, brighten and stretch each image by draws of its own.

    Shapes: images (n, c, h, w) in [0, 1]; returns the same shape, in [0, 1], as a new tensor (or `images`
    itself if nothing is to be changed). The generator is on the device of the images. What a turn or a
    shift uncovers is black. Order: geometry in one bilinear resampling, then contrast about the image's
    mean, then brightness, then clamping.
    """
    geometric = params.rotation_degrees > 0 or params.translation > 0
    if geometric:
        images = _moved(images, params, generator)
    elif params.horizontal_flip > 0:  # exact, without resampling
        flipped = _uniform(images, generator, 0, 1) < params.horizontal_flip
        images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    if params.contrast > 0 or params.brightness > 0:
        gain = 1 + _uniform(images, generator, -params.contrast, params.contrast)[:, None, None, None]
        lift = _uniform(images, generator, -params.brightness, params.brightness)[:, None, None, None]
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = ((images - mean) * gain + mean + lift).clamp_(0, 1)
    return images


def _moved(images: Tensor, params: AugmentationParams, generator: torch.Generator) -> Tensor:
    sign = torch.where(_uniform(images, generator, 0, 1) < params.horizontal_flip, -1.0, 1.0)
    most = math.radians(params.rotation_degrees)
    angle = _uniform(images, generator, -most, most)
    # the grid spans [-1, 1], so a share of the side is twice that in its units
    right = 2 * _uniform(images, generator, -params.translation, params.translation)
    down = 2 * _uniform(images, generator, -params.translation, params.translation)
    height, width = images.shape[-2:]
    sine, cosine = angle.sin(), angle.cos()
    # where each pixel of the result comes from; h / w keeps a turn rigid on images that are not square
    rows = (sign * cosine, -sign * sine * (height / width), right, sine * (width / height), cosine, down)
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _uniform(images: Tensor, generator: torch.Generator, low: float, high: float) -> Tensor:
    """One number an image from [low, high)."""
    return torch.empty(len(images), device=images.device).uniform_(low, high, generator=generator)
