"""A trained network of the workbook by name, and how the ids of its cells are written and read back."""

from collections.abc import Iterable
from dataclasses import dataclass

from meddef_lib.params.profile import GIVEN


@dataclass(frozen=True)
class Model:
    """One network by data set, variant, training mode and seed."""

    dataset: str
    variant: str
    mode: str
    seed: int
    image_size: int | None = None  # None: the profile's; another one is for saliency alone

    @property
    def id(self) -> str:
        size = f"/{self.image_size}px" if self.image_size else ""
        return f"{self.dataset}/{self.variant}/{self.mode}/seed={self.seed}{size}"

    @property
    def is_given(self) -> bool:
        """Whether its weights were brought by somebody and not trained here."""
        return self.mode == GIVEN


def name_of(cell_id: str) -> str:
    """What a cell is called among its kind: `04_epsilon_sweep.roct` of `notebook/04_epsilon_sweep.roct`."""
    return cell_id.partition("/")[2]


def about(cell_id: str, models: Iterable[str]) -> tuple[str, str]:
    """The network and the attack that a cell is about, by its id and those of the networks; "" for none.

    The network is the longest one that the cell's name begins with.
    """
    name = name_of(cell_id)
    model = max((id for id in models if f"{name}/".startswith(f"{id}/")), key=len, default="")
    return model, name.removeprefix(model).strip("/") if model else ""


def kind_of(cell_id: str) -> str:
    """The kind of a cell, by its id: `train` of `train/roct/full/paper/seed=0`."""
    return cell_id.partition("/")[0]


def dataset_of(cell_id: str) -> str:
    """The data set of a cell, by its id: `roct` of `train/roct/full/paper/seed=0`."""
    return cell_id.split("/")[1]
