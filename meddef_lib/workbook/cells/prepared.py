"""prepared/<data set>: its images decoded, split and stored as one array.

examined/<data set>: one look at every file, which the audit and the removal of duplicates start from.
stepwise/<data set>: a file of each class on its way through preprocessing, to be looked at (3.1.2).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meddef_lib.data import examine, splits
from meddef_lib.data.sources import opening
from meddef_lib.data.sources.folders import Listing
from meddef_lib.engine.recipe import Progress, Recipe, silent
from meddef_lib.params import Dataset, Profile
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import phantoms
from meddef_lib.workbook.kinds import MIB_OF_A_CELL, Costs, Kind, dataset_of

Source = tuple[Mapping[str, Any], Mapping[str, Recipe]]
SECONDS_OF_STEPS = 3.0  # a few files, whatever the number of images


def source_of(book: Workbook, dataset: str, image_size: int, progress: Progress = silent) -> Source:
    """Which images are meant: what every recipe of them says, and the phantoms where they are made up.

    Raises DataError where the reader's images are missing.
    """
    data, name = book.profile.data, book.of_images(dataset, image_size)

    def read() -> Source:
        said = opening.settings(
            data,
            book.datasets[dataset],
            image_size=image_size,
            store_root=book.store.root,
            progress=progress,
            manifest=book.manifests.get(name),
        )
        made_up = data.source == opening.PHANTOMS
        return said, {opening.PHANTOMS: phantoms.recipe(book, dataset)} if made_up else {}

    return book.once(f"source/{name}", read)


def examined(source: Source) -> Recipe:
    """Files are looked at once, whatever size they are prepared at; MedMNIST has a file for each size."""
    said, inputs = source
    size = f"/{said['medmnist_size']}px" if "medmnist_size" in said else ""
    return Recipe(f"examined/{said['dataset']['id']}{size}", "meddef_lib.data.examine:make", said, inputs)


def recipe(book: Workbook, dataset: str, image_size: int | None = None) -> Recipe:
    """The prepared data set, at the profile's image size or another one (for saliency).

    Raises DataError where the reader's images are missing.
    """
    profile, found = book.profile, book.datasets[dataset]
    size = image_size or profile.image_size
    name = f"prepared/{dataset}" + (f"/{size}px" if size != profile.image_size else "")

    def made() -> Recipe:
        source = source_of(book, dataset, size)
        settings = {
            **source[0],
            **split(profile, found, source),
            "duplicates": profile.data.duplicates,
            "limits": profile.data.limits.settings(),
            "preprocessing": found.preprocessing.used(),
            "image_size": size,
        }
        looked = {} if profile.data.duplicates == "none" else {examine.INPUT: examined(source)}
        return Recipe(name, "meddef_lib.data.prepared:make", settings, {**source[1], **looked})

    return book.once(name, made)


def stepwise(book: Workbook, dataset: str) -> Recipe:
    """The first file of each class. Raises DataError where the reader's images are missing."""
    said, inputs = source_of(book, dataset, book.profile.image_size)
    settings = {**said, "preprocessing": book.datasets[dataset].preprocessing.used()}
    inputs = {**inputs, "data": recipe(book, dataset)}
    return Recipe(f"stepwise/{dataset}", "meddef_lib.data.stepwise:make", settings, inputs)


def split(profile: Profile, dataset: Dataset, source: Source) -> dict[str, Any]:
    """How images are split, and the data set that is."""
    rule, seed = profile.data.split or dataset.split, profile.data.split_seed
    return {"dataset": source[0]["dataset"], "split": rule, "split_seed": seed}


def listing(profile: Profile, dataset: Dataset) -> Listing | None:
    """The reader's own images, split by the profile's rule; None for phantoms. Raises DataError."""
    if profile.data.source == opening.PHANTOMS:
        return None
    found = opening.listing(profile.data, dataset, image_size=profile.image_size)
    rule, seed = profile.data.split or dataset.split, profile.data.split_seed
    return replace(found, images=splits.apply(found.images, dataset, rule=rule, seed=seed))


def mib(recipe: Recipe, costs: Costs) -> float:
    """A byte a pixel."""
    images = sum(costs.images[dataset_of(recipe.id)].values())
    return MIB_OF_A_CELL + images * recipe.settings["image_size"] ** 2 / 2**20


KINDS = (
    Kind("examined", place=0),
    Kind(
        "prepared",
        place=1,
        # at another size than the profile's it comes with the model that needs it
        cells=lambda book, dataset: [recipe(book, dataset)],
        splits=("test",),
        mib=mib,
    ),
    Kind(
        "stepwise",
        place=2,
        cells=lambda book, dataset: [stepwise(book, dataset)],
        seconds=lambda recipe, costs: SECONDS_OF_STEPS,
    ),
)
