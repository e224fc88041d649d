"""A workbook: a profile with its data sets and its store, and which networks it is about."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, TypeVar

from meddef_lib import params
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES
from meddef_lib.engine.recipe import canonical_json
from meddef_lib.engine.store import Store
from meddef_lib.errors import known_are
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import DataParams, Dataset, Known, Profile
from meddef_lib.params.profile import GIVEN
from meddef_lib.results.model import Model

T = TypeVar("T")
NOT_IN_A_TITLE = {"datasets", "seeds"}  # what no profile's title speaks of
SETTINGS_IN_A_TITLE = 3  # more of them the page's command says
SOURCES = {"phantoms": "Made-up images", "folders": "Images from folders", "medmnist": "MedMNIST's images"}


@dataclass(frozen=True)
class Workbook:
    """Everything that a run, a notebook or the report starts from."""

    profile: Profile
    datasets: Mapping[str, Dataset]
    overrides: Mapping[str, Any] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    given: str = ""  # sha256 of someone's own weights, which then stand in for what would be trained
    given_name: str = ""  # of their file
    # of images that are not here, by `of_images`: what needs them can be counted, costed and read, never made
    manifests: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of_images(dataset: str, image_size: int) -> str:
        """What the images of a data set go by: one form of it has a file for each size."""
        return f"{dataset}/{image_size}px"

    @property
    def title(self) -> str:
        """The profile's; of a run with overrides what it does, where the profile's may no longer say that."""
        if self.overrides.keys() <= NOT_IN_A_TITLE:
            return self.profile.title
        profile = self.profile
        at_most = {split: most for split, most in profile.data.limits.model_dump().items() if most}
        facts = [
            SOURCES[profile.data.source],
            f"{profile.image_size} px",
            f"{profile.training.epochs} epoch" + "s" * (profile.training.epochs != 1),
            *(f"at most {most} {split} images" for split, most in at_most.items()),
        ]
        many = len(self.settings) > SETTINGS_IN_A_TITLE
        changed = f"{len(self.settings)} settings changed" if many else ", ".join(self.settings)
        return f"{', '.join(facts)} (the profile {profile.name} with {changed})"

    @property
    def command(self) -> str:
        """What makes everything in this workbook."""
        return shlex.join(["invoke", "reproduce", *self.options])

    @property
    def options(self) -> list[str]:
        """The words of a command that name this workbook."""
        some = self.datasets if list(self.datasets) != list(self.profile.datasets) else ()
        return [
            *("--profile", self.profile.name),
            *(word for dataset in some for word in ("--dataset", dataset)),
            *(word for pair in self.settings for word in ("--set", pair)),
        ]

    @property
    def report_name(self) -> str:
        """The folder of its report below `reports/`: another one for other parameters or given weights."""
        of_weights = f"-{self.profile.variants[0]}-{self.given[:8]}" if self.given else ""
        changed = sha256(canonical_json(self.overrides).encode()).hexdigest()[:8] if self.overrides else ""
        return f"{self.profile.name}{of_weights}{f'+{changed}' if changed else ''}"

    @property
    def settings(self) -> list[str]:
        """The overrides as `--set` takes them: key=value."""
        return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.overrides.items()]

    def with_weights(self, sha256: str, name: str, variant: str, data: DataParams) -> "Workbook":
        """The workbook that tries someone's weights of a variant on the images that `data` says."""
        changed = {"variants": (variant,), "seeds": self.profile.seeds[:1], "data": data}
        profile = self.profile.model_copy(update=changed)
        return replace(self, profile=profile, given=sha256, given_name=name)

    def modes(self, variant: str) -> Sequence[str]:
        """The ways in which a variant is trained; the first fills the tables."""
        return (GIVEN,) if self.given else self.profile.training.modes[variant]

    def models(self, dataset: str) -> list[Model]:
        """Every model of a data set: variant by variant, each in its modes, each with every seed."""
        return self._models(dataset, {variant: self.modes(variant) for variant in self.profile.variants})

    def _models(self, dataset: str, trained: Mapping[str, Sequence[str]]) -> list[Model]:
        """Variants by the modes in which they are trained, with every seed."""
        return [
            Model(dataset, variant, mode, seed)
            for variant, modes in trained.items()
            for mode in modes
            for seed in self.profile.seeds
        ]

    def main_models(self, dataset: str) -> list[Model]:
        """The models that fill the tables: each variant in its first mode."""
        return [model for model in self.models(dataset) if model.mode == self.modes(model.variant)[0]]

    def compared_models(self, dataset: str) -> list[Model]:
        """Networks to compare those of the tables with, which are not among `models`; with every seed."""
        if self.given:
            return []
        known, named = self.models(dataset), self._models(dataset, self.profile.comparison.networks)
        return [model for model in named if model not in known]

    def chosen_models(
        self, dataset: str, variants: Sequence[str] | None, *, every_training: bool = True
    ) -> list[Model]:
        """These variants (None: all) with the first seed, in every training or in that of the tables."""
        named = self.profile.variants if variants is None else variants
        models = self.models(dataset) if every_training else self.main_models(dataset)
        first = self.profile.seeds[0]
        return [each for each in models if each.variant in named and each.seed == first]

    def saliency_models(self, dataset: str) -> list[Model]:
        """The models whose saliency is shown: those of the tables, and a larger one if the profile has it."""
        first = self.chosen_models(dataset, None, every_training=False)
        return [*first, *self.larger_models(dataset)]

    def larger_models(self, dataset: str) -> list[Model]:
        """The model of larger images that is trained for saliency alone, if the profile has it."""
        size = self.profile.saliency.image_size
        if not size or self.given:
            return []
        return [Model(dataset, "full", "clean", self.profile.seeds[0], size)]

    def every_model(self, dataset: str) -> list[Model]:
        """Every model that is trained, or given: of the tables, for comparison, of larger images."""
        return [*self.models(dataset), *self.compared_models(dataset), *self.larger_models(dataset)]

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What goes by this name, made once a workbook: a recipe of data lists the reader's whole folder."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found

    @cached_property
    def _made(self) -> dict[str, Any]:
        return {}


def workbook(
    profile: str,
    *,
    datasets: Sequence[str] = (),
    overrides: params.Overrides = (),
    called: str = params.SET,
    store: Store | None = None,
) -> Workbook:
    """Read a profile and its data sets (all, or those named). Raises ParamsError, an override `called` so."""
    pairs = params.override_pairs(overrides)
    names = Known(
        variants=tuple(VARIANTS),
        attacks={name: attack.params for name, attack in ATTACKS.items()},
        datasets=params.dataset_ids(),
        defences={name: defence.params for name, defence in DEFENCES.items()},
    )
    found = params.read_profile(profile, pairs, called=called, known=names)
    unknown = [name for name in datasets if name not in found.datasets]
    if unknown:
        known = known_are(unknown[0], found.datasets)
        raise params.ParamsError(f"the profile {profile} has no data set {unknown[0]!r}; {known}")
    read = partial(params.read_dataset, overrides=pairs, called=called)
    for name in params.split_overrides(pairs)[1]:
        read(name)  # also of a data set that this run leaves out: a typo is a typo
    chosen = {name: read(name) for name in (datasets or found.datasets)}
    return Workbook(found, chosen, pairs, store or Store(context={"profile": found.name}))
