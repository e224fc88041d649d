"""audit/<data set>: counts, duplicates, patients, unreadable files, shortcuts."""

from collections.abc import Iterator

from meddef_lib.data import recipes
from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Kind


def recipe(book: Workbook, dataset: str) -> Recipe:
    """What the audit of the data set found. Raises DataError where the reader's images are missing."""
    return book.once(
        f"audit/{dataset}",
        lambda: recipes.audit(
            book.profile,
            book.datasets[dataset],
            store_root=book.store.root,
        ),
    )


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """One audit a data set."""
    yield recipe(book, dataset)


KIND = Kind("audit", place=2, cells=cells, seconds=lambda recipe, costs: costs.seconds_of_files(recipe))
