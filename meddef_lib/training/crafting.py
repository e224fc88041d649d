"""The attack inside training: gradient ascent on the input alone, many times a batch.

It is none of `meddef_lib.attacks`: it may craft on a network in training mode, climbs any objective, and a
change in those attacks must not retrain a model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

Logits = Callable[[Tensor], Tensor]


@contextmanager
def frozen_in_training(model: nn.Module) -> Iterator[None]:
    """Leave only the input of a network in training mode to differentiate; all is restored at the end.

    Batch normalisation uses the statistics of the attacked batch, which do not enter its running averages,
    and dropout is on.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        for norm in norms:  # such a layer computes with batch statistics and keeps none
            norm.track_running_stats = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for parameter in trained:
            parameter.requires_grad_(True)


def ascend(
    logits: Logits,
    images: Tensor,
    start: Tensor,
    objective: Callable[[Tensor], Tensor],
    *,
    eps: float,
    step_size: float,
    steps: int,
) -> Tensor:
    """Projected sign-gradient ascent on `objective` (logits -> scalar) inside the L-infinity ball.

    Shapes: images and start (n, c, h, w) in [0, 1]; returns a new tensor of that shape, within `eps` of
    `images` and in [0, 1]. No parameter may require a gradient.
    """
    lower, upper = (images - eps).clamp_(min=0), (images + eps).clamp_(max=1)
    point = torch.clamp(start.detach(), lower, upper)
    for _ in range(steps if eps else 0):  # without a budget there is nowhere to go
        point.requires_grad_(True)
        (gradient,) = torch.autograd.grad(objective(logits(point)), point)
        point = point.detach().add_(gradient.sign(), alpha=step_size)
        torch.clamp(point, lower, upper, out=point)
    return point


def uniform_start(images: Tensor, eps: float, *, generator: torch.Generator) -> Tensor:
    """A random point of the L-infinity ball about each image, uniform; not yet clipped to [0, 1]."""
    noise = torch.empty_like(images).uniform_(-eps, eps, generator=generator)
    return noise.add_(images)


def summed_cross_entropy(labels: Tensor) -> Callable[[Tensor], Tensor]:
    """What most attacks climb, as a function of the logits: an image's gradient is that of it alone."""
    return lambda logits: functional.cross_entropy(logits, labels, reduction="sum")
