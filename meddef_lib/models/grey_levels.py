"""From stored grey images to what networks and attacks take."""

import torch
from torch import Tensor


def pixels(batch: Tensor) -> Tensor:
    """Stored grey levels as a batch of images in [0, 1], on the device they are on.

    Shapes: uint8 (n, h, w) or (n, 1, h, w); returns float32 (n, 3, h, w), three equal channels in memory of
    their own, so that a perturbation may differ between them. Raises TypeError and ValueError.
    """
    if batch.dtype != torch.uint8:
        raise TypeError(f"the batch holds {batch.dtype}; expected the stored uint8 grey levels 0 to 255")
    if batch.ndim == 3:
        batch = batch.unsqueeze(1)
    if batch.ndim != 4 or batch.shape[1] != 1:
        raise ValueError(f"the batch has shape {tuple(batch.shape)}; expected (n, h, w) or (n, 1, h, w)")
    return batch.to(torch.float32).div_(255).repeat(1, 3, 1, 1)
