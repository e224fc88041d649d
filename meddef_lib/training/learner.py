"""A network in training on a device, and the ways through it, one of them as attacks see it.

For attacks it is in eval mode, frozen, batch normalisation folded away: an attack takes many passes between
two updates of the weights, so the folding, done anew after each, pays at once. With what the hardware asks
for: the memory format, the form of Adam, the peak of memory.
"""

import copy
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from meddef_lib import precision
from meddef_lib.attacks.folding import foldable
from meddef_lib.params import TrainingParams
from meddef_lib.training.crafting import Logits, frozen_in_training
from meddef_lib.training.distributed import Group


@dataclass(frozen=True)
class Folded:
    """A convolution and its batch normalisation in the network, and that of the twin that is both."""

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


@dataclass(frozen=True)
class Learner:
    """A network in training, and the ways through it: each (n, 3, h, w) to float32 logits (n, classes)."""

    model: nn.Module
    train_logits: Logits  # averages gradients over processes, if there are several
    logits: Logits  # the same without that
    twin: Twin
    twin_logits: Logits
    device: torch.device
    memory_format: torch.memory_format

    @contextmanager
    def attackable(self, crafted_in: Literal["eval", "train"] = "eval") -> Iterator[Logits]:
        """The network with its present weights, frozen, in eval or in training mode."""
        if crafted_in == "eval":
            self.twin.follow()
            yield self.twin_logits
        else:
            with frozen_in_training(self.model):
                yield self.logits


def learner_of(
    model: nn.Module,
    params: TrainingParams,
    *,
    image_size: int,
    device: torch.device,
    group: Group,
    memory_format: torch.memory_format | None = None,
) -> Learner:
    """Bring the network to its device and memory format, in place, and give the ways through it.

    memory_format None: the `wanted_format`.
    """
    memory_format = memory_format or wanted_format(params, device, image_size)
    model.to(device).to(memory_format=memory_format)
    twin = twin_of(model, torch.zeros(1, 3, image_size, image_size, device=device))
    if params.compile:
        model.compile()  # in place: the names in the state dict stay
        twin.network.compile()
    return Learner(
        model=model,
        train_logits=in_precision(group.wrapped(model, device), params, device),
        logits=in_precision(model, params, device),
        twin=twin,
        twin_logits=in_precision(twin.network, params, device),
        device=device,
        memory_format=memory_format,
    )


def wanted_format(params: TrainingParams, device: torch.device, image_size: int) -> torch.memory_format:
    """As `params.channels_last` says; "auto" goes by device, image size and precision."""
    bfloat16 = precision.in_bfloat16(params.autocast, device)
    return precision.memory_format(params.channels_last, device, image_size, bfloat16=bfloat16)


def in_precision(
    network: nn.Module, params: TrainingParams, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """The network as a function to float32 logits, in bfloat16 where `params.autocast` says so."""
    if not precision.in_bfloat16(params.autocast, device):
        return network

    def logits(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return network(images).float()

    return logits


def adam(network: nn.Module, params: TrainingParams, device: torch.device) -> torch.optim.Adam:
    """Adam with the weight decay in the gradient (MedDef, 3.8), fused where that can be."""
    return torch.optim.Adam(
        network.parameters(),
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        fused=device.type in ("cpu", "cuda", "mps"),
    )


def reset_peak_memory(device: torch.device) -> None:
    """Begin to measure anew, where the device can (a CPU's peak is that of the process so far)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """The most memory that was in use: of the GPU since the reset, else of the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere
