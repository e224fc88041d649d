"""saliency/<model>: Grad-CAM maps and their numbers, on clean and attacked images (4.8)."""

from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind


def recipe(book: Workbook, model: Model) -> Recipe:
    """Grad-CAM of one network."""
    attacks, scale = book.profile.attacks, book.profile.eps_scale(book.datasets[model.dataset])
    saliency = book.profile.saliency.settings("image_size", "train_limit", "epochs")
    settings = {
        "saliency": saliency | {"eps": scale * saliency["eps"]},
        "attack": {"steps": attacks.steps, "step_size": scale * attacks.step_size},
        "seed": model.seed,
    }
    return Recipe(
        f"saliency/{model.id}", "meddef_lib.evaluation.saliency:make", settings, train.tried(book, model)
    )


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The attack, and for clean and attacked images a map and both curves (deletion and insertion)."""
    settings, model = recipe.settings, recipe.inputs["model"].settings
    rate, shown = costs.rates_of(model), model["num_classes"] * settings["saliency"]["images_per_class"]
    passes = 2 * 2 * settings["saliency"]["deletion_steps"]
    gradients = settings["attack"]["steps"] + 2
    return SECONDS_OF_A_START + shown * (passes * rate.forward + gradients * rate.gradient)


KIND = Kind(
    "saliency",
    place=7,
    # the networks of the tables with the first seed, and the one of larger images
    cells=lambda book, dataset: (recipe(book, model) for model in book.saliency_models(dataset)),
    seconds=seconds,
    needs_rates=True,
)
