"""The recipes of data: phantoms, what was seen in the files, the prepared data set, the audit."""

from pathlib import Path
from typing import Any

from meddef_lib import paths
from meddef_lib.data import examine, source
from meddef_lib.engine.recipe import Progress, Recipe, silent
from meddef_lib.params import Dataset, Profile

PHANTOM_SEED = 0


def phantoms(profile: Profile, dataset: Dataset) -> Recipe:
    """The made-up images of a data set, as files in folders."""
    said = {
        "dataset": dataset.id,
        "phantoms": profile.data.phantoms.settings(),
        "seed": PHANTOM_SEED,
    }
    return Recipe(f"phantoms/{dataset.id}", "meddef_lib.data.phantoms:make", said)


def examined(
    profile: Profile,
    dataset: Dataset,
    *,
    store_root: Path | None = None,
    image_size: int | None = None,
    progress: Progress = silent,
) -> Recipe:
    """One look at every file. Raises DataError where the reader's images are missing."""
    return _examined(*_source(profile, dataset, store_root, image_size, progress))


def prepared(
    profile: Profile,
    dataset: Dataset,
    *,
    store_root: Path | None = None,
    image_size: int | None = None,
    progress: Progress = silent,
) -> Recipe:
    """The prepared data set, at the profile's image size or another. Raises DataError as `examined` does."""
    data = profile.data
    said, inputs = _source(profile, dataset, store_root, image_size, progress)
    if data.duplicates != "none":
        inputs[examine.INPUT] = _examined(dict(said), dict(inputs))
    facts = dataset.settings()
    size = image_size or profile.image_size
    settings = said | {
        "dataset": said["dataset"] | {name: facts[name] for name in ("published", "val_fraction")},
        "split": data.split or dataset.split,
        "split_seed": data.split_seed,
        "duplicates": data.duplicates,
        "limits": data.limits.settings(),
        "preprocessing": dataset.preprocessing.settings(),
        "image_size": size,
    }
    name = f"prepared/{dataset.id}" + (f"/{size}px" if size != profile.image_size else "")
    return Recipe(name, "meddef_lib.data.preprocessing:make", settings, inputs)


def audit(
    profile: Profile,
    dataset: Dataset,
    *,
    store_root: Path | None = None,
    image_size: int | None = None,
    progress: Progress = silent,
) -> Recipe:
    """The audit of a data set. Raises DataError as `examined` does."""
    said, inputs = _source(profile, dataset, store_root, image_size, progress)
    facts = dataset.settings()
    settings = said | {
        "dataset": said["dataset"] | {name: facts[name] for name in ("title", "published", "val_fraction")},
        "split": profile.data.split or dataset.split,
        "split_seed": profile.data.split_seed,
    }
    inputs = inputs | {examine.INPUT: _examined(said, inputs)}
    return Recipe(f"audit/{dataset.id}", "meddef_lib.data.audit:make", settings, inputs)


def _examined(said: dict[str, Any], inputs: dict[str, Recipe]) -> Recipe:
    """Files are looked at once, whatever size they are prepared at; MedMNIST has a file for each size."""
    size = f"/{said['medmnist_size']}px" if "medmnist_size" in said else ""
    return Recipe(f"examined/{said['dataset']['id']}{size}", "meddef_lib.data.examine:make", said, inputs)


def _source(
    profile: Profile, dataset: Dataset, store_root: Path | None, image_size: int | None, progress: Progress
) -> tuple[dict[str, Any], dict[str, Recipe]]:
    said = source.settings(
        profile.data,
        dataset,
        image_size=image_size or profile.image_size,
        store_root=store_root or paths.store_root(),
        progress=progress,
    )
    inputs: dict[str, Recipe] = {}
    if profile.data.source == source.PHANTOMS:
        inputs[source.PHANTOMS] = phantoms(profile, dataset)
    return said, inputs
