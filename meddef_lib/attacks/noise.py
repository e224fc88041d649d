"""Noise of the same budget as an attack: what a model loses to that is not due to the attack's aim."""

from collections.abc import Callable

from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace, check
from meddef_lib.attacks.registry import Attack, Cost
from meddef_lib.attacks.starts import signs_like, uniform_like
from meddef_lib.inference_mode import outside_inference_mode

UNIFORM = Attack(id="uniform_noise", title="Uniform noise", seeded=True, cost=Cost(a_step=0))
SIGN = Attack(id="sign_noise", title="Sign noise", seeded=True, cost=Cost(a_step=0))


def noise(drawn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Every value moved by eps times what is drawn for it, then clipped to [0, 1]; the model is not asked.

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); it returns new images. Raises ValueError.
    """

    @outside_inference_mode
    def attack(
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        eps: float,
        seed: int = 0,
        image_ids: Tensor | None = None,
        trace: Trace | None = None,
    ) -> Tensor:
        check(images, labels, eps=eps)
        noisy = drawn(images, image_ids, seed=seed).mul_(eps).add_(images).clamp_(0, 1)
        if trace is not None:
            trace.steps_used, trace.worst = labels.new_zeros(labels.shape), noisy
        return noisy

    return attack


uniform_noise = noise(uniform_like)  # within (-eps, eps)
sign_noise = noise(signs_like)  # -eps or eps: to a corner of the ball, as FGSM does
