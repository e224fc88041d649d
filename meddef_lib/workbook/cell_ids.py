"""What the id of a cell says."""

from collections.abc import Iterable


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
    return model, name.removeprefix(model).strip("/") if model else ""
