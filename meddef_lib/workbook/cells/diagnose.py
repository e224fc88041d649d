"""diagnose/<model>: whether the robustness of a network is real, as it was trained and pruned."""

from collections.abc import Iterator

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.diagnostics.catalogue import USED
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared, train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

NOT_OF_A_RESULT = ("variants", "rates", "images")  # which networks and images; the rest is the effort
BUDGETS, OTHERS, SINGLE = 6, 8, 20  # runs by budget and on other grounds; gradients that stand alone


def recipe(book: Workbook, model: Model) -> Recipe:
    """The checks of one network at every rate of the profile."""
    profile = book.profile
    wanted = profile.diagnostics
    settings = {
        "split": "test",
        "images": wanted.images,
        "rates": list(wanted.rates),
        "scope": profile.pruning.scope,
        "eps": profile.eps_scale(book.datasets[model.dataset]) * profile.pruning.eps,
        "effort": wanted.settings(*NOT_OF_A_RESULT),
        "batch_size": profile.evaluation.batch_size,
        "seed": model.seed,
    }
    inputs = {"model": train.recipe(book, model), "data": prepared.recipe(book, model.dataset)}
    if (other := surrogate(book, model)) is not None:
        inputs["surrogate"] = train.recipe(book, other)
    roots = tuple(ATTACKS[name].root for name in USED)
    return Recipe(f"diagnose/{model.id}", "meddef_lib.diagnostics.cell:make", settings, inputs, roots=roots)


def surrogate(book: Workbook, model: Model) -> Model | None:
    """Another network of the tables, trained separately, on which images are made that may transfer."""
    others = [other for other in book.main_models(model.dataset) if other.variant != model.variant]
    return others[0] if others else None


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every training of the variants that the profile names, with the first seed."""
    for model in book.chosen_models(dataset, book.profile.diagnostics.variants):
        yield recipe(book, model)


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients and queries that the checks of a network take, for each pruning rate."""
    settings, model = recipe.settings, recipe.inputs["model"].settings
    effort, rate = settings["effort"], costs.rates_of(model["variant"], model["image_size"])
    runs = effort["steps"] * (BUDGETS + effort["restarts"] + OTHERS)
    gradients = runs + effort["most_steps"] + SINGLE
    of_image = gradients * rate.gradient + (effort["queries"] + SINGLE) * rate.forward
    tested = costs.images_of(recipe, "test", settings["images"])
    return SECONDS_OF_A_START + len(settings["rates"]) * tested * of_image


KIND = Kind("diagnose", place=7, cells=cells, seconds=seconds, needs_rates=True)
