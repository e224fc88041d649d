"""A network in training, and the ways through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from meddef_lib.params import TrainingParams
from meddef_lib.training import hardware
from meddef_lib.training.crafting import Logits, frozen_in_training
from meddef_lib.training.distributed import Group
from meddef_lib.training.twin import Twin, twin_of


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
    memory_format: torch.memory_format,
    group: Group,
) -> Learner:
    """Bring the network to its device and memory format, in place, and give the ways through it."""
    model.to(device).to(memory_format=memory_format)
    twin = twin_of(model, torch.zeros(1, 3, image_size, image_size, device=device))
    if params.compile:
        model.compile()  # in place: the names in the state dict stay
        twin.network.compile()
    return Learner(
        model=model,
        train_logits=hardware.in_precision(group.wrapped(model, device), params, device),
        logits=hardware.in_precision(model, params, device),
        twin=twin,
        twin_logits=hardware.in_precision(twin.network, params, device),
        device=device,
        memory_format=memory_format,
    )
