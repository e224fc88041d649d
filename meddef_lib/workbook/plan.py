"""What a run will cost: seconds and disk of every missing cell, from a short calibration of this machine.

The calibration times the three things that a workbook spends its hours on (forward passes, input gradients
and training steps of the smallest and the largest variant) and is remembered for the machine, the device and
the image size. Estimates of cells are counts of those times their seconds.
"""

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from meddef_lib import paths
from meddef_lib.params import Dataset, Profile
from meddef_lib.store import Recipe, canonical_json, environment
from meddef_lib.workbook.cells import Workbook
from meddef_lib.workbook.engine import default_workers
from meddef_lib.workbook.progress import duration

SECONDS_OF_A_NOTEBOOK = 8.0
SECONDS_OF_A_START = 0.5
SECONDS_OF_PICTURES = 4.0
MIB_OF_A_MODEL = 90.0


@dataclass(frozen=True)
class Rates:
    """Seconds an image of one variant at one size: forward, input gradient, training forward and backward."""

    forward: float
    gradient: float
    training: float


@dataclass(frozen=True)
class Estimate:
    """Seconds of each missing cell on one worker, and what they add up to."""

    seconds: dict[str, float] = field(default_factory=dict)
    disk_mib: float = 0.0
    workers: int = 1
    images: dict[str, dict[str, int]] = field(default_factory=dict)  # data set -> split -> images
    there: int = 0

    @property
    def total_seconds(self) -> float:
        """Wall-clock seconds with every worker busy."""
        return sum(self.seconds.values()) / self.workers


def estimate(book: Workbook, recipes: Sequence[Recipe], device: str) -> Estimate:
    """Estimate what is missing of `recipes`; calibrates (under a minute) when this machine is new."""
    everything = {inner.id: inner for recipe in recipes for inner in recipe.with_inputs()}
    missing = {name: recipe for name, recipe in everything.items() if not book.store.has(recipe)}
    workers = default_workers(device, book.profile.threads)
    images = {dataset: _images(book, dataset) for dataset in book.datasets}
    there = len(everything) - len(missing)
    if not missing:
        return Estimate(workers=workers, images=images, there=there)
    rates = _rates(book, device)
    seconds = {name: _seconds(recipe, book, rates, images) for name, recipe in missing.items()}
    models = sum(name.startswith("train/") for name in missing)
    size = book.profile.image_size
    pixels = sum(sum(splits.values()) for splits in images.values()) * size * size / 2**20
    return Estimate(seconds, models * MIB_OF_A_MODEL + pixels, workers, images, there)


def text(found: Estimate) -> str:
    """The estimate as lines for a terminal."""
    kinds: dict[str, list[float]] = {}
    for name, seconds in found.seconds.items():
        kinds.setdefault(name.partition("/")[0], []).append(seconds)
    lines = [
        f"{dataset}: " + ", ".join(f"{number} {split}" for split, number in splits.items()) + " images"
        for dataset, splits in found.images.items()
    ]
    lines += [f"{kind:12} {len(all_):4} cells  {duration(sum(all_)):>8}" for kind, all_ in kinds.items()]
    lines.append(f"{found.there} cells are there already")
    lines.append(
        f"in all about {duration(found.total_seconds)} on {found.workers} worker(s), "
        f"and {found.disk_mib:,.0f} MiB in the store"
    )
    return "\n".join(lines)


def _images(book: Workbook, dataset: str) -> dict[str, int]:
    """How many images each split will have, before anything was prepared."""
    profile, found = book.profile, book.datasets[dataset]
    if profile.data.source == "phantoms":
        counts = {split: getattr(profile.data.phantoms, split) for split in ("train", "val", "test")}
    else:
        counts = {split: found.published.split[split] for split in ("train", "val", "test")}
        listed = _listed(profile, found)
        counts = {split: min(number, counts[split]) for split, number in listed.items()} if listed else counts
    limits = profile.data.limits
    return {split: min(number, getattr(limits, split) or number) for split, number in counts.items()}


def _listed(profile: Profile, dataset: Dataset) -> dict[str, int]:
    """Images of the reader's own folder, split as the profile says; empty for other sources."""
    root = paths.data_root()
    if profile.data.source != "folders" or root is None:
        return {}
    from meddef_lib.data import folders, splits

    images = folders.list_folder(root, dataset).images
    rule = profile.data.split or dataset.split
    counts = splits.apply(images, dataset, rule=rule, seed=profile.data.split_seed)["split"].value_counts()
    return {str(split): int(number) for split, number in counts.items()}


def _seconds(
    recipe: Recipe, book: Workbook, rates: Mapping[str, Rates], images: Mapping[str, Mapping[str, int]]
) -> float:
    kind, _, rest = recipe.id.partition("/")
    dataset = rest.partition("/")[0]
    if kind == "notebook":
        return SECONDS_OF_A_NOTEBOOK
    if dataset not in images:
        return 1.0
    splits = images[dataset]
    if kind in ("phantoms", "prepared", "examined", "audit", "data"):
        return 1.0 + 0.006 * sum(splits.values())
    settings: Mapping[str, Any] = recipe.settings
    model = settings if kind == "train" else recipe.inputs["model"].settings
    scale = (model["image_size"] / book.profile.image_size) ** 2
    rate = rates["resnet18" if model["variant"] == "resnet18" else "full"]
    if kind == "train":
        return SECONDS_OF_A_START + scale * _training_seconds(settings, rate, splits)
    if kind in ("anatomy", "given"):
        return SECONDS_OF_PICTURES
    if kind == "saliency":
        shown = len(book.datasets[dataset].classes) * settings["saliency"]["images_per_class"]
        passes = 2 * settings["saliency"]["deletion_steps"] * 2
        gradients = settings["attack"]["steps"] + 2
        return 2.0 + scale * shown * (passes * rate.forward + gradients * rate.gradient)
    tested = min(splits.get("test", 0), settings["limit"] or math.inf)
    attack = settings["attack"]
    gradients = attack["settings"].get("steps") or 1
    if attack["id"] == "jsma":
        budget = attack["settings"]["gamma"] * 3 * model["image_size"] ** 2 / 2
        gradients = 2 * min(attack["settings"]["max_steps"] or math.inf, budget)
    run = tested * (2 * rate.forward + gradients * rate.gradient)
    return SECONDS_OF_A_START + len(settings["runs"]) * (0.5 + run)


def _training_seconds(settings: Mapping[str, Any], rate: Rates, splits: Mapping[str, int]) -> float:
    training = settings["training"]
    limit = settings["train_limit"] or math.inf
    images, validation = min(splits.get("train", 0), limit), splits.get("val", 0)
    steps = {"paper": training["pgd_steps"], "fast": 1, "clean": 0}.get(
        settings["mode"], training["reference_steps"]
    )
    attacked = (
        training["attacked_share"] if settings["mode"] == "paper" else float(settings["mode"] != "clean")
    )
    joins = 1 + (attacked if settings["mode"] == "paper" else 0)
    of_train = images * (joins * rate.training + attacked * steps * rate.gradient)
    exposed = 0.0 if settings["mode"] == "clean" else training["validation_attacked_share"]
    of_validation = validation * (rate.forward + exposed * training["validation_steps"] * rate.gradient)
    return training["epochs"] * (of_train + of_validation)


def _rates(book: Workbook, device: str) -> dict[str, Rates]:
    """The rates of this machine, measured once and remembered in the store."""
    question = {
        "processor": environment()["processor"],
        "packages": environment()["packages"],
        "device": device,
        "threads": book.profile.threads,
        "image_size": book.profile.image_size,
    }
    file = (
        book.store.root / "calibration" / f"{sha256(canonical_json(question).encode()).hexdigest()[:16]}.json"
    )
    if not file.is_file():
        print(f"measuring this machine once ({device}, {book.profile.image_size} px) ...", flush=True)
        options = {key: question[key] for key in ("device", "threads", "image_size")}
        command = [sys.executable, "-m", "meddef_lib.workbook.calibration", json.dumps(options)]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(done.stdout, encoding="utf-8")
    measured = json.loads(file.read_text(encoding="utf-8"))
    return {variant: Rates(**rates) for variant, rates in measured.items()}
