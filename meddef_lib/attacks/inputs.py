"""What every attack asks of its arguments, checked before any work."""

import torch
from torch import Tensor


def check(
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = 0.0,
    step_size: float = 0.0,
    **counts: int | None,
) -> None:
    """Raise ValueError, a sentence, unless these are arguments for an attack.

    Images are float32 or float64 (n, c, h, w) in [0, 1], labels int64 (n,); eps and step_size are at least 0
    and finite, `counts` (steps, restarts, batch_size and the like) at least 1 where they are given.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"An attack takes floating-point images (n, c, h, w); these are {images.dtype} "
            f"{tuple(images.shape)}. meddef_lib.models.pixels makes them from stored grey levels."
        )
    if images.dtype not in (torch.float32, torch.float64):
        # below 1 the numbers of float16 are 1/2048 apart, those of bfloat16 1/256: too few for a budget
        raise ValueError(
            f"An attack takes float32 or float64 images; these are {images.dtype}, which rounds a small "
            "budget away. For speed compute the network in half precision (evaluation's bfloat16), and "
            "leave the pixels as they are."
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"An attack takes one int64 label an image; for {len(images)} images these are {labels.dtype} "
            f"{tuple(labels.shape)}."
        )
    # "not within" rather than "outside": NaN is neither
    if len(images) and not (images.amin() >= 0 and images.amax() <= 1):
        low, high = images.aminmax()
        raise ValueError(
            f"An attack takes pixels in [0, 1]; these reach from {low.item():g} to {high.item():g}. The "
            "normalisation belongs into the model."
        )
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps is {eps}; expected a budget of at least 0 for pixels in [0, 1].")
    if not 0 <= step_size < float("inf"):
        raise ValueError(f"step_size is {step_size}; expected a step of at least 0 for pixels in [0, 1].")
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"{name} is {count}; expected at least 1.")
