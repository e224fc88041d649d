"""The recipes of data: phantoms, what was seen in the files, the prepared data set, the audit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from meddef_lib import paths
from meddef_lib.data import examine, splits
from meddef_lib.data.sources import opening
from meddef_lib.data.sources.folders import Listing
from meddef_lib.data.sources.phantoms.modalities import modality
from meddef_lib.engine.recipe import Progress, Recipe, silent
from meddef_lib.errors import DataError
from meddef_lib.params import Dataset, Profile

PHANTOM_SEED = 0


def phantoms(profile: Profile, dataset: Dataset) -> Recipe:
    """The made-up images of a data set, as files in folders. Raises DataError where it has none."""
    if dataset.phantoms is None:
        raise DataError(
            f"there are no made-up images of {dataset.title}; use its own with data.source=folders, or name "
            f"the phantoms that stand in for it (oct or chest) in params/datasets/{dataset.id}.yaml"
        )
    drawn = modality(dataset.phantoms).classes
    if set(drawn) != set(dataset.classes):
        raise DataError(
            f"{dataset.title} has the classes {', '.join(dataset.classes)}, and its phantoms "
            f"({dataset.phantoms}) show {', '.join(drawn)}; use data.source=folders"
        )
    said = {
        "phantoms": dataset.phantoms,
        "params": profile.data.phantoms.settings(),
        "seed": PHANTOM_SEED,
    }
    module = "meddef_lib.data.sources.phantoms"
    roots = (f"{module}.{dataset.phantoms}:MODALITY",)  # what draws, which the maker looks up by its kind
    return Recipe(f"phantoms/{dataset.id}", f"{module}.writing:make", said, roots=roots)


def prepared(
    profile: Profile,
    dataset: Dataset,
    *,
    store_root: Path | None = None,
    image_size: int | None = None,
    progress: Progress = silent,
) -> Recipe:
    """The prepared data set, at the profile's image size or another.

    Raises DataError where the reader's images are missing.
    """
    data = profile.data
    said, inputs = _source(profile, dataset, store_root, image_size, progress)
    if data.duplicates != "none":
        inputs[examine.INPUT] = _examined(dict(said), dict(inputs))
    size = image_size or profile.image_size
    settings = _with_split(said, profile, dataset) | {
        "duplicates": data.duplicates,
        "limits": data.limits.settings(),
        "preprocessing": dataset.preprocessing.used(),
        "image_size": size,
    }
    name = f"prepared/{dataset.id}" + (f"/{size}px" if size != profile.image_size else "")
    return Recipe(name, "meddef_lib.data.preprocessing:make", settings, inputs)


def audit(
    profile: Profile,
    dataset: Dataset,
    *,
    store_root: Path | None = None,
    progress: Progress = silent,
) -> Recipe:
    """The audit of a data set; `examined` is among its inputs. Raises DataError as `prepared` does."""
    said, inputs = _source(profile, dataset, store_root, None, progress)
    known = said["dataset"] | {"patients": dataset.patients}  # whose readings it counts in names of any kind
    settings = _with_split(said | {"dataset": known}, profile, dataset)
    inputs = inputs | {examine.INPUT: _examined(said, inputs)}
    return Recipe(f"audit/{dataset.id}", "meddef_lib.data.image_audit:make", settings, inputs)


def listing(profile: Profile, dataset: Dataset) -> Listing | None:
    """The reader's own images, split by the profile's rule; None for phantoms. Raises DataError."""
    if profile.data.source == opening.PHANTOMS:
        return None
    found = opening.listing(profile.data, dataset, image_size=profile.image_size)
    rule, seed = profile.data.split or dataset.split, profile.data.split_seed
    return replace(found, images=splits.apply(found.images, dataset, rule=rule, seed=seed))


def _examined(said: dict[str, Any], inputs: dict[str, Recipe]) -> Recipe:
    """Files are looked at once, whatever size they are prepared at; MedMNIST has a file for each size."""
    size = f"/{said['medmnist_size']}px" if "medmnist_size" in said else ""
    return Recipe(f"examined/{said['dataset']['id']}{size}", "meddef_lib.data.examine:make", said, inputs)


def _with_split(said: Mapping[str, Any], profile: Profile, dataset: Dataset) -> dict[str, Any]:
    rule = profile.data.split or dataset.split
    drawn = {"val_fraction": dataset.val_fraction} if rule == "published" else {}
    return {
        **said,
        "dataset": said["dataset"] | drawn,
        "split": rule,
        "split_seed": profile.data.split_seed,
    }


def _source(
    profile: Profile, dataset: Dataset, store_root: Path | None, image_size: int | None, progress: Progress
) -> tuple[dict[str, Any], dict[str, Recipe]]:
    said = opening.settings(
        profile.data,
        dataset,
        image_size=image_size or profile.image_size,
        store_root=store_root or paths.store_root(),
        progress=progress,
    )
    inputs: dict[str, Recipe] = {}
    if profile.data.source == opening.PHANTOMS:
        inputs[opening.PHANTOMS] = phantoms(profile, dataset)
    return said, inputs
