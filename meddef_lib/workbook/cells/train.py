"""train/<model>: a trained network.

given/<hash>/<data set>/<variant>: somebody's own weights in the place of a training.
distilled/<model>: a network that learnt the softened answers of another (a defence of 4.5).
sizes/<data set>: how many parameters each variant has, at the width that the paper builds it with.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meddef_lib import paths
from meddef_lib.defences.registry import DEFENCES
from meddef_lib.engine.files import file_hash
from meddef_lib.engine.recipe import Recipe
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams, ParamsError
from meddef_lib.results.model import Model
from meddef_lib.training import settings as training_settings
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

SECONDS_OF_READING = 4.0  # somebody's weights
MIB_OF_WEIGHTS = 90.0  # of the largest network of the usual width, in float32


def recipe(book: Workbook, model: Model) -> Recipe:
    """A trained network, or the given weights in its place."""
    if model.is_given:
        return given(book, model)
    profile, dataset = book.profile, book.datasets[model.dataset]
    in_pixels = profile.training.scaled(profile.eps_scale(dataset))
    training = training_settings.of_mode(in_pixels, model.mode)
    training["batch_size"] = profile.training.batch_size_of(dataset)
    if model.image_size:
        training["epochs"] = profile.saliency.epochs or training["epochs"]
    settings: dict[str, Any] = {
        **network_settings(book, model),
        "mode": model.mode,
        "seed": model.seed,
        "training": training,
        **first_weights(profile.model, model.variant),
    }
    if model.image_size and profile.saliency.train_limit:
        settings["train_limit"] = profile.saliency.train_limit
    return Recipe(
        f"train/{model.id}",
        "meddef_lib.training.cell:make",
        settings,
        {"data": prepared.recipe(book, model.dataset, model.image_size)},
        roots=(VARIANTS[model.variant].network,),
        speed=training_settings.speed(profile.training),
    )


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


def given(book: Workbook, model: Model) -> Recipe:
    """The given weights, read into the network that they are said to be."""
    settings = {**network_settings(book, model), "weights": book.given}
    name = f"given/{book.given[:12]}/{model.dataset}/{model.variant}"
    return Recipe(name, "meddef_lib.models.given:make", settings, roots=(VARIANTS[model.variant].network,))


def distilled(book: Workbook, model: Model) -> Recipe:
    """Teacher and student, each trained as this network is, at a temperature."""
    own = DEFENCES["distillation"].settings(book.profile.defences)
    plain = recipe(book, model)
    return Recipe(
        f"distilled/{model.id}",
        "meddef_lib.training.distillation:make",
        {**plain.settings, **own},
        plain.inputs,
        roots=plain.roots,
        speed=plain.speed,
    )


def sizes(book: Workbook, dataset: str) -> Recipe:
    """Counted on networks that need no training, so that a thin one does not stand in for the paper's.

    The readings of the architecture that are left to the profile change no count.
    """
    variants = [VARIANTS[variant] for variant in book.profile.variants]
    settings = {
        "num_classes": len(book.datasets[dataset].classes),
        "networks": {variant.id: variant.recipe() for variant in variants},
    }
    roots = tuple(dict.fromkeys(variant.network for variant in variants))
    return Recipe(f"sizes/{dataset}", "meddef_lib.models.outline:make", settings, roots=roots)


def tried(book: Workbook, model: Model) -> dict[str, Recipe]:
    """A trained network and the images that it is tried on: what most cells are computed from."""
    return {"model": recipe(book, model), "data": prepared.recipe(book, model.dataset, model.image_size)}


def on_test_images(book: Workbook, model: Model) -> dict[str, Any]:
    """Settings that cells share which try a network on some test images."""
    return {"split": "test", "batch_size": book.profile.evaluation.batch_size, "seed": model.seed}


def first_weights(model: ModelParams, variant: str) -> dict[str, str]:
    """The content of a file of first weights: its path alone would not tell that it has changed.

    Raises ParamsError where there is no such file, and where a ResNet-18's weights do not fit the variant.
    """
    usual = ModelParams().width
    if model.pretrained is not None and model.width != usual:
        raise ParamsError(
            f"model.pretrained is {model.pretrained!r} and model.width {model.width}, but weights of a "
            f"ResNet-18 fit a width of {usual} alone; set model.width={usual}, or leave model.pretrained out"
        )
    if model.pretrained is not None and not VARIANTS[variant].of_resnet18:
        raise ParamsError(
            f"model.pretrained is {model.pretrained!r}, and weights of a ResNet-18 do not fit the variant "
            f"{variant}; take it out of variants or comparison.networks (comparison.networks={{}} compares "
            "with none), or leave model.pretrained out"
        )
    if model.pretrained in (None, "imagenet"):
        return {}
    expected = "null, imagenet, or a file of ResNet-18 weights"
    return {"pretrained_sha256": file_hash(file_of("model.pretrained", model.pretrained, expected))}


def file_of(key: str, name: str, expected: str) -> Path:
    """The file that a parameter names, from the root. Raises ParamsError where there is none."""
    file = paths.ROOT / name
    if not file.is_file():
        raise ParamsError(f"{key} is {name!r}, but there is no file {file}; expected {expected}")
    return file


def seconds(recipe: Recipe, costs: Costs) -> float:
    """What each epoch trains on, clean and attacked, the gradients that craft it, and the validation."""
    training, mode = recipe.settings["training"], recipe.settings["mode"]
    rate = costs.rates_of(recipe.settings)
    attacked = {"clean": 0.0, "paper": training.get("attacked_share", 0.0)}.get(mode, 1.0)
    steps = {"paper": training.get("pgd_steps", 0), "fast": 1}.get(mode, training.get("reference_steps", 0))
    joined = mode == "trades" or training.get("attacked_images") == "join"
    trained = 1 + attacked if joined else 1.0
    images = costs.images_of(recipe, "train", recipe.settings.get("train_limit"))
    of_train = images * (trained * rate.training + attacked * steps * rate.crafting)
    exposed = training.get("validation_attacked_share", 0.0) * training.get("validation_steps", 0)
    of_validation = costs.images_of(recipe, "val") * (rate.forward + exposed * rate.crafting)
    return SECONDS_OF_A_START + training["epochs"] * (of_train + of_validation)


def seconds_of_two(recipe: Recipe, costs: Costs) -> float:
    """Two trainings, and the teacher's answers to every image of the student's epochs."""
    answered = recipe.settings["training"]["epochs"] * costs.images_of(recipe, "train")
    return 2 * seconds(recipe, costs) + answered * costs.rates_of(recipe.settings).forward


def mib(recipe: Recipe, costs: Costs) -> float:
    """Of disk, for the weights, nearly all of which are as many as the width squared."""
    usual = ModelParams().width
    return MIB_OF_WEIGHTS * (recipe.settings["model"].get("width", usual) / usual) ** 2


NETWORK: Mapping[str, Any] = {"place": 3, "splits": ("train", "val"), "needs_rates": True, "mib": mib}
KINDS = (
    Kind(
        "train",
        seconds=seconds,
        cells=lambda book, dataset: (
            recipe(book, model) for model in (*book.models(dataset), *book.larger_models(dataset))
        ),
        **NETWORK,
    ),
    Kind("distilled", seconds=seconds_of_two, **NETWORK),  # it comes with the defence that needs it
    Kind("given", place=3, seconds=lambda recipe, costs: SECONDS_OF_READING, mib=mib),
    Kind(
        "sizes",
        place=2,
        cells=lambda book, dataset: [sizes(book, dataset)],
        seconds=lambda recipe, costs: SECONDS_OF_A_START,
    ),
)
