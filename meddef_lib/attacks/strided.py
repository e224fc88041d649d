"""The input's gradient of a network's first convolution, in well under half the time on a CPU.

Going back through a convolution of stride s falls into s x s phases: the gradient at the pixels (s i + r,
s j + q) for i, j = 0, 1, ... depends on every s-th weight of the kernel alone, from (r, q) on. Together the
phases are one convolution of stride 1 with s x s times as many output channels, put in their places
afterwards (`pixel_shuffle`). A processor computes 8 or 16 channels at a time: the 3 of an image leave most of
that unused, the 12 of its phases do not.
"""

from math import ceil
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

MOST_CHANNELS = 4  # of what goes in: more fill the vectors by themselves


class Strided(nn.Module):
    """The same function as `convolution`, for a network whose weights are frozen: they get no gradient."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.register_buffer("phases", _phases(convolution.weight.detach(), convolution.stride[0]))

    def forward(self, images: Tensor) -> Tensor:
        layer = self.convolution
        size = layer.stride[0], cast(tuple[int, int], layer.padding)
        return _StridedConvolution.apply(images, layer.weight, layer.bias, self.phases, *size)


def pays(layer: nn.Module) -> bool:
    """Whether `layer` is a convolution that `Strided` can stand in for, with few enough channels to gain."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.in_channels <= MOST_CHANNELS
        and layer.stride[0] == layer.stride[1] > 1
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _phases(weight: Tensor, stride: int) -> Tensor:
    """The weights of the one convolution: (out, in, h, w) -> (in * stride^2, out, h / stride, w / stride).

    Both quotients are rounded up; in each phase the weights run backwards, as gradients do.
    """
    height, width = (ceil(length / stride) for length in weight.shape[2:])
    padded = F.pad(weight, (0, width * stride - weight.shape[3], 0, height * stride - weight.shape[2]))
    by_phase = padded.unflatten(3, (width, stride)).unflatten(2, (height, stride))
    return by_phase.permute(1, 3, 5, 0, 2, 4).flatten(0, 2).flip(2, 3).contiguous()


class _StridedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        phases: Tensor,
        stride: int,
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(phases)
        ctx.stride, ctx.padding, ctx.size = stride, padding, images.shape[2:]
        return F.conv2d(images, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (phases,) = ctx.saved_tensors
        by_phase = F.conv2d(gradient, phases, padding=(phases.shape[2] - 1, phases.shape[3] - 1))
        padded = F.pixel_shuffle(by_phase, ctx.stride)
        # the image lies within its padding; rows that no weight ever saw are missing, and their gradient is 0
        (top, left), (height, width) = ctx.padding, ctx.size
        bottom, right = top + height - padded.shape[2], left + width - padded.shape[3]
        return F.pad(padded, (-left, right, -top, bottom)), None, None, None, None, None
