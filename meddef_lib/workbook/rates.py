"""What the costs of cells are reckoned from: how fast a machine computes networks, and how many images."""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook.cell_ids import dataset_of

LIKE = "full"  # what a variant that was not measured is taken to cost
SECONDS_OF_A_START = 0.5
SECONDS_OF_AN_IMAGE = 0.006  # to make up, read, prepare or audit one


@dataclass(frozen=True)
class Rates:
    """Seconds an image of one variant at one size."""

    forward: float
    gradient: float  # of the input, in an attack that evaluates
    training: float  # forward and backward
    crafting: float  # gradient of the input, in the attack inside training


@dataclass(frozen=True)
class Costs:
    """What the seconds of a cell depend on."""

    image_size: int  # that `rates` were measured at
    rates: Mapping[str, Rates]  # by the variant that was measured
    images: Mapping[str, Mapping[str, int]]  # data set -> split -> images

    def rates_of(self, variant: str, image_size: int) -> Rates:
        """The rates of a variant at a size, in proportion to the pixels."""
        scale = (image_size / self.image_size) ** 2
        return Rates(
            *(scale * seconds for seconds in astuple(self.rates[variant if variant in self.rates else LIKE]))
        )

    def images_of(self, recipe: Recipe, split: str, limit: int | None = None) -> float:
        """How many images of a split a cell looks at."""
        return min(self.images[dataset_of(recipe.id)][split], limit or math.inf)

    def seconds_of_files(self, recipe: Recipe) -> float:
        """What it takes to look at every image of the cell's data set once."""
        return 1.0 + SECONDS_OF_AN_IMAGE * sum(self.images[dataset_of(recipe.id)].values())
