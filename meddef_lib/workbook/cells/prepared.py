"""prepared/<data set>: its images decoded, split and stored as one array."""

from dataclasses import replace
from typing import Any

from meddef_lib.data import examine, splits
from meddef_lib.data.sources import opening
from meddef_lib.data.sources.folders import Listing
from meddef_lib.engine.recipe import Recipe
from meddef_lib.params import Dataset, Profile
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import examined
from meddef_lib.workbook.kinds import MIB_OF_A_CELL, Costs, Kind, dataset_of


def recipe(book: Workbook, dataset: str, image_size: int | None = None) -> Recipe:
    """The prepared data set, at the profile's image size or another one (for saliency).

    Raises DataError where the reader's images are missing.
    """
    profile, found = book.profile, book.datasets[dataset]
    size = image_size or profile.image_size
    name = f"prepared/{dataset}" + (f"/{size}px" if size != profile.image_size else "")

    def made() -> Recipe:
        source = examined.source(book, dataset, size)
        settings = {
            **source[0],
            **split(profile, found, source),
            "duplicates": profile.data.duplicates,
            "limits": profile.data.limits.settings(),
            "preprocessing": found.preprocessing.used(),
            "image_size": size,
        }
        looked = {} if profile.data.duplicates == "none" else {examine.INPUT: examined.recipe(source)}
        return Recipe(name, "meddef_lib.data.preprocessing:make", settings, {**source[1], **looked})

    return book.once(name, made)


def split(profile: Profile, dataset: Dataset, source: examined.Source) -> dict[str, Any]:
    """How images are split, and what of the data set that depends on."""
    rule = profile.data.split or dataset.split
    drawn = {"val_fraction": dataset.val_fraction} if rule == "published" else {}
    return {
        "dataset": source[0]["dataset"] | drawn,
        "split": rule,
        "split_seed": profile.data.split_seed,
    }


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


KIND = Kind(
    "prepared",
    place=1,
    # at another size than the profile's it comes with the model that needs it
    cells=lambda book, dataset: [recipe(book, dataset)],
    splits=("test",),
    mib=mib,
)
