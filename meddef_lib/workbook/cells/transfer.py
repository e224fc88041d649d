"""transfer/<model>: images made on this network, shown to every other one of its data set."""

from collections.abc import Iterator

from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared, train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind


def recipe(book: Workbook, model: Model) -> Recipe:
    """What the networks answer to images that PGD makes on one of them at the epsilon of Tables 3 and 4."""
    profile, dataset = book.profile, model.dataset
    scale = profile.eps_scale(book.datasets[dataset])
    targets = networks(book, dataset)
    settings = {
        **train.on_test_images(book, model),
        "images": profile.transfer.images,
        "eps": scale * profile.pruning.eps,
        "step_size": scale * profile.attacks.step_size,
        "steps": profile.attacks.steps,
        "source": model.id,
        "targets": [target.id for target in targets],
    }
    inputs = {"data": prepared.recipe(book, dataset)}
    inputs |= {target.id: train.recipe(book, target) for target in targets}
    return Recipe(f"transfer/{model.id}", "meddef_lib.diagnostics.transfer:make", settings, inputs)


def networks(book: Workbook, dataset: str) -> list[Model]:
    wanted = book.profile.transfer
    return book.chosen_models(dataset, wanted.variants, every_training=wanted.every_training)


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every such network, where there are two."""
    models = networks(book, dataset)
    for model in models if len(models) > 1 else ():
        yield recipe(book, model)


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients on one network, and two passes through each."""
    settings = recipe.settings
    rates = {name: costs.rates_of(recipe.inputs[name].settings) for name in settings["targets"]}
    passes = 2 * sum(rate.forward for rate in rates.values())
    of_image = settings["steps"] * rates[settings["source"]].gradient + passes
    return SECONDS_OF_A_START + costs.images_of(recipe, "test", settings["images"]) * of_image


KINDS = (Kind("transfer", place=8, cells=cells, seconds=seconds, needs_rates=True),)
