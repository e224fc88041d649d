"""What a network in training is worth on validation images, of which 70 % are attacked (MedDef, 3.2.1).

The attack and its budget stay the same in all epochs, and so do its random starts and the images it is
given: between two epochs only the weights differ, and an epoch cannot win because the schedule's budget was
still small.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from meddef_lib.params import TrainingMode, TrainingParams
from meddef_lib.training.batches import ImageSet, Positions, as_images, as_input, batch_count, stream
from meddef_lib.training.crafting import ascend, summed_cross_entropy, uniform_start
from meddef_lib.training.distributed import Group
from meddef_lib.training.learner import Learner


@dataclass(frozen=True)
class Exposure:
    """Which validation images (positions) are attacked and which are spared, and the attack."""

    attacked: Positions
    spared: Positions
    eps: float
    step_size: float
    steps: int
    seed: int


@dataclass(frozen=True)
class Measured:
    """One epoch on the validation images; accuracies in [0, 1], balanced ones are the mean over classes.

    `loss` and `exposed_balanced_accuracy` are of the images as exposed: attacked ones attacked, spared ones
    clean.
    """

    loss: float
    clean_accuracy: float
    clean_balanced_accuracy: float
    adversarial_accuracy: float | None
    exposed_balanced_accuracy: float

    @property
    def criterion(self) -> float:
        """What epochs are compared by: the mean of the balanced accuracies on clean and on exposed images.

        Exposed images alone would keep a network that always gives one answer: no attack changes that, and
        its balanced accuracy of 1 / classes is more than that of a good network whose attacked images all
        fall. In the mode `clean` both are the same.
        """
        return (self.clean_balanced_accuracy + self.exposed_balanced_accuracy) / 2


def exposure(images: int, mode: TrainingMode, params: TrainingParams, *, seed: int) -> Exposure:
    """Draw the images that are attacked: `validation_attacked_share` of them, none in the mode `clean`.

    The budget is the one that the mode ends with, the step 2.5 eps / steps.
    """
    share = 0.0 if mode == "clean" else params.validation_attacked_share
    order = np.random.default_rng(seed).permutation(images)
    attacked, spared = (np.sort(part) for part in np.split(order, [round(share * images)]))
    if not share:
        return Exposure(attacked, spared, eps=0.0, step_size=0.0, steps=0, seed=seed)
    eps = params.schedule.stabilization_eps if mode == "paper" else params.reference_eps
    steps = params.validation_steps
    return Exposure(attacked, spared, eps, 2.5 * eps / steps, steps, seed)


def measure(
    learner: Learner,
    images: ImageSet,
    exposed: Exposure,
    *,
    num_classes: int,
    batch_size: int,
    pinned: bool = True,
    group: Group,
) -> Measured:
    """Evaluate the network in eval mode; with several processes each takes every n-th batch."""
    device = learner.device
    generator = torch.Generator(device=device)
    # confusions (true, predicted) of: attacked images clean, the same attacked, spared images
    confusion = torch.zeros(3, num_classes, num_classes, dtype=torch.int64, device=device)
    loss = torch.zeros((), device=device)
    how: dict[str, Any] = {name: getattr(exposed, name) for name in ("eps", "step_size", "steps")}
    with learner.attackable() as logits_of:
        for kind, positions in ((0, exposed.attacked), (2, exposed.spared)):
            parts = np.array_split(positions, max(1, batch_count(len(positions), batch_size)))
            mine = [(index, part) for index, part in enumerate(parts) if len(part)][group.rank :: group.size]
            loaded = stream(images, [part for _, part in mine], device, pinned=pinned)
            for (index, _), (grey, labels) in zip(mine, loaded, strict=True):
                batch = as_input(as_images(grey), learner.memory_format)
                with torch.no_grad():
                    logits = logits_of(batch)
                _count(confusion[kind], logits, labels)
                if kind == 0:
                    generator.manual_seed(exposed.seed + index)
                    start = uniform_start(batch, exposed.eps, generator=generator)
                    attacked = ascend(logits_of, batch, start, summed_cross_entropy(labels), **how)
                    with torch.no_grad():
                        logits = logits_of(attacked)
                    _count(confusion[1], logits, labels)
                loss += functional.cross_entropy(logits, labels, reduction="sum")
    group.sum_(confusion)
    group.sum_(loss)
    of_attacked, under_attack, spared = confusion.cpu().double()  # in this order: MPS has no float64
    clean, mixed = of_attacked + spared, under_attack + spared
    return Measured(
        loss=loss.item() / len(images),
        clean_accuracy=_accuracy(clean),
        clean_balanced_accuracy=_balanced_accuracy(clean),
        adversarial_accuracy=_accuracy(under_attack) if len(exposed.attacked) else None,
        exposed_balanced_accuracy=_balanced_accuracy(mixed),
    )


def _count(confusion: Tensor, logits: Tensor, labels: Tensor) -> None:
    classes = len(confusion)
    flat = torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes**2)
    confusion += flat.view(classes, classes)


def _accuracy(confusion: Tensor) -> float:
    return (confusion.trace() / confusion.sum()).item()


def _balanced_accuracy(confusion: Tensor) -> float:
    """Mean recall over the classes that have images."""
    images = confusion.sum(dim=1)
    there = images > 0
    return (confusion.diagonal()[there] / images[there]).mean().item()
