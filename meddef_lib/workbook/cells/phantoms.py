"""phantoms/<data set>: the folder of made-up images."""

from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Kind

PHANTOM_SEED = 0


def recipe(book: Workbook, dataset: str) -> Recipe:
    """The made-up images of a data set, as files in folders."""
    settings = {
        "dataset": dataset,
        "phantoms": book.profile.data.phantoms.settings(),
        "seed": PHANTOM_SEED,
    }
    return Recipe(f"phantoms/{dataset}", "meddef_lib.data.phantoms:make", settings)


KIND = Kind("phantoms", place=0, seconds=lambda recipe, costs: costs.seconds_of_files(recipe))
