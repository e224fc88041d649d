"""boosted/<model>: boosted trees on deep features, attacked (Table 5's Vasan and Hammoudeh 2024).

The features are those of our ResNet-18 as it was trained clean, or of torchvision's ResNet-152 with weights
of a file that the reader gives: then boosted/<data set>/resnet152.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from meddef_lib.engine.files import file_hash
from meddef_lib.engine.recipe import Recipe
from meddef_lib.models.variants import RESNET18
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared, train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

RESNET152 = "resnet152"
TIMES_RESNET18 = 6.4  # what a pass through it takes: multiplications, torchvision's table of its models
SECONDS_OF_A_TREE = 0.02


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """The pipeline of a data set, where xgboost is installed and there is a network for its features."""
    wanted, seed = book.profile.boosted, book.profile.seeds[0]
    if not wanted.enabled or find_spec("xgboost") is None:
        return
    profile, scale = book.profile, book.profile.eps_scale(book.datasets[dataset])
    settings: dict[str, Any] = {
        **wanted.settings("enabled", "weights"),
        "eps": scale * profile.pruning.eps,
        "step_size": scale * profile.attacks.step_size,
        "steps": profile.attacks.steps,
        "batch_size": profile.evaluation.batch_size,
        "seed": seed,
    }
    maker, data = "meddef_lib.evaluation.boosted:make", prepared.recipe(book, dataset)
    if wanted.weights:
        expected = "null, or a file of torchvision's ResNet-152 weights"
        file = train.file_of("boosted.weights", wanted.weights, expected)
        settings |= {"backbone": RESNET152, "weights_sha256": file_hash(file)}
        place = {"weights": str(file)}
        yield Recipe(f"boosted/{dataset}/{RESNET152}", maker, settings, {"data": data}, speed=place)
        return
    for model in book.models(dataset):
        if (model.variant, model.mode, model.seed) == (RESNET18.id, "clean", seed):
            inputs = {"data": data, "model": train.recipe(book, model)}
            yield Recipe(f"boosted/{model.id}", maker, settings | {"backbone": RESNET18.id}, inputs)


def seconds(recipe: Recipe, costs: Costs) -> float:
    """Features and gradients of the training images, the trees, PGD on the test images twice, and Square."""
    settings, times = recipe.settings, 1.0 if "model" in recipe.inputs else TIMES_RESNET18
    rate = costs.rates_of({**recipe.inputs["data"].settings, "variant": RESNET18.id})
    of_train = 2 * rate.forward + settings["crafting_steps"] * rate.gradient
    of_test = 2 * settings["steps"] * rate.gradient + (6 + settings["queries"]) * rate.forward
    images = costs.images_of(recipe, "train", settings.get("training_images")) * of_train
    images += costs.images_of(recipe, "test", settings["images"]) * of_test
    return SECONDS_OF_A_START + times * images + SECONDS_OF_A_TREE * settings["trees"]


KINDS = (
    Kind(
        "boosted",
        place=8,
        cells=cells,
        seconds=seconds,
        splits=("train", "test"),
        needs_rates=True,
        mib=lambda recipe, costs: 5.0,
    ),
)
