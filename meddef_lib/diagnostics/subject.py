"""A model under examination: what attacks make of its images, each made once for all checks.

With what every cell of examinations begins with (`tested`: images, labels and ids).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddef_lib.attacks import ATTACKS
from meddef_lib.attacks.calling import frozen, input_gradients, misclassified
from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.batch import Method
from meddef_lib.models.blocks import pixels
from meddef_lib.params.studies import DiagnosticsParams
from meddef_lib.results import statistics
from meddef_lib.results.statistics import Interval

Loss = Callable[..., Tensor]  # (logits, labels) -> (n,), as in attacks.objectives

# steps of 2.5 eps / steps reach the boundary of the ball and can move along it (Madry et al. 2018)
REACH = 2.5


@dataclass(frozen=True)
class AttackOutcome:
    """What an attack made of n images, judged on the model itself."""

    answers: NDArray[np.int64]  # to the final images
    fooled: NDArray[np.bool_]  # the final image is misclassified
    ever: NDArray[np.bool_]  # so is that, an iterate, or the clean image

    @property
    def accuracy(self) -> float:
        return 1 - float(self.ever.mean())


def tested(space: Workspace, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images float (n, 3, h, w) in [0, 1] and labels int64 (n,) on the device of the cell, ids int64 (n,).

    At most so many, drawn by class from the seed. Settings: split; seed. Input: data.
    """
    settings = space.settings
    data = prepared.load(space.inputs["data"])
    rows = data.subset(settings["split"], limit=most, seed=settings["seed"])
    images = pixels(torch.as_tensor(data.images[rows])).to(space.device)
    labels = torch.as_tensor(data.labels[rows]).to(space.device)
    return images, labels, torch.as_tensor(data.index["image_id"].to_numpy()[rows])


@dataclass(eq=False, kw_only=True)
class Subject:
    """A model with the images (n, c, h, w) in [0, 1] that it is examined on, and their labels int64 (n,)."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    eps: float
    effort: DiagnosticsParams
    ids: Tensor
    seed: int
    batch_size: int
    surrogate: nn.Module | None
    _outcomes: dict[Hashable, AttackOutcome] = field(default_factory=dict)
    _gradients: dict[Loss, Tensor] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.images)

    @property
    def guessing(self) -> float:
        """Accuracy of the best answer that does not look at the image."""
        shares = torch.bincount(self.labels).double() / self.n
        return max(float(shares.max()), 1 / self.clean.shape[1])

    @cached_property
    def clean(self) -> Tensor:
        """The logits of the images as they are."""
        return self.logits(self.images)

    def logits(self, images: Tensor) -> Tensor:
        """(n, classes) of the model in eval mode."""
        with frozen(self.model), torch.no_grad():
            return torch.cat([self.model(part) for part in images.split(self.batch_size)])

    @cached_property
    def drift(self) -> float:
        """How far the logits move for the same images again and each image alone, of the largest logit."""
        again = self.logits(self.images)
        with frozen(self.model), torch.no_grad():
            alone = torch.cat([self.model(image[None]) for image in self.images[: self.batch_size]])
        scale = 1 + self.clean.abs().max()
        apart = [(again - self.clean).abs().max(), (alone - self.clean[: len(alone)]).abs().max()]
        return float(torch.stack(apart).max() / scale)

    @property
    def has_gradient(self) -> bool:
        """Whether autograd can follow the logits back to the image."""
        with frozen(self.model), torch.enable_grad():
            return self.model(self.images[:1].clone().requires_grad_(True)).requires_grad

    def gradient(self, loss: Loss) -> Tensor:
        """Of the loss at each clean image (n, c, h, w)."""
        if loss not in self._gradients:
            found = []
            with input_gradients(self.model) as input_gradient:
                for start in range(0, self.n, self.batch_size):
                    part = slice(start, start + self.batch_size)
                    climbed = partial(loss, labels=self.labels[part])
                    found.append(input_gradient(self.images[part].clone(), climbed)[2])
            self._gradients[loss] = torch.cat(found)
        return self._gradients[loss]

    def pgd(self, eps: float | None = None, steps: int | None = None, **further: Any) -> AttackOutcome:
        """PGD from a random start with a fitting step size; `on` (a network) in the place of the model."""
        budget, count = self.eps if eps is None else eps, steps or self.effort.steps
        size = further.pop("step_size", REACH * budget / count)
        return self.under("pgd", eps=budget, steps=count, step_size=size, **further)

    def under(self, attack: str, *, on: nn.Module | None = None, **settings: Any) -> AttackOutcome:
        """What an attack makes of the images when it looks at the model, or at another network."""
        called = (attack, on, tuple(sorted(settings.items())))
        if called not in self._outcomes:
            self._outcomes[called] = self._attacked(attack, on or self.model, settings)
        return self._outcomes[called]

    def _attacked(self, attack: str, network: nn.Module, settings: dict[str, Any]) -> AttackOutcome:
        method = Method.of_recipe(ATTACKS[attack].called_with(settings), seed=self.seed)
        found = method.perturb_in_parts(
            lambda part: network, self.images, self.labels, self.ids, self.batch_size
        )
        logits = self.logits(found.adversarial)
        same = torch.equal(found.worst, found.adversarial)
        worst = logits if same else self.logits(found.worst)
        fooled, at_worst, clean = (
            misclassified(each, self.labels).cpu().numpy() for each in (logits, worst, self.clean)
        )
        return AttackOutcome(logits.argmax(dim=1).cpu().numpy(), fooled, fooled | at_worst | clean)


def share(hits: NDArray[np.bool_]) -> tuple[float, Interval]:
    """The share of True in (n,), n >= 1, and Wilson's interval."""
    interval = statistics.wilson(int(hits.sum()), len(hits))
    assert interval is not None  # there are images
    return float(hits.mean()), interval


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
