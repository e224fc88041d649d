"""given/<hash>/<data set>/<variant>: somebody's own weights in the place of a training."""

from typing import Any

from meddef_lib.engine.recipe import Recipe
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Costs, Kind

SECONDS = 4.0
MIB = 90.0  # of the largest network of the usual width, in float32


def network_settings(book: Workbook, model: Model) -> dict[str, Any]:
    """What a recipe says of a network: variant, size, first layer, and the readings that its blocks know."""
    dataset, variant = book.datasets[model.dataset], VARIANTS[model.variant]
    return {
        **variant.recipe(),
        "num_classes": len(dataset.classes),
        "image_size": model.image_size or book.profile.image_size,
        "mean": dataset.mean,
        "std": dataset.std,
        "model": book.profile.model.settings(*variant.ignores),
    }


def recipe(book: Workbook, model: Model) -> Recipe:
    """The given weights, read into the network that they are said to be."""
    settings = {**network_settings(book, model), "weights": book.given}
    name = f"given/{book.given[:12]}/{model.dataset}/{model.variant}"
    return Recipe(name, "meddef_lib.models.given:make", settings, roots=(VARIANTS[model.variant].network,))


def mib(recipe: Recipe, costs: Costs) -> float:
    """Of disk, for the weights, nearly all of which are as many as the width squared."""
    usual = ModelParams().width
    return MIB * (recipe.settings["model"].get("width", usual) / usual) ** 2


KIND = Kind("given", place=3, seconds=lambda recipe, costs: SECONDS, mib=mib)
