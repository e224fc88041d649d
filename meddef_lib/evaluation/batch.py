"""An attack with its settings, what it makes of images, and the rows of one batch under it.

Predictions and norms are always those of the original network in float32, whatever copy of it the attack ran
on: what a bfloat16 attack claims has been checked again by the time it stands in a row.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace
from meddef_lib.declared import load
from meddef_lib.evaluation.attacked import Attacked

ROUNDING = 1e-6  # of x + eps in float32: what a change may exceed its budget by
COLUMNS = (
    "image_id",
    "label",
    "clean_pred",
    "adv_pred",
    "worst_pred",
    "clean_confidence",
    "adv_confidence",
    "linf",
    "l2",
    "l0",
    "steps_used",
    "truncated",
    "zero_gradient",
    "clean_scores",
    "adv_scores",
    "seconds",
    "attack",
    "eps",
    "early_stop",
)


class AttackError(RuntimeError):
    """An attack that returned something other than images within its budget."""


@dataclass
class Perturbed:
    """What became of n images."""

    adversarial: Tensor  # (n, 3, h, w)
    worst: Tensor  # (n, 3, h, w), the first misclassified iterate, else the last
    steps_used: Tensor  # int64 (n,)
    truncated: Tensor  # bool (n,)
    zero_gradient: Tensor  # bool (n,), the attack could not take a first step

    @classmethod
    def untouched(cls, images: Tensor) -> "Perturbed":
        """The images themselves, before any attack."""
        nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return cls(images, images, nothing, nothing.bool(), nothing.bool())

    def put(self, places: Tensor, part: "Perturbed") -> None:
        """Take over what became of the images at `places` (bool)."""
        for field in fields(self):
            whole = getattr(self, field.name).clone()
            whole[places] = getattr(part, field.name)
            setattr(self, field.name, whole)


@dataclass(frozen=True)
class Method:
    """One attack with its settings and its seed; what is special about it is said in `attacks.registry`."""

    id: str
    function: Callable[..., Tensor]
    settings: Mapping[str, Any]
    seed: int
    seeded: bool
    worst_case: bool
    stops_at_success: bool

    @classmethod
    def of_recipe(
        cls, attack: Mapping[str, Any], eps: float | None = None, *, seed: int, scale: float = 1.0
    ) -> "Method":
        """The attack of a recipe (`Attack.recipe`), imported, at the budget `eps`; None: it has none.

        Budget and step size are taken `scale` times.
        """
        settings = dict(attack["settings"])
        if "step_size" in settings:
            settings["step_size"] = scale * settings["step_size"]
        if eps is not None:
            settings["eps"] = scale * eps
        told = {name: attack[name] for name in ("id", "seeded", "worst_case", "stops_at_success")}
        return cls(function=load(attack["root"]), settings=settings, seed=seed, **told)

    @property
    def eps(self) -> float:
        """The budget; NaN where the attack has none."""
        return float(self.settings.get("eps", float("nan")))

    def perturb(
        self, model: nn.Module, images: Tensor, labels: Tensor, ids: Tensor, batch_size: int
    ) -> Perturbed:
        """Attack images (n, 3, h, w); labels and ids (n,)."""
        given = dict(self.settings)
        if self.seeded:
            given |= {"seed": self.seed, "image_ids": ids}
        if given.get("early_stop"):
            given["batch_size"] = batch_size
        trace = Trace()
        found = Perturbed.untouched(images)
        found.adversarial = self.function(model, images.detach(), labels, **given, trace=trace)
        found.worst = found.adversarial if trace.worst is None else trace.worst
        for name in ("steps_used", "truncated", "zero_gradient"):
            if (told := getattr(trace, name)) is not None:
                setattr(found, name, told)
        return found

    def perturb_in_parts(
        self,
        network: Callable[[Tensor], nn.Module],
        images: Tensor,
        labels: Tensor,
        ids: Tensor,
        batch_size: int,
    ) -> Perturbed:
        """`perturb`, so many images at a time, each part on the network that is given for it."""
        parts = zip(images.split(batch_size), labels.split(batch_size), ids.split(batch_size), strict=True)
        found = [self.perturb(network(part[0]), *part, batch_size) for part in parts]
        names = [field.name for field in fields(Perturbed)]
        return Perturbed(*(torch.cat([getattr(one, name) for one in found]) for name in names))


def attack_batch(
    network: Attacked,
    start: int,
    images: Tensor,
    labels: NDArray[np.int64],
    image_ids: NDArray[np.int64],
    method: Method,
) -> pd.DataFrame:
    """The rows (`COLUMNS`) of images (n, 3, h, w) that begin at image `start` of a call.

    Raises ValueError for labels that the network does not have, and AttackError.
    """
    started = time.perf_counter()
    targets, ids = (torch.from_numpy(values).to(images.device) for values in (labels, image_ids))
    clean = network.clean_scores(start, images)
    if not 0 <= labels.min() <= labels.max() < clean.shape[1]:
        raise ValueError(
            f"Labels reach from {labels.min()} to {labels.max()}; the network has the classes 0 to "
            f"{clean.shape[1] - 1}."
        )
    clean_pred = clean.argmax(dim=1)
    found = Perturbed.untouched(images)
    fast = network.fast(images)
    # in the worst case an image that is misclassified already has fallen, at step 0
    todo = clean_pred == targets if method.worst_case else torch.ones_like(targets, dtype=torch.bool)
    after = clean.clone()

    def go(model: nn.Module, places: Tensor) -> None:
        if places.any():
            chosen = images[places], targets[places], ids[places]
            part = method.perturb(model, *chosen, network.computing.batch_size)
            found.put(places, part)
            after[places] = network.scores(part.adversarial)

    go(fast, todo)
    if method.worst_case or method.stops_at_success:
        # a mistake that only the fast copy makes is none, but has ended the attack: again, on the original
        places = (todo & (after.argmax(dim=1) == targets)).nonzero()[:, 0]
        if len(places):
            claimed = network.scores(found.adversarial[places], fast).argmax(dim=1) != targets[places]
            go(network.model, torch.zeros_like(todo).index_fill_(0, places[claimed], True))
    _verify(images, found.adversarial, after, image_ids, method)
    adv_pred = after.argmax(dim=1)
    worst_pred = torch.where(clean_pred == targets, adv_pred, clean_pred)
    # an earlier iterate matters only where neither the image nor the last iterate is a mistake already; one
    # that only the fast copy took for a mistake is none, and the network is looked at itself
    moved_on = (found.worst != found.adversarial).flatten(1).any(dim=1)
    open_ = ((worst_pred == targets) & moved_on).nonzero()[:, 0]
    if len(open_):
        worst_pred[open_] = network.scores(found.worst[open_]).argmax(dim=1)
        copy_alone = open_[worst_pred[open_] == targets[open_]]  # the network may be wrong at a later iterate
        if len(copy_alone):
            chosen = images[copy_alone], targets[copy_alone], ids[copy_alone]
            again = method.perturb(network.model, *chosen, network.computing.batch_size)
            worst_pred[copy_alone] = network.scores(again.worst).argmax(dim=1)
    change = (found.adversarial - images).flatten(1)
    columns = {
        "label": targets,
        "clean_pred": clean_pred,
        "adv_pred": adv_pred,
        "worst_pred": worst_pred,
        "clean_confidence": clean.amax(dim=1),
        "adv_confidence": after.amax(dim=1),
        "linf": change.abs().amax(dim=1),
        "l2": change.norm(dim=1),
        "l0": (change != 0).sum(dim=1),
        "steps_used": found.steps_used,
        "truncated": found.truncated,
        "zero_gradient": found.zero_gradient,
    }
    columns_on_cpu = {name: value.cpu().numpy() for name, value in columns.items()}
    frame = pd.DataFrame({"image_id": image_ids, **columns_on_cpu})
    frame["clean_scores"], frame["adv_scores"] = clean.tolist(), after.tolist()
    frame["seconds"] = (time.perf_counter() - started) / len(frame)
    frame["attack"], frame["eps"], frame["early_stop"] = method.id, method.eps, method.worst_case
    return frame


def _verify(
    images: Tensor, adversarial: Tensor, after: Tensor, image_ids: NDArray[np.int64], method: Method
) -> None:
    """Raise AttackError for adversarial images that are none: a failed attack is no robust model."""
    change = (adversarial - images).flatten(1).abs().amax(dim=1)
    low, high = adversarial.flatten(1).aminmax(dim=1)
    budget = 1.0 if isnan(method.eps) else method.eps
    # written so that NaN fails as well
    sound = (change <= budget + ROUNDING) & (low >= 0) & (high <= 1) & after.isfinite().all(dim=1)
    if not sound.all():
        place = int((~sound).nonzero()[0, 0])
        raise AttackError(
            f"The attack {method.id} failed on image {image_ids[place]}: its largest change is "
            f"{change[place].item():g} (allowed {budget:g}), its pixels reach from {low[place].item():g} to "
            f"{high[place].item():g}, and the network's scores are {after[place].tolist()}. Look at the "
            "network's logits and gradients on this image."
        )
