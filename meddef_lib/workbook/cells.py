"""The cells of a workbook: every expensive result of a profile as a recipe with a readable id.

phantoms/roct                          the folder of made-up images (source "phantoms" only)
prepared/roct   prepared/roct/224px    the prepared data set, and at the size of a model for saliency alone
examined/roct   audit/roct             one look at every file, and what the audit found
train/roct/full/paper/seed=0           a trained model
attack/roct/full/paper/seed=0/pgd      records of one attack at every epsilon, unpruned (Tables 1, 2)
prune/roct/full/paper/seed=0/pgd       records of one attack at every pruning rate (Tables 3, 4)
saliency/roct/full/paper/seed=0        Grad-CAM, clean and attacked (4.8)
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from meddef_lib import params, paths
from meddef_lib.engine.store import Recipe, Store, file_hash
from meddef_lib.params import GIVEN, Dataset, Profile


@dataclass(frozen=True)
class Trained:
    """One trained model of the workbook by name; the first mode of a variant is the one in the tables."""

    dataset: str
    variant: str
    mode: str
    seed: int
    image_size: int | None = None  # None: the profile's; another one is for saliency alone

    @property
    def id(self) -> str:
        size = f"/{self.image_size}px" if self.image_size else ""
        return f"{self.dataset}/{self.variant}/{self.mode}/seed={self.seed}{size}"


@dataclass(frozen=True)
class Workbook:
    """A profile, its data sets and its store: everything that a run, a notebook or the report starts from."""

    profile: Profile
    datasets: Mapping[str, Dataset]
    overrides: Mapping[str, Any] = field(default_factory=dict)
    store: Store = field(default_factory=Store)
    given: str = ""  # sha256 of someone's own weights, which then stand in for what would be trained
    given_name: str = ""  # of their file

    @property
    def command(self) -> str:
        """What makes everything in this workbook."""
        some = self.datasets if list(self.datasets) != list(self.profile.datasets) else ()
        return shlex.join(
            [
                *("invoke", "reproduce", "--profile", self.profile.name),
                *(word for dataset in some for word in ("--dataset", dataset)),
                *(word for pair in self.settings for word in ("--set", pair)),
            ]
        )

    @property
    def settings(self) -> list[str]:
        """The overrides as `--set` takes them: key=value."""
        return [f"{key}={json.dumps(value)}" for key, value in self.overrides.items()]

    # --- models ---

    def modes(self, variant: str) -> Sequence[str]:
        """The ways in which a variant is trained; the first fills the tables."""
        trained = {str(name): modes for name, modes in self.profile.training.modes.items()}
        return (GIVEN,) if self.given else trained[variant]

    def models(self, dataset: str) -> list[Trained]:
        """Every model of a data set: variant by variant, each in its modes, each with every seed."""
        return [
            Trained(dataset, variant, mode, seed)
            for variant in self.profile.variants
            for mode in self.modes(variant)
            for seed in self.profile.seeds
        ]

    def main_models(self, dataset: str) -> list[Trained]:
        """The models that fill the tables: each variant in its first mode."""
        return [model for model in self.models(dataset) if model.mode == self.modes(model.variant)[0]]

    def saliency_models(self, dataset: str) -> list[Trained]:
        """The models whose saliency is shown: those of the tables, and a larger one if the profile has it."""
        first = [model for model in self.main_models(dataset) if model.seed == self.profile.seeds[0]]
        return [*first, *self.larger_models(dataset)]

    def larger_models(self, dataset: str) -> list[Trained]:
        """The model of larger images that is trained for saliency alone, if the profile has it."""
        size = self.profile.saliency.image_size
        if not size or self.given:
            return []
        return [Trained(dataset, "full", "clean", self.profile.seeds[0], size)]

    # --- recipes ---

    def prepared(self, dataset: str, image_size: int | None = None) -> Recipe:
        """The prepared data set, at the profile's image size or another one (for saliency).

        Raises DataError where the reader's images are missing.
        """
        return self._remembered("prepared", dataset, image_size)

    def audit(self, dataset: str) -> Recipe:
        """What the audit of the data set found. Raises DataError where the reader's images are missing."""
        return self._remembered("audit", dataset, None)

    def _remembered(self, what: str, dataset: str, image_size: int | None) -> Recipe:
        """Recipes of data list the reader's folder: once a workbook is often enough."""
        from meddef_lib.data import recipes

        place = (what, dataset, image_size)
        if place not in self._of_data:
            make = {"prepared": recipes.prepared, "audit": recipes.audit}[what]
            self._of_data[place] = make(
                self.profile,
                self.datasets[dataset],
                store_root=self.store.root,
                image_size=image_size or self.profile.image_size,
            )
        return self._of_data[place]

    @cached_property
    def _of_data(self) -> dict[tuple[str, str, int | None], Recipe]:
        return {}

    def trained(self, model: Trained) -> Recipe:
        """A trained model, or the given weights in its place."""
        dataset = self.datasets[model.dataset]
        network = {
            "variant": model.variant,
            "num_classes": len(dataset.classes),
            "image_size": model.image_size or self.profile.image_size,
            "mean": dataset.published.mean,
            "std": dataset.published.std,
            "model": self.profile.model.settings(),
        }
        if model.mode == GIVEN:
            name = f"given/{self.given[:12]}/{model.dataset}/{model.variant}"
            return Recipe(name, "meddef_lib.models.given:make", {**network, "weights": self.given})
        training = self.profile.training.model_dump(mode="json", exclude={"modes"})
        training["batch_size"] = self.profile.training.batch_size_of(dataset)
        saliency = self.profile.saliency
        if model.image_size:
            training["epochs"] = saliency.epochs or training["epochs"]
        settings = {
            **network,
            "dataset": model.dataset,
            "mode": model.mode,
            "seed": model.seed,
            "training": training,
            "train_limit": saliency.train_limit if model.image_size else None,
            "val_limit": None,
            **self._pretrained,
        }
        inputs = {"data": self.prepared(model.dataset, model.image_size)}
        return Recipe(f"train/{model.id}", "meddef_lib.training.cell:make", settings, inputs)

    @cached_property
    def _pretrained(self) -> dict[str, str]:
        """The content of a file of first weights: its path alone would not tell that it has changed."""
        named = self.profile.model.pretrained
        if named in (None, "imagenet"):
            return {}
        file = paths.ROOT / named
        if not file.is_file():
            raise params.ParamsError(
                f"model.pretrained is {named!r}, but there is no file {file}; expected null, imagenet, or a "
                "file of ResNet-18 weights"
            )
        return {"pretrained_sha256": file_hash(file)}

    def attack(self, model: Trained, attack: str) -> Recipe:
        """Records of one attack on the unpruned model, at every epsilon it has."""
        eps: Sequence[float | None] = self.profile.attacks.eps if attack != "jsma" else (None,)
        runs = [{"eps": value, "rate": 0.0} for value in eps]
        return self._records(
            f"attack/{model.id}/{attack}", model, attack, runs, self.profile.evaluation.keep_images
        )

    def pruning(self, model: Trained, attack: str) -> Recipe:
        """Records of one attack at every pruning rate above 0 (Tables 3, 4: epsilon 0.05)."""
        eps = None if attack == "jsma" else self.profile.pruning.eps
        runs = [{"eps": eps, "rate": rate} for rate in self.pruning_rates(attack)]
        return self._records(f"prune/{model.id}/{attack}", model, attack, runs, 0)

    def pruning_rates(self, attack: str) -> list[float]:
        """The rates at which an attack meets pruned models; rate 0 is left to the records of `attack`."""
        attacks, pruning = self.profile.attacks, self.profile.pruning
        rates: Sequence[float] = pruning.rates
        if attack == "jsma" and attacks.jsma.rates is not None:
            rates = attacks.jsma.rates
        recorded = attack in attacks.methods and (attack == "jsma" or pruning.eps in attacks.eps)
        return [rate for rate in rates if rate > 0 or not recorded]

    @property
    def pruning_methods(self) -> list[str]:
        """The attacks that meet pruned models."""
        return [attack for attack in self.profile.pruning.methods if self.pruning_rates(attack)]

    def _records(
        self, name: str, model: Trained, attack: str, runs: list[dict[str, Any]], keep_images: int
    ) -> Recipe:
        attacks = self.profile.attacks
        iterative = {"step_size": attacks.step_size, "steps": attacks.steps}
        of_attack: dict[str, dict[str, Any]] = {
            "fgsm": {},
            "bim": iterative,
            "pgd": iterative,
            "jsma": attacks.jsma.model_dump(mode="json", exclude={"images", "rates"}),
        }
        settings = {
            "dataset": model.dataset,
            "split": "test",
            "attack": {"id": attack, "settings": of_attack[attack]},
            "runs": runs,
            "scope": self.profile.pruning.scope,
            "batch_size": self.profile.evaluation.batch_size,
            "fold": self.profile.evaluation.fold,
            "channels_last": self.profile.evaluation.channels_last,
            "bfloat16": self.profile.evaluation.bfloat16,
            "limit": attacks.jsma.images if attack == "jsma" else None,
            "seed": model.seed,
            "keep_images": keep_images,
        }
        inputs = {"model": self.trained(model), "data": self.prepared(model.dataset)}
        return Recipe(name, "meddef_lib.evaluation.records:make", settings, inputs)

    def saliency(self, model: Trained) -> Recipe:
        """Grad-CAM maps and their numbers, on clean and attacked images."""
        attacks = self.profile.attacks
        settings = {
            "dataset": model.dataset,
            "saliency": self.profile.saliency.model_dump(
                mode="json", exclude={"image_size", "train_limit", "epochs"}
            ),
            "attack": {"steps": attacks.steps, "step_size": attacks.step_size},
            "seed": model.seed,
        }
        inputs = {"model": self.trained(model), "data": self.prepared(model.dataset, model.image_size)}
        return Recipe(f"saliency/{model.id}", "meddef_lib.evaluation.saliency:make", settings, inputs)

    def anatomy(self, model: Trained) -> Recipe:
        """Pictures of a network and its weights (Figures 2 and 4), with the cut at one pruning rate."""
        shown = [rate for rate in self.profile.pruning.rates if rate > 0]
        settings = {
            "image_size": self.profile.image_size,
            "rate": 0.3 if 0.3 in shown or not shown else shown[0],
            "scope": self.profile.pruning.scope,
            "smoke": self.profile.data.source == "phantoms",
        }
        return Recipe(
            f"anatomy/{model.id}",
            "meddef_lib.evaluation.anatomy:make",
            settings,
            {"model": self.trained(model)},
        )

    def anatomies(self, dataset: str) -> list[Recipe]:
        """The pictures of the full network with the first seed, where the profile has it."""
        first = self.profile.seeds[0]
        models = [
            model for model in self.main_models(dataset) if model.variant == "full" and model.seed == first
        ]
        return [self.anatomy(model) for model in models]

    # --- all of them ---

    def of_dataset(self, dataset: str) -> Iterator[Recipe]:
        """The cells of a data set that are shown, in the paper's order; what they need is among `cells`."""
        yield self.prepared(dataset)
        yield self.audit(dataset)
        for model in self.models(dataset):
            yield self.trained(model)
        for model in self.models(dataset):
            yield from (self.attack(model, attack) for attack in self.profile.attacks.methods)
        for model in self.main_models(dataset):
            for attack in self.pruning_methods:
                yield self.pruning(model, attack)
        yield from self.anatomies(dataset)
        for model in self.saliency_models(dataset):
            yield self.trained(model)
            yield self.saliency(model)

    @cached_property
    def cells(self) -> dict[str, Recipe]:
        """Every cell of the workbook by id, each after its inputs."""
        shown = (recipe for dataset in self.datasets for recipe in self.of_dataset(dataset))
        return {inner.id: inner for recipe in shown for inner in recipe.with_inputs()}


def workbook(
    profile: str,
    *,
    datasets: Sequence[str] = (),
    overrides: params.Overrides = (),
    store: Store | None = None,
) -> Workbook:
    """Read a profile and its data sets (all of them, or those named). Raises ParamsError."""
    pairs = params.override_pairs(overrides)
    found = params.read_profile(profile, pairs)
    unknown = [name for name in datasets if name not in found.datasets]
    if unknown:
        known = ", ".join(found.datasets)
        raise params.ParamsError(f"the profile {profile} has no data set {unknown[0]!r}; it has {known}")
    for name in params.split_overrides(pairs)[1]:
        params.read_dataset(name, pairs)  # also of a data set that this run leaves out: a typo is a typo
    chosen = {name: params.read_dataset(name, pairs) for name in (datasets or found.datasets)}
    return Workbook(found, chosen, pairs, store or Store(context={"profile": found.name}))
