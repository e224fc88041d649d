"""stepwise/<data set>: a file of each class on its way through preprocessing, to be looked at (3.1.2)."""

from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import examined, prepared
from meddef_lib.workbook.kinds import Costs, Kind

SECONDS = 3.0


def recipe(book: Workbook, dataset: str) -> Recipe:
    """The first file of each class. Raises DataError where the reader's images are missing."""
    said, inputs = examined.source(book, dataset, book.profile.image_size)
    settings = {**said, "preprocessing": book.datasets[dataset].preprocessing.used()}
    inputs = {**inputs, "data": prepared.recipe(book, dataset)}
    return Recipe(f"stepwise/{dataset}", "meddef_lib.data.stepwise:make", settings, inputs)


def seconds(_recipe: Recipe, _costs: Costs) -> float:
    """A few files, whatever the number of images."""
    return SECONDS


KIND = Kind("stepwise", place=2, cells=lambda book, dataset: [recipe(book, dataset)], seconds=seconds)
