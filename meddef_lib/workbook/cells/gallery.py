"""gallery/<model>: an image of each class under every attack and epsilon, to be looked at (2.2, 4.8)."""

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.results.parts.names import PRINTED
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import MIB_OF_A_CELL, SECONDS_OF_A_START, Costs, Kind


def shown(book: Workbook) -> list[str]:
    """The paper's attacks among those of the profile."""
    return [name for name in PRINTED if name in book.profile.attacks.methods]


def recipe(book: Workbook, model: Model) -> Recipe:
    """What is `shown` on one network, at every epsilon."""
    attacks, scale = book.profile.attacks, book.profile.eps_scale(book.datasets[model.dataset])
    chosen = [ATTACKS[name] for name in shown(book)]
    runs = [{"attack": one.recipe(attacks), "eps": eps} for one in chosen for eps in one.eps(attacks)]
    settings = {"runs": runs, "seed": model.seed} | ({"eps_scale": scale} if scale != 1 else {})
    roots = tuple(one.root for one in chosen)
    return Recipe(
        f"gallery/{model.id}",
        "meddef_lib.evaluation.gallery:make",
        settings,
        train.tried(book, model),
        roots=roots,
    )


def seconds(recipe: Recipe, costs: Costs) -> float:
    """One image a class: each attack's gradients, and a map before and after."""
    model = recipe.inputs["model"].settings
    rate, classes = costs.rates_of(model), model["num_classes"]
    gradients = sum(
        2 + ATTACKS[run["attack"]["id"]].gradients(run["attack"]["settings"], model["image_size"], classes)
        for run in recipe.settings["runs"]
    )
    return SECONDS_OF_A_START + classes * gradients * rate.gradient


def mib(recipe: Recipe, costs: Costs) -> float:
    """Two bytes a pixel, run and class."""
    model = recipe.inputs["model"].settings
    images = len(recipe.settings["runs"]) * model["num_classes"]
    return MIB_OF_A_CELL + 2 * images * model["image_size"] ** 2 / 2**20


KIND = Kind(
    "gallery",
    place=7,
    cells=lambda book, dataset: (
        recipe(book, model) for model in book.saliency_models(dataset) if shown(book)
    ),
    seconds=seconds,
    needs_rates=True,
    mib=mib,
)
