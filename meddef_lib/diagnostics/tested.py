"""The test images that a cell of this room looks at."""

import torch
from torch import Tensor

from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models.blocks import pixels


def tested(space: Workspace, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images float (n, 3, h, w) in [0, 1] and labels int64 (n,) on the device of the cell, ids int64 (n,).

    At most so many, drawn by class from the seed. Settings: split; seed. Input: data.
    """
    settings = space.settings
    data = prepared.load(space.inputs["data"])
    rows = data.subset(settings["split"], limit=most, seed=settings["seed"])
    images = pixels(torch.as_tensor(data.images[rows])).to(space.device)
    labels = torch.as_tensor(data.labels[rows]).to(space.device)
    return images, labels, torch.as_tensor(data.index["image_id"].to_numpy()[rows])
