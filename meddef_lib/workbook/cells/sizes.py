"""sizes/<data set>: how many parameters each variant has, at the width that the paper builds it with."""

from meddef_lib.engine.recipe import Recipe
from meddef_lib.models.variants import VARIANTS
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Kind


def recipe(book: Workbook, dataset: str) -> Recipe:
    """Counted on networks that need no training, so that a thin one does not stand in for the paper's.

    The readings of the architecture that are left to the profile change no count.
    """
    variants = [VARIANTS[variant] for variant in book.profile.variants]
    settings = {
        "num_classes": len(book.datasets[dataset].classes),
        "networks": {variant.id: variant.recipe() for variant in variants},
    }
    roots = tuple(dict.fromkeys(variant.network for variant in variants))
    return Recipe(f"sizes/{dataset}", "meddef_lib.models.sizes:make", settings, roots=roots)


KIND = Kind(
    "sizes",
    place=2,
    cells=lambda book, dataset: [recipe(book, dataset)],
    seconds=lambda recipe, costs: SECONDS_OF_A_START,
)
