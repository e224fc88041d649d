"""Square attack: random search that asks for logits only and no gradient (Andriushchenko et al. 2020).

Written from the paper (algorithms 1 and 2, L-infinity), with AutoAttack's settings. A masked gradient does
not protect from it. Success is worst case by definition: an image leaves at its first misclassified query.
"""

from math import sqrt

import torch
from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace, box, check, frozen
from meddef_lib.attacks.objectives import margin
from meddef_lib.attacks.registry import Attack, Cost, Setting
from meddef_lib.attacks.starts import draws, ids_or_places
from meddef_lib.inference_mode import outside_inference_mode

SHARE = 0.8  # p: share of the image that the first squares cover
# of 10,000 queries, those after which the share is halved (section 5 of the paper)
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


ATTACK = Attack(
    id="square",
    title="Square",
    seeded=True,
    worst_case=True,
    own={"queries": Setting(5000, least=1)},
    cost=Cost(steps="queries", logits_only=True),
)


@outside_inference_mode
def square(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    queries: int = 5000,
    seed: int = 0,
    image_ids: Tensor | None = None,
    trace: Trace | None = None,
) -> Tensor:
    """Move squares of the image to corners of the ball where that helps, `queries` times at most.

    Shapes: images (n, c, h, w) in [0, 1]; labels int64 (n,); returns new images: the first misclassified one,
    else that of the smallest margin. Raises ValueError.
    """
    check(images, labels, eps=eps, queries=queries)
    ids = ids_or_places(image_ids, images)
    adversarial = torch.empty_like(images)
    steps_used = torch.zeros_like(labels)
    places = torch.arange(len(images), device=images.device)
    lower, upper = box(images, eps)
    count, channels, _, width = images.shape
    picked = draws(ids, channels * width, seed=seed).view(count, channels, 1, width)
    stripes = _signs(picked).to(images.dtype)  # -1 or 1 for each column of each channel
    best = torch.clamp(images + eps * stripes, lower, upper)
    with frozen(model), torch.no_grad():
        height = margin(model(best), labels)
        steps_used += 1
        for query in range(1, queries):
            won = height > 0
            if won.any():
                adversarial[places[won]] = best[won]
                places, height, best, lower, upper = (
                    values[~won] for values in (places, height, best, lower, upper)
                )
            if not len(places):
                break
            window = _windows(best, ids[places], side_length(best.shape[-2:], query / queries), seed, query)
            candidate = torch.clamp(best + 2 * eps * window, lower, upper)
            found = margin(model(candidate), labels[places])
            steps_used[places] += 1
            better = found > height
            height = torch.where(better, found, height)
            best = torch.where(better[:, None, None, None], candidate, best)
        adversarial[places] = best
    if trace is not None:
        trace.steps_used, trace.worst = steps_used, adversarial
    return adversarial


def side_length(shape: torch.Size, progress: float) -> int:
    """The side of the square in pixels, of images of `shape` (h, w), at `progress` in [0, 1)."""
    height, width = shape
    share = SHARE / 2 ** sum(progress * 10_000 > halving for halving in HALVINGS)
    return min(max(round(sqrt(share * height * width)), 1), min(height, width))


def _windows(images: Tensor, ids: Tensor, side: int, seed: int, query: int) -> Tensor:
    """One square an image, -1 or 1 in each channel and 0 outside it: (n, c, h, w)."""
    channels, height, width = images.shape[1:]
    picked = draws(ids, 2 + channels, seed=seed, stream=query)
    top = (picked[:, 0] * (height - side + 1)).long()
    left = (picked[:, 1] * (width - side + 1)).long()
    rows = _within(top, side, height)[:, None, :, None]
    columns = _within(left, side, width)[:, None, None, :]
    return _signs(picked[:, 2:]).to(images.dtype)[:, :, None, None] * (rows & columns)


def _within(first: Tensor, length: int, size: int) -> Tensor:
    """bool (n, size): first <= place < first + length."""
    place = torch.arange(size, device=first.device)
    return (place >= first[:, None]) & (place < first[:, None] + length)


def _signs(uniform: Tensor) -> Tensor:
    return (uniform >= 0.5).double().mul_(2).sub_(1)
