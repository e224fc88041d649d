"""The attacks by id, as their modules declare them. Nothing here imports torch until an attack is called.

A new attack is one file in this folder and the profile that names it: a function
`name(model, images, labels, *, eps, ..., trace=None)` and `ATTACK = Attack(id="name", ...)`. What the
function knows of each image beside its result it writes into the trace (`calling.Trace`);
`@outside_inference_mode` above it lets it be called anywhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from meddef_lib.declared import declarations, load
from meddef_lib.params.profile import AttackParams
from meddef_lib.params.types import (
    Count,
    EachOnce,
    Epsilon,
    Flag,
    Neutral,
    Number,
    Params,
    PruningRate,
    Whole,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Setting:
    """A setting of one attack: its default and what it may be (`least` and `most` included, `above` not).

    It is whole where its default is, or without a default its bound. `neutral`: its default is what the
    function does without it, so that a recipe leaves it out. `weaker`: how to say that another value
    approximates the attack, with {} for it.
    """

    default: Any
    least: float | None = None
    above: float | None = None
    most: float | None = None
    one_of: tuple[str, ...] = ()
    neutral: bool = False
    weaker: str = ""

    @property
    def type(self) -> Any:
        kind: Any
        like = self.least if self.default is None else self.default
        if self.one_of:
            kind = Literal[self.one_of]
        elif isinstance(like, bool):
            kind = Flag
        else:
            number = Whole if isinstance(like, int) else Number
            kind = Annotated[number, Field(ge=self.least, gt=self.above, le=self.most)]
        kind = kind | None if self.default is None else kind
        return Annotated[kind, Neutral(self.default)] if self.neutral else kind


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Input gradients that an image takes at most: those of a step, for every step, restart and target class.

    - a_step: so many for a step; a third where it is `logits_only`, a pass without a gradient.
    - steps: the setting that says how many steps; without it, one. first: steps before these.
    - budget: the setting with the share of the pixel values that may change, two of them a pair; then there
      are no more steps than pairs, at the setting `pairs_per_step`.
    - targets: to how many other classes it turns one after the other, at most; or the setting whose value
      "every" says that to all.
    - restarts: the setting that says how often it takes it all, where it is among the settings.
    """

    a_step: int = 1
    logits_only: bool = False
    steps: str = ""
    first: int = 0
    budget: str = ""
    targets: int | str = 1
    restarts: str = "restarts"

    def gradients(self, settings: Mapping[str, Any], image_size: int, num_classes: int) -> float:
        """What an image costs with these settings of the attack, all of them; image_size in pixels."""
        steps = settings[self.steps] if self.steps else 1
        if self.budget:
            pairs = settings[self.budget] * 3 * image_size**2 / 2
            steps = min(steps or math.inf, pairs / settings["pairs_per_step"])
        runs = self.runs(settings, num_classes)
        return self.a_step * runs * (self.first + steps) / (3 if self.logits_only else 1)

    def runs(self, settings: Mapping[str, Any], num_classes: int) -> int:
        """How often it takes its steps: for every restart and every class that it turns to."""
        targets = self.targets
        if isinstance(targets, str):
            targets = num_classes if settings[targets] == "every" else 1
        return settings.get(self.restarts, 1) * min(targets, num_classes - 1)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack: called as `attack(model, images, labels, **settings)` it returns adversarial images.

    - has_eps: takes a budget `eps`; `attacks.<id>` may have budgets of its own in the place of those of all
      attacks. seeded: takes `seed` and `image_ids`.
    - common: which of the settings in `AttackParams` it takes. own: settings of its own (`attacks.<id>`).
    - sampled: `attacks.<id>` may also limit its `images` and the pruning `rates` at which it runs.
    - worst_case: returns the first misclassified image that it meets; one that has a setting `early_stop`
      does so where that is on.
    - stops_at_success: goes no further once the network takes the image for another class, so that what a
      copy of the network took for success is to be checked on the original.
    - cost: what an image takes.
    - stages: of an attack that is several, one after the other on the images that still stand: what each
      takes, by its id. Its `steps_used` counts the steps of all, and one for each that an image outlasts.
    - module: where it stands, filled in by the registry.
    """

    id: str
    title: str
    has_eps: bool = True
    seeded: bool = False
    common: tuple[str, ...] = ()
    own: Mapping[str, Setting] = field(default_factory=dict)
    sampled: bool = False
    worst_case: bool = False
    stops_at_success: bool = False
    cost: Cost = Cost()
    stages: Mapping[str, Cost] = field(default_factory=dict)
    module: str = ""

    @property
    def root(self) -> str:
        """The function, called like the id, as "package.module:name"."""
        return f"{self.module}:{self.id}"

    def __call__(self, model: "nn.Module", images: "Tensor", labels: "Tensor", **settings: Any) -> "Tensor":
        return load(self.root)(model, images.detach(), labels, **settings)

    @cached_property
    def params(self) -> type[Params]:
        """The type of `attacks.<id>` in a profile."""
        fields: dict[str, Any] = {name: (each.type, each.default) for name, each in self.own.items()}
        if self.has_eps:  # None: those of all attacks
            fields["eps"] = (Annotated[tuple[Epsilon, ...], EachOnce] | None, None)
        if self.sampled:  # at most so many test images, and the pruning rates at which it runs; None: all
            fields |= {"images": (Count | None, None), "rates": (tuple[PruningRate, ...] | None, None)}
        return create_model(f"{self.id}_params", __base__=Params, **fields)

    def _own(self, params: AttackParams) -> Params:
        said = getattr(params, self.id, {})
        return said if isinstance(said, Params) else self.params.model_validate(said)

    def settings(self, params: AttackParams) -> dict[str, Any]:
        """What the attack is called with, but for its budget: nothing of another attack."""
        common = {name: getattr(params, name) for name in self.common}
        return common | self._own(params).settings("eps", "images", "rates")

    def eps(self, params: AttackParams) -> tuple[float | None, ...]:
        """The budgets at which it meets unpruned networks; one None of an attack that has none."""
        if not self.has_eps:
            return (None,)
        own = getattr(self._own(params), "eps", None)
        return params.eps if own is None else own

    def images(self, params: AttackParams) -> int | None:
        """How many test images it attacks at most; None: all."""
        return getattr(self._own(params), "images", None)

    def rates(self, params: AttackParams) -> tuple[float, ...] | None:
        """The pruning rates at which it runs; None: all."""
        return getattr(self._own(params), "rates", None)

    def approximated(self, params: AttackParams) -> str:
        """How the profile approximates it, in words; "" where it does not."""
        own, limit = self._own(params), self.images(params)
        said = [
            each.weaker.format(getattr(own, name))
            for name, each in self.own.items()
            if each.weaker and getattr(own, name) != each.default
        ]
        return ", ".join([*said, *([f"{limit} images"] if limit else [])])

    def recipe(self, params: AttackParams) -> dict[str, Any]:
        """The attack as records depend on it, for a recipe (with `root` among the recipe's roots)."""
        return self.called_with(self.settings(params))

    def called_with(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The same with these settings, whatever a profile says."""
        return {
            "id": self.id,
            "root": self.root,
            "settings": dict(settings),
            "seeded": self.seeded,
            "worst_case": self.worst_case or bool(settings.get("early_stop")),
            "stops_at_success": self.stops_at_success,
        }

    def gradients(self, settings: Mapping[str, Any], image_size: int, num_classes: int) -> float:
        """Input gradients that an image costs at most; `settings` as in the recipe."""
        every = {name: each.default for name, each in self.own.items()} | dict(settings)
        costs = self.stages.values() or [self.cost]
        return sum(cost.gradients(every, image_size, num_classes) for cost in costs)

    def most_steps(self, settings: Mapping[str, Any], num_classes: int) -> dict[str, int]:
        """Of an image that falls in each of the `stages`, the most that `steps_used` can be."""
        most, found = -1, {}
        for name, cost in self.stages.items():
            most += 1 + cost.runs(settings, num_classes) * settings[cost.steps]
            found[name] = most
        return found


DECLARING = {"Attack": Attack, "Cost": Cost, "Setting": Setting}
ATTACKS: dict[str, Attack] = {
    attack.id: replace(attack, module=f"meddef_lib.attacks.{module}")
    for module, attack in declarations(Path(__file__).parent, DECLARING)
    if isinstance(attack, Attack)
}
