"""given/<hash>/<data set>/<variant>: somebody's own weights in the place of a training."""

from meddef_lib.engine.recipe import Recipe
from meddef_lib.models.variants import VARIANTS
from meddef_lib.results.model import Model
from meddef_lib.workbook import network_settings
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Kind

SECONDS = 4.0


def recipe(book: Workbook, model: Model) -> Recipe:
    """The given weights, read into the network that they are said to be."""
    settings = {**network_settings.settings(book, model), "weights": book.given}
    name = f"given/{book.given[:12]}/{model.dataset}/{model.variant}"
    return Recipe(name, "meddef_lib.models.given:make", settings, roots=(VARIANTS[model.variant].network,))


KIND = Kind("given", place=3, seconds=lambda recipe, costs: SECONDS, mib=90.0)
