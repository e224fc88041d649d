"""Noise of the same budget as an attack: what a model loses to that is not due to the attack's aim."""

from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace, check
from meddef_lib.attacks.registry import Attack, Cost
from meddef_lib.attacks.starts import signs_like, uniform_like
from meddef_lib.inference_mode import outside_inference_mode

UNIFORM = Attack(id="uniform_noise", title="Uniform noise", seeded=True, cost=Cost(a_step=0))
SIGN = Attack(id="sign_noise", title="Sign noise", seeded=True, cost=Cost(a_step=0))


@outside_inference_mode
def uniform_noise(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    seed: int = 0,
    image_ids: Tensor | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Every value moved by a number uniform in (-eps, eps), then clipped to [0, 1]; the model is not asked.

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); returns new images. Raises ValueError.
    """
    check(images, labels, eps=eps)
    return _added(images, uniform_like(images, image_ids, seed=seed), eps, labels, trace)


@outside_inference_mode
def sign_noise(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    seed: int = 0,
    image_ids: Tensor | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Every value moved by -eps or eps, to a corner of the ball as FGSM does; else as `uniform_noise`."""
    check(images, labels, eps=eps)
    return _added(images, signs_like(images, image_ids, seed=seed), eps, labels, trace)


def _added(images: Tensor, noise: Tensor, eps: float, labels: Tensor, trace: Trace | None) -> Tensor:
    noisy = noise.mul_(eps).add_(images).clamp_(0, 1)
    if trace is not None:
        trace.steps_used, trace.worst = labels.new_zeros(labels.shape), noisy
    return noisy
