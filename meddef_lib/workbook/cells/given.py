"""given/<hash>/<data set>/<variant>: somebody's own weights in the place of a training."""

from typing import Any

from meddef_lib.engine.recipe import Recipe
from meddef_lib.models.variants import VARIANTS
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Kind

SECONDS = 4.0


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


KIND = Kind("given", place=3, seconds=lambda recipe, costs: SECONDS, mib=lambda recipe, costs: 90.0)
