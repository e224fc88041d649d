"""What one part of a batch is trained on, in each mode: the paper's mixture, the reference ways."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from meddef_lib.params import TrainingMode, TrainingParams
from meddef_lib.training.crafting import ascend, summed_cross_entropy, uniform_start
from meddef_lib.training.learner import Learner
from meddef_lib.training.schedule import Phase

TRADES_START = 1e-3  # standard deviation of the noise that TRADES starts from (Zhang et al., 2019)
Predictions = tuple[Tensor, Tensor]  # logits (n, classes), labels (n,)

CLEAN_EVERY = 8  # batches; modes that train on attacked images alone look at clean ones this often


@dataclass(frozen=True)
class Step:
    """What every part of one batch, the number `batch` of its epoch, is trained with."""

    mode: TrainingMode
    phase: Phase
    params: TrainingParams
    batch: int
    generator: torch.Generator


PartLoss = Callable[[Learner, Tensor, Tensor, Step], tuple[Tensor, Tensor]]


def part_loss(learner: Learner, images: Tensor, labels: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """The loss to differentiate (mean over the images) and its `tally`, for one part of a batch.

    Shapes: images (n, c, h, w) in [0, 1]; labels (n,). Clean and attacked images go through the network
    together, so that batch normalisation sees the mixture.
    """
    mode, params = step.mode, step.params
    if mode == "clean" or (mode == "paper" and params.attacked_share == 0):
        logits = learner.train_logits(images)
        return functional.cross_entropy(logits, labels), tally((logits, labels), None)
    if mode == "paper":
        return _paper(learner, images, labels, step)
    if mode == "trades":
        return _trades(learner, images, labels, step)
    seen = None
    if step.batch % CLEAN_EVERY == 0:
        with torch.no_grad(), learner.attackable() as logits_of:
            seen = (logits_of(images), labels)
    steps = 1 if mode == "fast" else params.reference_steps
    attacked = craft(learner, images, labels, "pgd", steps, step)
    logits = learner.train_logits(attacked)
    return functional.cross_entropy(logits, labels), tally(seen, (logits, labels))


def craft(learner: Learner, images: Tensor, labels: Tensor, method: str, steps: int, step: Step) -> Tensor:
    """Attacked images: "pgd" from a random start, "bim" from the image, "fgsm" by steps of eps."""
    phase = step.phase
    size = phase.eps if method == "fgsm" else phase.step_size
    start = uniform_start(images, phase.eps, generator=step.generator) if method == "pgd" else images
    objective = summed_cross_entropy(labels)
    with learner.attackable(step.params.crafted_in) as logits_of:
        return ascend(logits_of, images, start, objective, eps=phase.eps, step_size=size, steps=steps)


def _paper(learner: Learner, images: Tensor, labels: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """Clean and adversarial loss by weight (MedDef, 3.2.2 and 3.8).

    The order of an epoch is random, so the first images of a part are a random `attacked_share` of it. The
    methods take turns by batch.
    """
    params = step.params
    count = max(1, round(params.attacked_share * len(images)))
    method = params.attack_methods[step.batch % len(params.attack_methods)]
    steps = 1 if method == "fgsm" else params.pgd_steps
    attacked = craft(learner, images[:count], labels[:count], method, steps, step)
    first_clean = 0 if params.attacked_images == "join" else count
    clean_labels, attacked_labels = labels[first_clean:], labels[:count]
    logits = learner.train_logits(torch.cat([images[first_clean:], attacked]))
    clean_logits, attacked_logits = logits.split([len(clean_labels), count])
    adversarial = functional.cross_entropy(attacked_logits, attacked_labels)
    if not len(clean_labels):  # every image was replaced
        return adversarial, tally(None, (attacked_logits, attacked_labels))
    clean = functional.cross_entropy(clean_logits, clean_labels)
    weight = step.phase.adversarial_weight
    loss = (clean if params.loss == "add" else (1 - weight) * clean) + weight * adversarial
    return loss, tally((clean_logits, clean_labels), (attacked_logits, attacked_labels))


def _trades(learner: Learner, images: Tensor, labels: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """Cross-entropy on clean images plus beta times the divergence of attacked from clean predictions.

    TRADES (Zhang et al., 2019): the attack climbs that divergence, from a small Gaussian step off the image.
    """
    phase, params = step.phase, step.params
    noise = torch.empty_like(images).normal_(0, TRADES_START, generator=step.generator)
    with learner.attackable(params.crafted_in) as logits_of:
        with torch.no_grad():
            target = functional.log_softmax(logits_of(images), dim=1)
        attacked = ascend(
            logits_of,
            images,
            noise.add_(images),
            _divergence_from(target, "sum"),
            eps=phase.eps,
            step_size=phase.step_size,
            steps=params.reference_steps,
        )
    clean_logits, attacked_logits = learner.train_logits(torch.cat([images, attacked])).chunk(2)
    natural = functional.cross_entropy(clean_logits, labels)
    robust = _divergence_from(functional.log_softmax(clean_logits, dim=1), "batchmean")(attacked_logits)
    return natural + params.trades_beta * robust, tally((clean_logits, labels), (attacked_logits, labels))


def _divergence_from(target: Tensor, reduction: str) -> Callable[[Tensor], Tensor]:
    """KL(target || prediction) as a function of the prediction's logits; `target` holds log-probabilities."""

    def divergence(logits: Tensor) -> Tensor:
        prediction = functional.log_softmax(logits, dim=1)
        return functional.kl_div(prediction, target, reduction=reduction, log_target=True)

    return divergence


def tally(clean: Predictions | None, attacked: Predictions | None) -> Tensor:
    """Sums over images, on the device: rows clean, attacked; columns loss, correct, images. Shape (2, 3).

    None leaves a row at zero.
    """
    sums = [None if seen is None else _sums(*seen) for seen in (clean, attacked)]
    zeros = next(torch.zeros_like(row) for row in sums if row is not None)
    return torch.stack([zeros if row is None else row for row in sums])


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    logits = logits.detach()
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    correct = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss, correct.to(loss), torch.full_like(loss, len(labels))])
