"""Random changes of a training batch, on the device that trains.

The paper names augmentation as a step (3.2.1) and lists none; every change here is a parameter with its
range.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from meddef_lib.params import AugmentationParams


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
