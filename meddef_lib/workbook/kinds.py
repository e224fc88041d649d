"""Kinds of cells, found in the modules of `workbook/cells`, with their recipes and what they cost.

An id begins with its kind and goes on with what it is about: a data set, a network, an attack on that, as in
prune/roct/full/paper/seed=0/pgd. Which there are stands above the modules. An attack's and a pruned network's
records end in eps=0.05 or rate=0.3 where each is a cell of its own.
"""

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import cache
from typing import Any

from meddef_lib.engine.recipe import Recipe
from meddef_lib.workbook import cells
from meddef_lib.workbook.book import Workbook

LIKE = "full"  # what a variant that was not measured is taken to cost
SECONDS_OF_A_START = 0.5
SECONDS_OF_AN_IMAGE = 0.006  # to make up, read, prepare or audit one
MIB_OF_A_CELL = 0.1  # of disk, for the receipt and a few small files
MIB_OF_A_RECORD = 60 / 2**20


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

    def rates_of(self, model: Mapping[str, Any]) -> Rates:
        """The rates of a network by its variant and size, in proportion to the pixels."""
        rates = self.rates.get(model["variant"], self.rates[LIKE])
        scale = (model["image_size"] / self.image_size) ** 2
        return Rates(*(scale * seconds for seconds in astuple(rates)))

    def images_of(self, recipe: Recipe, split: str, limit: int | None = None) -> float:
        """How many images of a split a cell looks at."""
        return min(self.images[dataset_of(recipe.id)][split], limit or math.inf)

    def seconds_of_files(self, recipe: Recipe) -> float:
        """What it takes to look at every image of the cell's data set once."""
        return 1.0 + SECONDS_OF_AN_IMAGE * sum(self.images[dataset_of(recipe.id)].values())


@dataclass(frozen=True)
class Kind:
    """A kind of cell: `cells` are those of a data set that are shown, `seconds` what one takes alone,
    which is a look at every image where it is not said.

    Kinds come in the order of `place`; what a cell needs is made before it wherever its kind stands.
    """

    name: str  # which ids begin with
    place: int
    seconds: Callable[[Recipe, Costs], float] = lambda recipe, costs: costs.seconds_of_files(recipe)
    cells: Callable[[Workbook, str], Iterable[Recipe]] = lambda book, dataset: ()
    splits: tuple[str, ...] = ()  # of the data set, that may not be empty
    needs_rates: bool = False  # whether `seconds` goes by how fast a device computes networks
    mib: Callable[[Recipe, Costs], float] = lambda recipe, costs: MIB_OF_A_CELL  # of disk, for one


@cache
def kinds() -> Mapping[str, Kind]:
    modules = [
        importlib.import_module(f"{cells.__name__}.{found.name}")
        for found in pkgutil.iter_modules(cells.__path__)
    ]
    every = [kind for module in modules for kind in module.KINDS]
    return {kind.name: kind for kind in sorted(every, key=lambda kind: (kind.place, kind.name))}


def cells_of(book: Workbook, dataset: str, names: Iterable[str] = ()) -> Iterator[Recipe]:
    """The cells of a data set that are shown, of all kinds or of those named, in the paper's order."""
    chosen = set(names)
    for kind in kinds().values():
        if not chosen or kind.name in chosen:
            yield from kind.cells(book, dataset)


def every_cell(book: Workbook) -> dict[str, Recipe]:
    """Every cell of a workbook by id, each after its inputs. Raises DataError where images are missing."""
    shown = (recipe for dataset in book.datasets for recipe in cells_of(book, dataset))
    return book.once("cells", lambda: {each.id: each for recipe in shown for each in recipe.with_inputs()})


def kind_of(cell_id: str) -> str:
    """The kind of a cell: `train` of `train/roct/full/paper/seed=0`."""
    return cell_id.partition("/")[0]


def dataset_of(cell_id: str) -> str:
    """The data set of a cell: `roct` of `train/roct/full/paper/seed=0`."""
    return cell_id.split("/")[1]


def name_of(cell_id: str) -> str:
    """What a cell is called among its kind: `04_epsilon_sweep.roct` of `notebook/04_epsilon_sweep.roct`."""
    return cell_id.partition("/")[2]


def about(cell_id: str, models: Iterable[str]) -> tuple[str, str]:
    """The network and the attack that a cell is about, by its id and those of the networks; "" for none.

    The network is the longest one that the cell's name begins with.
    """
    name = name_of(cell_id)
    model = max((id for id in models if f"{name}/".startswith(f"{id}/")), key=len, default="")
    return model, name.removeprefix(model).strip("/").partition("/")[0] if model else ""
