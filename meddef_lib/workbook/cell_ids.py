"""What the id of a cell says."""


def kind_of(cell_id: str) -> str:
    """The kind of a cell: `train` of `train/roct/full/paper/seed=0`."""
    return cell_id.partition("/")[0]


def dataset_of(cell_id: str) -> str:
    """The data set of a cell: `roct` of `train/roct/full/paper/seed=0`."""
    return cell_id.split("/")[1]
