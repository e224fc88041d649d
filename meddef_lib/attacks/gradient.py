"""FGSM, BIM and PGD: steps along the sign of the input's gradient in an L-infinity ball (MedDef, 2.2, 3.8).

    x' = clip(project(x + step_size * sign(gradient of the loss)), 0, 1),   |x' - x0| <= eps for every value

Images (n, c, h, w) are in [0, 1] and so is the budget; the normalisation belongs to the model.

Two definitions of success. The *last iterate* (the default, and what the paper's accuracies imply) attacks
every image for all its steps, also those that the model misclassifies anyway. The *worst case* (`early_stop`)
lets an image go at its first misclassified iterate, the start included, and spends its place in the batch on
the next image.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
from meddef_lib.attacks.objectives import cross_entropy
from meddef_lib.attacks.registry import Attack, Cost, Setting
from meddef_lib.attacks.starts import ids_or_places, uniform_like
from meddef_lib.inference_mode import outside_inference_mode

# (places of images in the call, restart) -> starts, not yet in the box
Start = Callable[[Tensor, int], Tensor]

FGSM = Attack(id="fgsm", title="FGSM")
BIM = Attack(
    id="bim",
    title="BIM",
    common=("step_size", "steps"),
    own={"early_stop": Setting(False, neutral=True)},
    cost=Cost(steps="steps"),
)
PGD = Attack(
    id="pgd",
    title="PGD",
    seeded=True,
    common=("step_size", "steps"),
    own={"restarts": Setting(1, least=1, neutral=True), "early_stop": Setting(False, neutral=True)},
    cost=Cost(steps="steps"),
)


@outside_inference_mode
def fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    trace: Trace | None = None,
) -> Tensor:
    """Fast gradient sign method, one step of size `eps` (Goodfellow et al. 2015).

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); returns new images. Raises ValueError.
    """
    return bim(model, images, labels, eps=eps, step_size=eps, steps=1, trace=trace)


@outside_inference_mode
def bim(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    early_stop: bool = False,
    batch_size: int | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Basic iterative method: PGD from the image itself (Kurakin et al. 2017). Arguments as in `pgd`."""
    return pgd(
        model,
        images,
        labels,
        eps=eps,
        step_size=step_size,
        steps=steps,
        start=images,
        early_stop=early_stop,
        batch_size=batch_size,
        trace=trace,
    )


@outside_inference_mode
def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    seed: int = 0,
    image_ids: Tensor | None = None,
    restarts: int = 1,
    start: Tensor | None = None,
    early_stop: bool = False,
    batch_size: int | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Projected gradient descent from a random start (Madry et al. 2018).

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); returns new images. The start is uniform in the
    ball, drawn for each image from `seed`, its `image_ids` entry and the restart, then clipped; `start`, of
    the images' shape, replaces it.

    Of several `restarts` an image keeps the first whose last iterate is misclassified, else that of the
    highest loss. With `early_stop` it keeps its first misclassified iterate, else the last one of the last
    restart; `batch_size` is then the number of images in a pass, refilled from the rest of `images` (None:
    all of them at once).

    An image that is misclassified before the attack is attacked like any other; with `early_stop` the caller
    counts it as misclassified at step 0 (BIM starts from it and finds it so). Raises ValueError.
    """
    check(
        images,
        labels,
        eps=eps,
        step_size=step_size,
        steps=steps,
        restarts=restarts,
        batch_size=batch_size,
    )
    if start is not None and (restarts > 1 or start.shape != images.shape):
        raise ValueError(
            f"The start is given, {tuple(start.shape)}, with restarts {restarts}; expected one start in the "
            f"images' shape, {tuple(images.shape)}, and no restart."
        )
    ids = ids_or_places(image_ids, images)

    def begin(places: Tensor, restart: int) -> Tensor:
        if start is not None:
            return start[places]
        chosen = images[places]
        return uniform_like(chosen, ids[places], seed=seed, stream=restart).mul_(eps).add_(chosen)

    with input_gradients(model) as input_gradient:
        ascent = _Ascent(model, input_gradient, eps, step_size, steps, restarts)
        if early_stop:
            return ascent.to_the_first_mistake(images, labels, begin, batch_size or len(images), trace)
        return ascent.to_the_end(images, labels, begin, trace)


@dataclass(frozen=True)
class _Ascent:
    """One way of climbing, and the two ways of running it on many images."""

    model: nn.Module
    input_gradient: InputGradient
    eps: float
    step_size: float
    steps: int
    restarts: int

    def to_the_end(self, images: Tensor, labels: Tensor, begin: Start, trace: Trace | None) -> Tensor:
        """All steps for every image."""
        everyone = torch.arange(len(images), device=images.device)
        lower, upper = box(images, self.eps)
        first_mistakes = torch.empty_like(images) if trace is not None else images
        fallen = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        stuck = torch.ones_like(fallen)
        kept, highest = images, images.new_zeros(len(images))
        for restart in range(self.restarts):
            point = torch.clamp(begin(everyone, restart).detach(), lower, upper)
            direction = torch.empty_like(point)
            for step in range(self.steps):
                logits, gradient = self._pass(point, labels)
                if trace is not None:
                    if step == 0:
                        stuck &= is_zero(gradient)
                    new = misclassified(logits, labels) & ~fallen
                    torch.where(wide(new), point, first_mistakes, out=first_mistakes)
                    fallen |= new
                self._step(point, gradient, direction, lower, upper)
            if self.restarts == 1:
                kept = point  # no pass for what nothing is compared with
                break
            with torch.no_grad():
                logits = self.model(point)
            height = cross_entropy(logits, labels).masked_fill_(misclassified(logits, labels), torch.inf)
            better = (height > highest) | (restart == 0)
            kept = torch.where(wide(better), point, kept)
            highest = torch.where(better, height, highest)
        if trace is not None:
            trace.steps_used = labels.new_full(labels.shape, self.steps * self.restarts)
            trace.worst = torch.where(wide(fallen), first_mistakes, kept)
            trace.zero_gradient = stuck
        return kept

    def to_the_first_mistake(
        self, images: Tensor, labels: Tensor, begin: Start, batch_size: int, trace: Trace | None
    ) -> Tensor:
        """Each image until it is misclassified, `batch_size` of them in a pass while there are so many."""
        adversarial = torch.empty_like(images)
        steps_used = torch.zeros_like(labels)
        stuck = torch.ones_like(labels, dtype=torch.bool)
        place = torch.arange(min(batch_size, len(images)), device=images.device)  # which image a lane holds
        upcoming = len(place)
        step, restart = torch.zeros_like(place), torch.zeros_like(place)
        lower, upper = box(images[place], self.eps)
        point = torch.clamp(begin(place, 0), lower, upper)
        direction = torch.empty_like(point)
        while len(place):
            logits, gradient = self._pass(point, labels[place])
            if trace is not None:
                stuck[place] &= (step > 0) | is_zero(gradient)
            wrong = misclassified(logits, labels[place])
            ended = wrong | (step == self.steps)
            adversarial[place[ended]] = point[ended]
            self._step(point, gradient, direction, lower, upper)
            step += 1
            steps_used[place] += ~ended
            again = ended & ~wrong
            # whether its very last iterate is a mistake is for the caller to see: no pass for that
            last = ~ended & (step == self.steps) & (restart == self.restarts - 1)
            adversarial[place[last]] = point[last]
            if not (ended | last).any():
                continue

            step[ended | last] = 0
            for lane in again.nonzero()[:, 0].tolist():
                restart[lane] += 1
                point[lane] = begin(place[lane : lane + 1], int(restart[lane]))[0]
            # the other lanes take the next images, or leave the batch where there is none
            free = (wrong | last).nonzero()[:, 0]
            taken = free[: len(images) - upcoming]
            if len(taken):
                place[taken] = torch.arange(upcoming, upcoming + len(taken), device=place.device)
                upcoming += len(taken)
                restart[taken] = 0
                lower[taken], upper[taken] = box(images[place[taken]], self.eps)
                point[taken] = begin(place[taken], 0)
            torch.clamp(point, lower, upper, out=point)
            if len(taken) < len(free):
                stays = torch.ones_like(wrong)
                stays[free[len(taken) :]] = False
                place, step, restart = place[stays], step[stays], restart[stays]
                point, direction, lower, upper = (t[stays] for t in (point, direction, lower, upper))
        if trace is not None:
            trace.steps_used, trace.worst, trace.zero_gradient = steps_used, adversarial, stuck
        return adversarial

    def _pass(self, point: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits, _, gradient = self.input_gradient(point, lambda logits: cross_entropy(logits, labels))
        return logits, gradient

    def _step(self, point: Tensor, gradient: Tensor, direction: Tensor, lower: Tensor, upper: Tensor) -> None:
        torch.sign(gradient, out=direction)  # the gradient's memory may be the model's
        point.add_(direction, alpha=self.step_size)
        torch.clamp(point, lower, upper, out=point)
