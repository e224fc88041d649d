"""An attack with its settings, as records know it, and what it makes of images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace
from meddef_lib.declared import load


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
