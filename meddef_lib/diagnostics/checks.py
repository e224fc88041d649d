"""All checks of one model."""

from collections.abc import Callable

from torch import Tensor, nn

from meddef_lib.attacks.calling import check as check_inputs
from meddef_lib.attacks.starts import ids_or_places
from meddef_lib.diagnostics import behaviour, strength
from meddef_lib.diagnostics.catalogue import Check
from meddef_lib.diagnostics.subject import Subject
from meddef_lib.inference_mode import outside_inference_mode
from meddef_lib.params.diagnostics import DiagnosticsParams

EVERY: tuple[Callable[[Subject], Check | None], ...] = (
    behaviour.logits,
    behaviour.deterministic,
    behaviour.answers,
    behaviour.zero_budget,
    behaviour.zero_gradient,
    behaviour.one_sign,
    behaviour.loss_surface,
    strength.larger_budget,
    strength.unbounded,
    strength.iterative,
    strength.more_steps,
    strength.more_restarts,
    strength.smaller_steps,
    strength.final_image,
    strength.losses,
    strength.noise,
    strength.transfer,
    strength.square,
    strength.folded,
    strength.bfloat16,
)


@outside_inference_mode
def check(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = 0.05,
    surrogate: nn.Module | None = None,
    effort: DiagnosticsParams | None = None,
    image_ids: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> list[Check]:
    """What each check of `catalogue.CHECKS` finds of a model, in their order.

    Shapes: images float (n, c, h, w) in [0, 1], n >= 1; labels int64 (n,). `eps` is the budget at which
    attacks are compared, `effort` how much they may spend (by default as the profile `paper`); `surrogate`, a
    separately trained network, is what "transfer" makes its images on: without it that check is left out. A
    model that is weak passes; one fails whose accuracy under attack says little of what it can be made to do.
    Raises ValueError for images that an attack does not take, and for a model without an input gradient or
    with NaN in it.
    """
    check_inputs(images, labels, eps=eps)
    if not len(images):
        raise ValueError("A model is examined on images; there are none.")
    subject = Subject(
        model,
        images,
        labels,
        eps=eps,
        effort=effort or DiagnosticsParams(),
        ids=ids_or_places(image_ids, images),
        seed=seed,
        batch_size=batch_size,
        surrogate=surrogate,
    )
    found = [one(subject) for one in EVERY]
    return [one for one in found if one is not None]
