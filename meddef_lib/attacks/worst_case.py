"""The worst case: several strong attacks one after the other, each on the images that still stand.

As AutoAttack does it (Croce & Hein 2020): a network counts as right on an image only where every attack
fails. The first start of PGD is that of the tables. With two classes there is no third logit for a ratio:
targeted APGD is then APGD-DLR, which is the margin (`objectives`).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from meddef_lib.attacks.apgd import apgd_ce, apgd_targeted
from meddef_lib.attacks.calling import Trace, check, mistaken
from meddef_lib.attacks.gradient import pgd
from meddef_lib.attacks.registry import Attack, Cost, Setting
from meddef_lib.attacks.square import square
from meddef_lib.attacks.starts import ids_or_places
from meddef_lib.inference_mode import outside_inference_mode

ATTACK = Attack(
    id="worst_case",
    title="worst case",
    seeded=True,
    sampled=True,
    worst_case=True,
    common=("step_size", "steps"),
    own={
        "restarts": Setting(5, least=1, weaker="starts of PGD {}"),
        "apgd_steps": Setting(100, least=1, weaker="steps of APGD {}"),
        "queries": Setting(5000, least=1, weaker="queries of Square {}"),
    },
    stages={
        "pgd": Cost(steps="steps"),
        "apgd_ce": Cost(steps="apgd_steps", first=1, restarts=""),
        "apgd_targeted": Cost(steps="apgd_steps", first=1, targets=9, restarts=""),
        "square": Cost(steps="queries", logits_only=True, restarts=""),
    },
)


@outside_inference_mode
def worst_case(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    restarts: int = 5,
    apgd_steps: int = 100,
    queries: int = 5000,
    seed: int = 0,
    image_ids: Tensor | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """The first misclassified image that any of the attacks meets, else the last that Square looked at.

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); returns new images. `steps`, of `step_size`, and
    `restarts` are those of PGD, `apgd_steps` those of each run of APGD. An image that is misclassified before
    the attack is returned as it is. `trace.steps_used` counts steps and queries of all attacks, and one for
    each attack that an image outlasts (`Attack.most_steps`). Raises ValueError.
    """
    counts = {"steps": steps, "restarts": restarts, "apgd_steps": apgd_steps, "queries": queries}
    check(images, labels, eps=eps, step_size=step_size, **counts)
    ids = ids_or_places(image_ids, images)
    attacks: tuple[Callable[..., Tensor], ...] = (
        partial(pgd, step_size=step_size, steps=steps, restarts=restarts, early_stop=True),
        partial(apgd_ce, steps=apgd_steps),
        partial(apgd_targeted, steps=apgd_steps),
        partial(square, queries=queries),
    )
    adversarial, steps_used = images.clone(), torch.zeros_like(labels)
    standing = ~mistaken(model, images, labels)
    stuck = standing.clone()
    for attack in attacks:
        places = standing.nonzero()[:, 0]
        if not len(places):
            break
        chosen, of_chosen, found = images[places], labels[places], Trace()
        tried = attack(model, chosen, of_chosen, eps=eps, seed=seed, image_ids=ids[places], trace=found)
        stands = ~mistaken(model, tried, of_chosen)
        assert found.steps_used is not None  # every attack counts its steps where it is given a trace
        adversarial[places], standing[places] = tried, stands
        steps_used[places] += found.steps_used + stands
        if found.zero_gradient is not None:
            stuck[places] &= found.zero_gradient
    if trace is not None:
        trace.steps_used, trace.worst, trace.zero_gradient = steps_used, adversarial, stuck
    return adversarial
