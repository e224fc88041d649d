"""The attacks by id, and what must be true of each."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Literal

from torch import Tensor, nn

from meddef_lib.attacks.apgd import apgd_ce, apgd_dlr, apgd_targeted
from meddef_lib.attacks.gradient import bim, fgsm, pgd
from meddef_lib.attacks.jsma import jsma
from meddef_lib.attacks.noise import sign_noise, uniform_noise
from meddef_lib.attacks.square import square

Invariant = Literal[
    "range",  # the adversarial images are in [0, 1]
    "inputs_untouched",  # images, labels and the model are as before
    "repeatable",  # the same seed and ids give the same images, in batches of any size
    "budget",  # no value moves by more than eps
    "eps_zero",  # a budget of 0 changes nothing
    "more_steps_never_weaker",  # whatever falls within k steps falls within k + 1 (worst case)
    "feature_budget",  # at most gamma * n values of an image change (JSMA)
]

ALWAYS: frozenset[Invariant] = frozenset({"range", "inputs_untouched", "repeatable"})
IN_A_BALL: frozenset[Invariant] = ALWAYS | {"budget", "eps_zero"}


@dataclass(frozen=True)
class Attack:
    """One attack: called as `attack(model, images, labels, **settings)` it returns adversarial images.

    invariants: what the tests hold it to. seeded: takes `seed` and `image_ids`. worst_case: whether it
    returns the first misclassified image that it meets: never, always, or where `early_stop` (with
    `batch_size`) asks for it. stops_at_success: goes no further once the network takes the image for another
    class, so that what a copy of the network took for success is to be checked on the original.
    """

    id: str
    function: Callable[..., Tensor]
    invariants: frozenset[Invariant]
    seeded: bool = False
    worst_case: Literal["never", "always", "early_stop"] = "never"
    stops_at_success: bool = False

    def __post_init__(self) -> None:
        # `help`, notebooks and `inspect.signature` then show which settings the attack takes
        object.__setattr__(self, "__signature__", signature(self.function))
        object.__setattr__(self, "__doc__", self.function.__doc__)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, **settings: object) -> Tensor:
        return self.function(model, images.detach(), labels, **settings)


ATTACKS: dict[str, Attack] = {
    attack.id: attack
    for attack in (
        Attack("fgsm", fgsm, IN_A_BALL | {"more_steps_never_weaker"}),
        Attack("bim", bim, IN_A_BALL | {"more_steps_never_weaker"}, worst_case="early_stop"),
        Attack("pgd", pgd, IN_A_BALL | {"more_steps_never_weaker"}, seeded=True, worst_case="early_stop"),
        Attack("jsma", jsma, ALWAYS | {"feature_budget"}, stops_at_success=True),
        Attack("apgd_ce", apgd_ce, IN_A_BALL, seeded=True, worst_case="always"),
        Attack("apgd_dlr", apgd_dlr, IN_A_BALL, seeded=True, worst_case="always"),
        Attack("apgd_targeted", apgd_targeted, IN_A_BALL, seeded=True, worst_case="always"),
        Attack("square", square, IN_A_BALL, seeded=True, worst_case="always"),
        Attack("uniform_noise", uniform_noise, IN_A_BALL, seeded=True),
        Attack("sign_noise", sign_noise, IN_A_BALL, seeded=True),
    )
}
