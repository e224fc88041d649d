"""least_eps/<model>: the least budget that flips each image, of a network as it was trained and pruned."""

from collections.abc import Iterator

from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

NOT_OF_A_SEARCH = ("variants", "every_training", "images", "rates")


def recipe(book: Workbook, model: Model) -> Recipe:
    """The search on one network at every rate of the profile, checked at the budgets of Tables 1 and 2."""
    profile = book.profile
    wanted, scale = profile.least_eps, profile.eps_scale(book.datasets[model.dataset])
    settings = {
        **train.on_test_images(book, model),
        "images": wanted.images,
        "rates": list(wanted.rates),
        "scope": profile.pruning.scope,
        "search": wanted.settings(*NOT_OF_A_SEARCH)
        | {"check_eps": [scale * eps for eps in profile.attacks.eps]},
    }
    inputs = train.tried(book, model)
    return Recipe(f"least_eps/{model.id}", "meddef_lib.diagnostics.least_eps:make", settings, inputs)


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every network that the profile names."""
    wanted = book.profile.least_eps
    for model in book.chosen_models(dataset, wanted.variants, every_training=wanted.every_training):
        yield recipe(book, model)


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients of the search for each pruning rate, of which half the budgets flip an image soon."""
    settings, rate = recipe.settings, costs.rates_of(recipe.inputs["model"].settings)
    search = settings["search"]
    gradients = search["halvings"] * (search["steps"] + 1) / 2
    gradients += len(search["check_eps"]) * (search["check_steps"] + 1)
    tested = costs.images_of(recipe, "test", settings["images"])
    return SECONDS_OF_A_START + len(settings["rates"]) * tested * gradients * rate.gradient


KINDS = (Kind("least_eps", place=8, cells=cells, seconds=seconds, needs_rates=True),)
