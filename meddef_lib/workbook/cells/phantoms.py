"""phantoms/<data set>: the folder of made-up images, which the data set's other cells start from."""

from meddef_lib.data.sources.phantoms.writing import modality
from meddef_lib.engine.recipe import Recipe
from meddef_lib.errors import DataError
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Costs, Kind

SEED = 0
MIB_OF_AN_IMAGE = 0.03
MODULE = "meddef_lib.data.sources.phantoms"


def recipe(book: Workbook, dataset: str) -> Recipe:
    """The made-up images of a data set, as files in folders. Raises DataError where it has none."""
    found = book.datasets[dataset]
    if found.phantoms is None:
        raise DataError(
            f"there are no made-up images of {found.title}; use its own with data.source=folders, or name "
            f"the phantoms that stand in for it (oct or chest) in params/datasets/{dataset}.yaml"
        )
    drawn = modality(found.phantoms).classes
    if set(drawn) != set(found.classes):
        raise DataError(
            f"{found.title} has the classes {', '.join(found.classes)}, and its phantoms "
            f"({found.phantoms}) show {', '.join(drawn)}; use data.source=folders"
        )
    settings = {"phantoms": found.phantoms, "params": book.profile.data.phantoms.settings(), "seed": SEED}
    roots = (f"{MODULE}.{found.phantoms}:MODALITY",)  # what draws, which the maker looks up by its kind
    return Recipe(f"phantoms/{dataset}", f"{MODULE}.writing:make", settings, roots=roots)


def mib(recipe: Recipe, costs: Costs) -> float:
    """A file an image."""
    params = recipe.settings["params"]
    return MIB_OF_AN_IMAGE * sum(params[split] for split in ("train", "val", "test"))


KINDS = (Kind("phantoms", place=0, mib=mib),)
