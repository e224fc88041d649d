"""diagnose/<model>: whether the robustness of a network is real, as it was trained and pruned.

diagnose/<model>/<defence>: the same of the plain network behind a defence.
"""

from collections.abc import Iterator

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES, UNDEFENDED, Defence
from meddef_lib.diagnostics.catalogue import USED
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import defence, train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

ROOTS = tuple(ATTACKS[name].root for name in USED)
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
    inputs = train.tried(book, model)
    if (other := surrogate(book, model)) is not None:
        inputs["surrogate"] = train.recipe(book, other)
    return Recipe(f"diagnose/{model.id}", "meddef_lib.diagnostics.cell:make", settings, inputs, roots=ROOTS)


def recipe_of_defence(book: Workbook, dataset: str, defended: Defence) -> Recipe:
    """The checks of the plain network behind a defence, on few images."""
    profile = book.profile
    settings = {
        "images": profile.defences.checked_images,
        "eps": profile.eps_scale(book.datasets[dataset]) * profile.pruning.eps,
        "effort": profile.diagnostics.settings(*NOT_OF_A_RESULT),
    }
    return defence.about(book, dataset, defended, "diagnose", "examine", settings, ROOTS)


def surrogate(book: Workbook, model: Model) -> Model | None:
    """Another network of the tables, trained separately, on which images are made that may transfer."""
    others = [other for other in book.main_models(model.dataset) if other.variant != model.variant]
    return others[0] if others else None


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every training of the variants that the profile names, with the first seed; then the defences."""
    for model in book.chosen_models(dataset, book.profile.diagnostics.variants):
        yield recipe(book, model)
    for defended in defence.defences(book) if book.profile.defences.checked_images else ():
        if defended.id != UNDEFENDED:
            yield recipe_of_defence(book, dataset, defended)


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients and queries that the checks of a network take, for each pruning rate."""
    settings = recipe.settings
    of_defence = "defence" in settings
    model = recipe.inputs[settings["networks"][0] if of_defence else "model"].settings
    effort, rate = settings["effort"], costs.rates_of(model)
    runs = effort["steps"] * (BUDGETS + effort["restarts"] + OTHERS)
    gradients = runs + effort["most_steps"] + SINGLE
    of_image = gradients * rate.gradient + (effort["queries"] + SINGLE) * rate.forward
    tested = costs.images_of(recipe, "test", settings["images"])
    if of_defence:
        times = defence.networks(recipe) * DEFENCES[settings["defence"]["id"]].examined
    else:
        times = len(settings["rates"])
    return SECONDS_OF_A_START + times * tested * of_image


KIND = Kind("diagnose", place=7, cells=cells, seconds=seconds, needs_rates=True)
