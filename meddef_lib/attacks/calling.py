"""What every call of an attack has in common: checked arguments, a network that is lent, its gradient."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# (point, objective of the logits) -> logits, objective, gradient
InputGradient = Callable[[Tensor, Callable[[Tensor], Tensor]], tuple[Tensor, Tensor, Tensor]]


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


@contextmanager
def input_gradients(model: nn.Module) -> Iterator[InputGradient]:
    """Lend a frozen network: a function of a point (n, c, h, w) and an objective (logits -> (n,)).

    It returns the logits (n, classes), their objective (n,) and its gradient at each image (n, c, h, w), all
    detached. The sum over images is differentiated: an image's gradient does not depend on how many others
    there are. Raises ValueError where there is no gradient and, at the end, where one held NaN: the sign of
    NaN is 0, and an attack that stands still passes for robustness.
    """
    broken: list[Tensor] = []  # on the device until the end: to ask it at every step would make it wait

    def input_gradient(point: Tensor, objective: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        point.requires_grad_(True)
        logits = model(point)
        values = objective(logits)
        require_graph(logits)
        (gradient,) = torch.autograd.grad(values.sum(), point)
        point.requires_grad_(False)
        broken.append(gradient.isnan().any())
        return logits.detach(), values.detach(), gradient

    with frozen(model):
        yield input_gradient
    if broken and torch.stack(broken).any():
        raise ValueError(
            "The input's gradient holds NaN, which shows an attack no way. Look for a root or a quotient at "
            "0, or an overflow, in the network."
        )


def require_graph(logits: Tensor) -> None:
    """Raise ValueError where the logits do not depend on the input as far as autograd knows."""
    if not logits.requires_grad:
        raise ValueError(
            "The network's logits have no gradient: it detaches its input, or computes without autograd "
            "(no_grad, numpy). An attack by gradients cannot see it; Square asks for logits alone."
        )


def is_zero(gradient: Tensor) -> Tensor:
    """bool (n,): no value of the gradient (n, c, h, w) leads anywhere, as where a softmax is saturated."""
    return (gradient == 0).flatten(1).all(dim=1)


def box(images: Tensor, eps: float | Tensor) -> tuple[Tensor, Tensor]:
    """The smallest and the largest image within `eps` of `images` and in [0, 1]."""
    return (images - eps).clamp_(min=0), (images + eps).clamp_(max=1)


def misclassified(logits: Tensor, labels: Tensor) -> Tensor:
    """bool (n,): the largest logit is not the label's."""
    return logits.argmax(dim=1) != labels


def mistaken(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """bool (n,): the network, in eval mode, gives images (n, c, h, w) another class than the label."""
    with frozen(model), torch.no_grad():
        return misclassified(model(images), labels)


def wide(per_image: Tensor) -> Tensor:
    """(n,) as (n, 1, 1, 1): one number for every value of an image."""
    return per_image[:, None, None, None]
