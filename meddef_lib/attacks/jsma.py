"""JSMA: few values of an image, changed a lot (Papernot et al. 2016, algorithms 2 and 3).

Towards a target class t, on logits F: with a = dF_t/dx and b = sum over j != t of dF_j/dx, raise by theta the
two features that maximise -(a_p + a_q)(b_p + b_q) under a_p + a_q > 0 and b_p + b_q < 0 (`best_pair`).
Repeat until t is predicted, no such pair is left, or the next pair would exceed the budget. A feature is one
value of one channel.

- The budget counts distinct changed features, at most gamma * c * h * w; a changed one may change again.
- A feature that has reached 1 leaves the search.

The pair is exact at any image size. Two named approximations make the attack cheaper and weaker:
`pairs_per_step` > 1 changes that many disjoint pairs for one gradient, and `max_steps` ends an image early,
which `Trace.truncated` then says.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace, check, frozen, is_zero, require_graph
from meddef_lib.attacks.pairs import best_pair, best_pairs, require_finite
from meddef_lib.attacks.registry import Attack, Cost, Setting
from meddef_lib.inference_mode import outside_inference_mode

__all__ = ["best_pair", "jsma"]

Target = Literal["runner_up", "every"]

ATTACK = Attack(
    id="jsma",
    title="JSMA",
    has_eps=False,
    own={  # theta and gamma as in MedDef, 3.8; the last two are the named approximations
        "theta": Setting(0.1, above=0, most=1),
        "gamma": Setting(0.14, above=0, most=1),
        "target": Setting("runner_up", one_of=("runner_up", "every")),
        "max_steps": Setting(None, least=1, neutral=True, weaker="at most {} steps"),
        "pairs_per_step": Setting(1, least=1, neutral=True, weaker="{} pairs a step"),
    },
    sampled=True,
    stops_at_success=True,
    cost=Cost(a_step=2, steps="max_steps", budget="gamma", targets="target"),
)


@outside_inference_mode
def jsma(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    theta: float = 0.1,
    gamma: float = 0.14,
    target: Target = "runner_up",
    max_steps: int | None = None,
    pairs_per_step: int = 1,
    batch_size: int | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Attack each image, `batch_size` attempts in a pass (None: as many as images), refilled as they end.

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); the model returns logits (n, classes >= 2);
    returns new images. theta and gamma are by default as in MedDef, 3.8.

    target "runner_up": the class other than the label whose logit is largest on the clean image; an image
    that is misclassified already stays as it is. "every": each class but the label in turn, from the clean
    image. Of these attempts the one is kept that reached its target with the fewest changed features; without
    one, the first that is misclassified otherwise; else the one towards the runner-up. So an image counts as
    fallen if any target flips it.

    In the trace, steps are gradients, over all targets of an image. Raises ValueError for arguments outside
    their range and for gradients that are not finite.
    """
    check(images, labels, max_steps=max_steps, pairs_per_step=pairs_per_step, batch_size=batch_size)
    if not 0 < theta <= 1:
        raise ValueError(f"theta is {theta}; expected a change of a pixel in [0, 1]: 0 < theta <= 1.")
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma is {gamma}; expected a share of the features, 0 <= gamma <= 1.")
    if target not in get_args(Target):
        raise ValueError(f"target is {target!r}; expected one of {', '.join(get_args(Target))}.")
    least = torch.finfo(images.dtype).eps
    if theta < least:
        raise ValueError(f"theta is {theta}; a pixel of type {images.dtype} moves by {least:g} at least.")
    settings = _Settings(theta, math.floor(gamma * images[:1].numel()), max_steps, pairs_per_step)
    with frozen(model):
        targets = _targets(model, images, labels, batch_size or max(len(images), 1))
        if target == "runner_up":
            targets = targets[:, :1]
        attempts = [
            _Attempt(image, rank, goal)
            for image, goals in enumerate(targets.tolist())
            for rank, goal in enumerate(goals)
        ]
        _complete(attempts, model, images, settings, batch_size or len(images))
    return _kept(images, labels, attempts, trace)


@dataclass(frozen=True)
class _Settings:
    theta: float
    budget: int  # features
    max_steps: int | None
    pairs_per_step: int


@dataclass
class _Attempt:
    """One image on its way to one target; the last three fields are known once it has ended.

    `stuck`: at the image itself, both gradients were 0.
    """

    image: int
    rank: int  # of the target among the image's targets, the runner-up first
    target: int
    steps: int = 0
    touched: set[int] = field(default_factory=set)
    stuck: bool = False
    adversarial: Tensor = field(default_factory=lambda: torch.empty(0))
    predicted: int = -1
    truncated: bool = False


def _targets(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """int64 (n, classes - 1): every class but the label, by its logit on the clean image, largest first."""
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(batch_size)])
    classes = logits.shape[-1]
    if classes < 2:
        raise ValueError("JSMA needs a target beside the label; the model returns a single logit.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"Labels reach from {labels.min().item()} to {labels.max().item()}; the model has {classes} "
            "classes."
        )
    return logits.scatter(1, labels[:, None], -math.inf).argsort(dim=1, descending=True, stable=True)[:, :-1]


def _complete(
    attempts: list[_Attempt], model: nn.Module, images: Tensor, settings: _Settings, batch_size: int
) -> None:
    """Run each attempt to its end; one that ends makes room in the batch for the next."""
    waiting = deque(attempts)
    lanes: list[_Attempt] = []
    point = images[:0]
    while lanes or waiting:
        new = [waiting.popleft() for _ in range(min(batch_size - len(lanes), len(waiting)))]
        if new:
            fresh = images[[attempt.image for attempt in new]]
            point = torch.cat([point, fresh]) if lanes else fresh  # an empty part would lose channels_last
            lanes += new
        predicted, moved = _step(lanes, point, model, settings)
        if all(moved):
            continue
        for lane, attempt in enumerate(lanes):
            if not moved[lane]:
                attempt.adversarial, attempt.predicted = point[lane].clone(), predicted[lane]
                attempt.truncated = attempt.steps == settings.max_steps and predicted[lane] != attempt.target
        lanes = [attempt for attempt, on in zip(lanes, moved, strict=True) if on]
        point = point[torch.tensor(moved, device=point.device)]


def _step(
    lanes: list[_Attempt], point: Tensor, model: nn.Module, settings: _Settings
) -> tuple[list[int], list[bool]]:
    """Change `point` (lanes, c, h, w) in place by a step: what it was predicted as, and which lanes changed.

    A lane does not change at its target, after its last step, without a pair, or at the end of its budget.
    """
    point.requires_grad_(True)
    logits = model(point)
    require_graph(logits)
    predicted = logits.argmax(dim=1).tolist()
    moving = [
        predicted[lane] != attempt.target and attempt.steps != settings.max_steps
        for lane, attempt in enumerate(lanes)
    ]
    if any(moving):
        targets = torch.tensor([[attempt.target] for attempt in lanes], device=point.device)
        towards = logits.gather(1, targets).sum()
        (a,) = torch.autograd.grad(towards, point, retain_graph=True)
        (b,) = torch.autograd.grad(logits.sum() - towards, point)
    point.requires_grad_(False)
    if not any(moving):
        return predicted, moving

    require_finite(a, b)
    if new := [lane for lane, attempt in enumerate(lanes) if moving[lane] and not attempt.steps]:
        for place, zero in zip(new, (is_zero(a[new]) & is_zero(b[new])).tolist(), strict=True):
            lanes[place].stuck |= zero
    excluded = point >= 1
    excluded |= ~torch.tensor(moving, device=point.device)[:, None, None, None]
    found = best_pairs(a.flatten(1), b.flatten(1), excluded.flatten(1), settings.pairs_per_step)
    moves = [_spend(attempt, pairs, settings.budget) for attempt, pairs in zip(lanes, found, strict=True)]

    lane = torch.tensor([lane for lane, features in enumerate(moves) for _ in features], dtype=torch.int64)
    feature = torch.tensor([feature for features in moves for feature in features], dtype=torch.int64)
    channel, row, column = torch.unravel_index(feature, point.shape[1:])
    point[lane, channel, row, column] = (point[lane, channel, row, column] + settings.theta).clamp_(0, 1)
    return predicted, [bool(features) for features in moves]


def _spend(attempt: _Attempt, pairs: list[tuple[int, int]], budget: int) -> list[int]:
    """The features of the pairs before the first that exceeds the budget; the attempt takes note of them."""
    features: list[int] = []
    for pair in pairs:
        if len(attempt.touched) + len(set(pair) - attempt.touched) > budget:
            break
        attempt.touched.update(pair)
        features += pair
    attempt.steps += bool(features)
    return features


def _kept(images: Tensor, labels: Tensor, attempts: list[_Attempt], trace: Trace | None) -> Tensor:
    """Of each image's attempts the best one; the trace is told what all of them together say."""
    by_image: list[list[_Attempt]] = [[] for _ in images]
    for attempt in attempts:
        by_image[attempt.image].append(attempt)
    truth = labels.tolist()

    def order(attempt: _Attempt) -> tuple[int, int, int]:
        if attempt.predicted == attempt.target:
            return 0, len(attempt.touched), attempt.rank
        return (1 if attempt.predicted != truth[attempt.image] else 2), 0, attempt.rank

    adversarial, reached = torch.empty_like(images), []
    for image, several in enumerate(by_image):
        best = min(several, key=order)
        adversarial[image] = best.adversarial
        reached.append(best.predicted == best.target)
    if trace is not None:
        truncated = [any(attempt.truncated for attempt in several) for several in by_image]
        stuck = [all(attempt.stuck for attempt in several) for several in by_image]
        trace.steps_used = labels.new_tensor([sum(one.steps for one in several) for several in by_image])
        trace.truncated = labels.new_tensor(truncated, dtype=torch.bool)
        trace.truncated &= ~labels.new_tensor(reached, dtype=torch.bool)
        trace.zero_gradient = labels.new_tensor(stuck, dtype=torch.bool)
        trace.worst = adversarial
    return adversarial
