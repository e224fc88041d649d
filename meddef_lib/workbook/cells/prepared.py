"""prepared/<data set>: its images decoded, split and stored as one array."""

from collections.abc import Iterator

from meddef_lib.data import recipes
from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Kind


def recipe(book: Workbook, dataset: str, image_size: int | None = None) -> Recipe:
    """The prepared data set, at the profile's image size or another one (for saliency).

    Raises DataError where the reader's images are missing.
    """
    size = image_size or book.profile.image_size
    name = f"prepared/{dataset}" + (f"/{size}px" if size != book.profile.image_size else "")
    return book.once(
        name,
        lambda: recipes.prepared(
            book.profile, book.datasets[dataset], store_root=book.store.root, image_size=size
        ),
    )


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """The data set at the profile's size; at another one it comes with the model that needs it."""
    yield recipe(book, dataset)


KIND = Kind(
    "prepared",
    place=1,
    cells=cells,
    seconds=lambda recipe, costs: costs.seconds_of_files(recipe),
    splits=("test",),
)
