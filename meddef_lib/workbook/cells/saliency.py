"""saliency/<model>: Grad-CAM maps and their numbers, on clean and attacked images (4.8).

gallery/<model>: an image of each class under every attack and epsilon, to be looked at (2.2, 4.8).
anatomy/<model>: a network and its weights, for pictures of them (Figures 2 and 4).
"""

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.results.parts.names import PRINTED
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import MIB_OF_A_CELL, SECONDS_OF_A_START, Costs, Kind

SECONDS_OF_AN_ANATOMY = 4.0
SHOWN_RATE = 0.3  # the cut of Figure 4's example, where the profile prunes at it


def recipe(book: Workbook, model: Model) -> Recipe:
    attacks, scale = book.profile.attacks, book.profile.eps_scale(book.datasets[model.dataset])
    saliency = book.profile.saliency.settings("image_size", "train_limit", "epochs")
    settings = {
        "saliency": saliency | {"eps": scale * saliency["eps"]},
        "attack": {"steps": attacks.steps, "step_size": scale * attacks.step_size},
        "seed": model.seed,
    }
    maker = "meddef_lib.evaluation.examples:make_saliency"
    return Recipe(f"saliency/{model.id}", maker, settings, train.tried(book, model))


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The attack, and for clean and attacked images a map and both curves (deletion and insertion)."""
    settings, model = recipe.settings, recipe.inputs["model"].settings
    rate, shown = costs.rates_of(model), model["num_classes"] * settings["saliency"]["images_per_class"]
    passes = 2 * 2 * settings["saliency"]["deletion_steps"]
    gradients = settings["attack"]["steps"] + 2
    return SECONDS_OF_A_START + shown * (passes * rate.forward + gradients * rate.gradient)


def shown(book: Workbook) -> list[str]:
    """The paper's attacks among those of the profile."""
    return [name for name in PRINTED if name in book.profile.attacks.methods]


def gallery(book: Workbook, model: Model) -> Recipe:
    """What is `shown` on one network, at every epsilon."""
    attacks, scale = book.profile.attacks, book.profile.eps_scale(book.datasets[model.dataset])
    chosen = [ATTACKS[name] for name in shown(book)]
    runs = [{"attack": one.recipe(attacks), "eps": eps} for one in chosen for eps in one.eps(attacks)]
    settings = {"runs": runs, "seed": model.seed} | ({"eps_scale": scale} if scale != 1 else {})
    roots = tuple(one.root for one in chosen)
    return Recipe(
        f"gallery/{model.id}",
        "meddef_lib.evaluation.examples:make_gallery",
        settings,
        train.tried(book, model),
        roots=roots,
    )


def seconds_of_gallery(recipe: Recipe, costs: Costs) -> float:
    """One image a class: each attack's gradients, and a map before and after."""
    model = recipe.inputs["model"].settings
    rate, classes = costs.rates_of(model), model["num_classes"]
    gradients = sum(
        2 + ATTACKS[run["attack"]["id"]].gradients(run["attack"]["settings"], model["image_size"], classes)
        for run in recipe.settings["runs"]
    )
    return SECONDS_OF_A_START + classes * gradients * rate.gradient


def mib_of_gallery(recipe: Recipe, costs: Costs) -> float:
    """Two bytes a pixel, run and class."""
    model = recipe.inputs["model"].settings
    images = len(recipe.settings["runs"]) * model["num_classes"]
    return MIB_OF_A_CELL + 2 * images * model["image_size"] ** 2 / 2**20


def anatomy(book: Workbook, model: Model) -> Recipe:
    """What is drawn of a network, with the cut at one pruning rate."""
    rates = [rate for rate in book.profile.pruning.rates if rate > 0]
    settings = {
        "image_size": book.profile.image_size,
        "rate": SHOWN_RATE if SHOWN_RATE in rates or not rates else rates[0],
        "scope": book.profile.pruning.scope,
    }
    inputs = {"model": train.recipe(book, model)}
    return Recipe(f"anatomy/{model.id}", "meddef_lib.evaluation.anatomy:make", settings, inputs)


KINDS = (
    Kind(
        "saliency",
        place=7,
        # the networks of the tables with the first seed, and the one of larger images
        cells=lambda book, dataset: (recipe(book, model) for model in book.saliency_models(dataset)),
        seconds=seconds,
        needs_rates=True,
    ),
    Kind(
        "gallery",
        place=7,
        cells=lambda book, dataset: (
            gallery(book, model) for model in book.saliency_models(dataset) if shown(book)
        ),
        seconds=seconds_of_gallery,
        needs_rates=True,
        mib=mib_of_gallery,
    ),
    Kind(
        "anatomy",
        place=6,
        # the full network with the first seed, where the profile has it
        cells=lambda book, dataset: (
            anatomy(book, model) for model in book.chosen_models(dataset, ["full"], every_training=False)
        ),
        seconds=lambda recipe, costs: SECONDS_OF_AN_ANATOMY,
    ),
)
