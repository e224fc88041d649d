"""distilled/<model>: a network that learnt the softened answers of another (a defence of 4.5)."""

from meddef_lib.defences.registry import DEFENCES
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import given, train
from meddef_lib.workbook.kinds import Costs, Kind


def recipe(book: Workbook, model: Model) -> Recipe:
    """Teacher and student, each trained as this network is, at a temperature."""
    own = DEFENCES["distillation"].settings(book.profile.defences)
    plain = train.recipe(book, model)
    return Recipe(
        f"distilled/{model.id}",
        "meddef_lib.training.distillation:make",
        {**plain.settings, **own},
        plain.inputs,
        roots=plain.roots,
        speed=plain.speed,
    )


def seconds(recipe: Recipe, costs: Costs) -> float:
    """Two trainings, and the teacher's answers to every image of the student's epochs."""
    answered = recipe.settings["training"]["epochs"] * costs.images_of(recipe, "train")
    return 2 * train.seconds(recipe, costs) + answered * costs.rates_of(recipe.settings).forward


# it comes with the defence that needs it
KIND = Kind("distilled", 3, seconds, splits=("train", "val"), needs_rates=True, mib=given.mib)
