"""What every call of an attack has in common: arguments that are checked, a network that is lent, a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Trace:
    """Filled by an attack that is given one (`trace=`); an attack without one does not spend time on it.

    - steps_used: int64 (n,), the gradient steps spent on each image (Square: queries; noise: none).
    - worst: (n, c, h, w), the first misclassified iterate of each image, else its last; may share memory with
      the images that the attack returns.
    - truncated: bool (n,), JSMA gave up at `max_steps`, so that more steps might have succeeded.
    - zero_gradient: bool (n,), the gradient of what the attack climbs was exactly 0 in every value where it
      began (FGSM, BIM, JSMA: the image; PGD, APGD: each random start), so that it could not take a step. None
      of an attack that asks for no gradient.
    """

    steps_used: Tensor | None = None
    worst: Tensor | None = None
    truncated: Tensor | None = None
    zero_gradient: Tensor | None = None


def check(
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = 0.0,
    step_size: float = 0.0,
    **counts: int | None,
) -> None:
    """Raise ValueError, a sentence, unless these are arguments for an attack.

    Images are float32 or float64 (n, c, h, w) in [0, 1], labels int64 (n,); eps and step_size are at least 0
    and finite, `counts` (steps, restarts, batch_size and the like) at least 1 where they are given.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"An attack takes floating-point images (n, c, h, w); these are {images.dtype} "
            f"{tuple(images.shape)}. meddef_lib.models.pixels makes them from stored grey levels."
        )
    if images.dtype not in (torch.float32, torch.float64):
        # below 1 the numbers of float16 are 1/2048 apart, those of bfloat16 1/256: too few for a budget
        raise ValueError(
            f"An attack takes float32 or float64 images; these are {images.dtype}, which rounds a small "
            "budget away. For speed compute the network in half precision (evaluation's bfloat16), and "
            "leave the pixels as they are."
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"An attack takes one int64 label an image; for {len(images)} images these are {labels.dtype} "
            f"{tuple(labels.shape)}."
        )
    # "not within" rather than "outside": NaN is neither
    if len(images) and not (images.amin() >= 0 and images.amax() <= 1):
        low, high = images.aminmax()
        raise ValueError(
            f"An attack takes pixels in [0, 1]; these reach from {low.item():g} to {high.item():g}. The "
            "normalisation belongs into the model."
        )
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps is {eps}; expected a budget of at least 0 for pixels in [0, 1].")
    if not 0 <= step_size < float("inf"):
        raise ValueError(f"step_size is {step_size}; expected a step of at least 0 for pixels in [0, 1].")
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"{name} is {count}; expected at least 1.")


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put `model` into eval mode with frozen parameters, gradients enabled; restore all of it at the end.

    Every module gets its own mode back and every parameter its own `requires_grad`, also after an error.
    With frozen parameters a convolution keeps no input for a gradient of its weights.
    """
    modes = [(module, module.training) for module in model.modules()]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        model.eval()
        for parameter in trained:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for module, training in modes:
            module.training = training
