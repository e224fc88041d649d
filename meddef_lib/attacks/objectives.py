"""What an attack climbs: one number an image, larger where the model is more wrong.

Shapes: logits (n, classes), labels int64 (n,); every function returns (n,).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_TINY = 1e-12  # equal logits: a ratio of 0 / tiny instead of NaN


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax of the label."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The largest other logit less the label's: positive where the image is misclassified."""
    is_label = F.one_hot(labels, logits.shape[1]).bool()
    return torch.where(is_label, -torch.inf, logits).amax(dim=1) - _of(logits, labels)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio: the margin over z1 - z3 of the sorted logits (Croce & Hein 2020, eq. 6).

    With two classes there is no third logit and the ratio is undefined: the margin is returned.
    """
    if logits.shape[1] < 3:
        return margin(logits, labels)
    top = logits.topk(3, dim=1).values
    return margin(logits, labels) / (top[:, 0] - top[:, 2]).clamp(min=_TINY)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The target's logit less the label's, over z1 - (z3 + z4) / 2 (Croce & Hein 2020, eq. 7).

    Targets are int64 (n,). With fewer than four classes the difference alone is returned.
    """
    difference = _of(logits, targets) - _of(logits, labels)
    if logits.shape[1] < 4:
        return difference
    top = logits.topk(4, dim=1).values
    return difference / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2).clamp(min=_TINY)


def _of(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None])[:, 0]
