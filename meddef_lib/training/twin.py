"""The network in training as attacks see it: in eval mode, frozen, batch normalisation folded away.

An attack takes many passes between two updates of the weights, so the folding, done anew after each, pays
at once.
"""

import copy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from meddef_lib.attacks.folding import foldable


@dataclass(frozen=True)
class Folded:
    """A convolution and its batch normalisation in the network, and the convolution of the twin that is
    both."""

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d
    twin: nn.Conv2d


@dataclass(frozen=True)
class Twin:
    """A frozen copy of a network that computes what the network would in eval mode, up to rounding."""

    network: nn.Module
    folded: tuple[Folded, ...]

    def follow(self) -> None:
        """Take over the network's present weights and running averages.

        Layers without batch normalisation share their memory with the network's and need nothing.
        """
        with torch.no_grad():
            for pair in self.folded:
                norm, weight = pair.norm, pair.convolution.weight
                mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
                scale = norm.weight * torch.rsqrt(variance + norm.eps)
                torch.mul(weight, scale[:, None, None, None], out=pair.twin.weight)
                shift = norm.bias - mean * scale
                if pair.convolution.bias is not None:
                    shift += pair.convolution.bias * scale
                cast(Tensor, pair.twin.bias).copy_(shift)


def twin_of(model: nn.Module, example: Tensor) -> Twin:
    """A twin of `model`, which must be on its device and in its memory format already and stay there.

    `example` holds an image or more, (n, 3, h, w), that show which batch normalisation follows which
    convolution.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    shared = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        tensor.data = shared[name].data
    folded = []
    for convolution_name, norm_name in foldable(model, example).items():
        convolution = cast(nn.Conv2d, model.get_submodule(convolution_name))
        own = cast(nn.Conv2d, network.get_submodule(convolution_name))
        own.weight = nn.Parameter(torch.empty_like(convolution.weight), requires_grad=False)
        own.bias = nn.Parameter(torch.empty_like(convolution.weight[:, 0, 0, 0]), requires_grad=False)
        network.set_submodule(norm_name, nn.Identity())
        folded.append(Folded(convolution, cast(nn.BatchNorm2d, model.get_submodule(norm_name)), own))
    twin = Twin(network, tuple(folded))
    twin.follow()
    return twin
