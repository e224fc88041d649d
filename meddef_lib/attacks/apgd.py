"""Auto-PGD: projected gradient ascent that chooses its own step sizes (Croce & Hein 2020, algorithm 1).

Written from the paper, with AutoAttack's settings. Success is worst case by definition: an image leaves at
its first misclassified iterate. What the model misclassifies before the attack is for the caller to count.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from meddef_lib.attacks.calling import (
    InputGradient,
    Trace,
    box,
    check,
    input_gradients,
    is_zero,
    misclassified,
    wide,
)
from meddef_lib.attacks.objectives import cross_entropy, dlr, targeted_dlr
from meddef_lib.attacks.registry import Attack, Cost, Setting
from meddef_lib.attacks.starts import ids_or_places, uniform_like
from meddef_lib.inference_mode import outside_inference_mode

RHO = 0.75  # share of steps that must raise the loss, else the step size is halved
MOMENTUM = 0.75  # weight of the new direction against the last move
MOST_TARGETS = 9  # AutoAttack's number of target classes

Objective = Callable[[Tensor, Tensor], Tensor]  # (logits, places of the images) -> (n,)
Objectives = Callable[[nn.Module, Tensor, Tensor], list[Objective]]  # of model, images, labels

APGD_CE = Attack(
    id="apgd_ce",
    title="APGD-CE",
    seeded=True,
    worst_case=True,
    own={"steps": Setting(100, least=1), "restarts": Setting(1, least=1, neutral=True)},
    cost=Cost(steps="steps", first=1),
)
APGD_DLR = Attack(
    id="apgd_dlr",
    title="APGD-DLR",
    seeded=True,
    worst_case=True,
    own={"steps": Setting(100, least=1), "restarts": Setting(1, least=1, neutral=True)},
    cost=Cost(steps="steps", first=1),
)
APGD_TARGETED = Attack(
    id="apgd_targeted",
    title="APGD-T",
    seeded=True,
    worst_case=True,
    own={"steps": Setting(100, least=1), "restarts": Setting(1, least=1, neutral=True)},
    cost=Cost(steps="steps", first=1, targets=9),
)


def climbing(objectives: Objectives) -> Callable[..., Tensor]:
    """The attack that climbs each of `objectives` from a start of its own, on the images still standing.

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); it returns new images: the first misclassified
    iterate, else the iterate of the highest loss in the last run. `steps` counts those of one run. Raises
    ValueError.
    """

    @outside_inference_mode
    def attack(
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        eps: float,
        steps: int = 100,
        seed: int = 0,
        image_ids: Tensor | None = None,
        restarts: int = 1,
        trace: Trace | None = None,
    ) -> Tensor:
        check(images, labels, eps=eps, steps=steps, restarts=restarts)
        with input_gradients(model) as input_gradient:
            search = _Search(
                input_gradient, images, labels, eps, steps, seed, ids_or_places(image_ids, images)
            )
            every = objectives(model, images, labels)
            for stream in range(restarts * len(every)):
                search.run(every[stream % len(every)], stream=stream)
        if trace is not None:
            trace.steps_used, trace.worst = search.steps_used, search.adversarial
            trace.zero_gradient = search.stuck
        return search.adversarial

    return attack


@climbing
def apgd_ce(model: nn.Module, images: Tensor, labels: Tensor) -> list[Objective]:
    """The cross-entropy."""
    return [lambda logits, places: cross_entropy(logits, labels[places])]


@climbing
def apgd_dlr(model: nn.Module, images: Tensor, labels: Tensor) -> list[Objective]:
    """The difference of logits ratio, which no scaling of the logits changes; the margin of two classes."""
    return [lambda logits, places: dlr(logits, labels[places])]


@climbing
def apgd_targeted(model: nn.Module, images: Tensor, labels: Tensor) -> list[Objective]:
    """The targeted ratio, for the nine classes likeliest at the image, or all others.

    With fewer than four classes it is the difference of the two logits (`objectives.targeted_dlr`).
    """
    with torch.no_grad():
        ranking = model(images).argsort(dim=1, descending=True, stable=True)
    others = ranking[ranking != labels[:, None]].view(len(images), ranking.shape[1] - 1)

    def towards(targets: Tensor) -> Objective:
        return lambda logits, places: targeted_dlr(logits, labels[places], targets[places])

    return [towards(targets) for targets in others[:, :MOST_TARGETS].unbind(dim=1)]


def checkpoints(steps: int) -> list[int]:
    """The steps after which the step size may be halved (Croce & Hein 2020, section 3)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    # rounded first: 0.22 + 0.19 is a little more than 0.41 and must not become step 42 of 100
    found = {ceil(round(share * steps, 6)) for share in shares[1:]}
    return sorted(step for step in found if step < steps)


@dataclass(eq=False)
class _Search:
    """The images of a call, which of them still stand, and one run of APGD after the other on those."""

    input_gradient: InputGradient
    images: Tensor
    labels: Tensor
    eps: float
    steps: int
    seed: int
    ids: Tensor

    def __post_init__(self) -> None:
        self.adversarial = self.images.clone()
        self.steps_used = torch.zeros_like(self.labels)
        self.standing = torch.ones_like(self.labels, dtype=torch.bool)
        self.stuck = self.standing.clone()  # the gradient was 0 at every start

    def run(self, objective: Objective, *, stream: int) -> None:
        places = self.standing.nonzero()[:, 0]
        if not len(places):
            return
        lower, upper = box(self.images[places], self.eps)
        # a random direction whose largest value lies on the ball's surface (AutoAttack's start)
        noise = uniform_like(self.images[places], self.ids[places], seed=self.seed, stream=stream)
        noise /= noise.abs().amax(dim=(1, 2, 3), keepdim=True)
        point = noise.mul_(self.eps).add_(self.images[places]).clamp_(lower, upper)
        logits, loss, gradient = self._pass(point, objective, places)
        self.stuck[places] &= is_zero(gradient)
        step_size = torch.full_like(loss, 2 * self.eps)
        climb = _Climb(places, lower, upper, point, loss, gradient, step_size)
        climb = self._let_go(climb, logits)
        turns, last_turn = checkpoints(self.steps), 0
        for step in range(1, self.steps + 1):
            if not len(climb.places):
                return
            climb.advance(1.0 if step == 1 else MOMENTUM)
            self.steps_used[climb.places] += 1
            logits, loss, gradient = self._pass(climb.point, objective, climb.places)
            climb.arrive(loss, gradient)
            climb = self._let_go(climb, logits)
            if step in turns:
                climb.turn(step - last_turn)
                last_turn = step
        self.adversarial[climb.places] = climb.best

    def _pass(self, point: Tensor, objective: Objective, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.input_gradient(point, lambda logits: objective(logits, places))

    def _let_go(self, climb: "_Climb", logits: Tensor) -> "_Climb":
        """Keep the iterates that are misclassified, and go on with the rest."""
        wrong = misclassified(logits, self.labels[climb.places])
        if not wrong.any():
            return climb
        self.adversarial[climb.places[wrong]] = climb.point[wrong]
        self.standing[climb.places[wrong]] = False
        return climb.only(~wrong)


@dataclass
class _Climb:
    """Where a run stands, one entry an image."""

    places: Tensor  # the images' places in the call
    lower: Tensor
    upper: Tensor
    point: Tensor
    loss: Tensor  # at `point`, as is the gradient
    gradient: Tensor
    step_size: Tensor

    def __post_init__(self) -> None:
        self.previous = self.best = self.point
        self.best_loss, self.best_gradient = self.loss, self.gradient
        self.rises = torch.zeros_like(self.places)  # steps since the last checkpoint that raised the loss
        self.best_loss_then = self.loss  # at the last checkpoint
        self.halved_then = torch.ones_like(self.places, dtype=torch.bool)  # the step size, there

    def only(self, chosen: Tensor) -> "_Climb":
        rest = copy.copy(self)
        vars(rest).update({name: value[chosen] for name, value in vars(self).items()})
        return rest

    def advance(self, momentum: float) -> None:
        """One step (algorithm 1, lines 7 and 8)."""
        ahead = self.point + wide(self.step_size) * self.gradient.sign()
        ahead = ahead.clamp_(self.lower, self.upper)
        moved = self.point + momentum * (ahead - self.point) + (1 - momentum) * (self.point - self.previous)
        self.previous, self.point = self.point, moved.clamp_(self.lower, self.upper)

    def arrive(self, loss: Tensor, gradient: Tensor) -> None:
        """Take in what the model says of the new point (lines 9 to 12)."""
        self.rises += loss > self.loss
        self.loss, self.gradient = loss, gradient
        better = loss > self.best_loss
        self.best = torch.where(wide(better), self.point, self.best)
        self.best_gradient = torch.where(wide(better), gradient, self.best_gradient)
        self.best_loss = torch.where(better, loss, self.best_loss)

    def turn(self, steps: int) -> None:
        """A checkpoint: halve the step and go back to the best point where the search stalled (13 to 17).

        Condition 1: fewer than rho of the `steps` since the last checkpoint raised the loss. Condition 2:
        neither the step size nor the best loss has changed there and since.
        """
        unchanged = ~self.halved_then & (self.best_loss <= self.best_loss_then)
        stalled = (self.rises < RHO * steps) | unchanged
        self.step_size = torch.where(stalled, self.step_size / 2, self.step_size)
        self.point = torch.where(wide(stalled), self.best, self.point)
        self.gradient = torch.where(wide(stalled), self.best_gradient, self.gradient)
        self.loss = torch.where(stalled, self.best_loss, self.loss)
        self.halved_then, self.best_loss_then = stalled, self.best_loss
        self.rises = torch.zeros_like(self.rises)
