"""anatomy/<model>: a network and its weights, for pictures of them (Figures 2 and 4)."""

from collections.abc import Iterator

from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import Kind

SECONDS = 4.0
SHOWN_RATE = 0.3  # the cut of Figure 4's example, where the profile prunes at it


def recipe(book: Workbook, model: Model) -> Recipe:
    """What is drawn of a network, with the cut at one pruning rate."""
    rates = [rate for rate in book.profile.pruning.rates if rate > 0]
    settings = {
        "image_size": book.profile.image_size,
        "rate": SHOWN_RATE if SHOWN_RATE in rates or not rates else rates[0],
        "scope": book.profile.pruning.scope,
    }
    inputs = {"model": train.recipe(book, model)}
    return Recipe(f"anatomy/{model.id}", "meddef_lib.evaluation.anatomy:make", settings, inputs)


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """The full network with the first seed, where the profile has it."""
    first = book.profile.seeds[0]
    for model in book.main_models(dataset):
        if model.variant == "full" and model.seed == first:
            yield recipe(book, model)


KIND = Kind("anatomy", place=6, cells=cells, seconds=lambda recipe, costs: SECONDS)
