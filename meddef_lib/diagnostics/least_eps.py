"""The least budget at which an attack flips each image: how far a network's decisions lie from it; its cell.

Distances are L-infinity, of pixels in [0, 1]. An attack proves that a boundary is no farther than where it
found one, so that each number is an upper bound; and since an image within a budget is within every larger
one, an image that is flipped at its number is flipped at all above.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib.attacks.apgd import apgd_ce
from meddef_lib.attacks.calling import (
    InputGradient,
    box,
    check,
    input_gradients,
    misclassified,
    mistaken,
    wide,
)
from meddef_lib.attacks.objectives import margin
from meddef_lib.attacks.starts import ids_or_places, uniform_like
from meddef_lib.diagnostics.subject import REACH, tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.inference_mode import outside_inference_mode
from meddef_lib.models import files
from meddef_lib.pruning import prune

NOBODY, PGD, APGD = range(3)  # who found an image's number


@dataclass
class Nearest:
    """Of n images the nearest ones that a network takes for another class.

    - images: (n, c, h, w), the image itself where it is misclassified or where none was found.
    - eps: float64 (n,), its L-infinity distance: 0 where the image is misclassified already, infinite where
      none was found.
    - by: int64 (n,), `PGD` or `APGD`, that found it, or `NOBODY`.
    """

    images: Tensor
    eps: Tensor
    by: Tensor

    def take(self, places: Tensor, found: Tensor, eps: Tensor, by: int) -> None:
        """What was found for the images at `places`, int64 (k,)."""
        self.images[places], self.eps[places], self.by[places] = found, eps, by


@outside_inference_mode
def least_eps(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    halvings: int,
    smallest: float = 0.001,
    largest: float = 0.5,
    check_eps: Sequence[float] = (),
    check_steps: int = 100,
    image_ids: Tensor | None = None,
    seed: int = 0,
    fast: nn.Module | None = None,
) -> Nearest:
    """What flips each image at the least budget, by bisection with PGD and a check by APGD.

    Shapes: images float (n, c, h, w) in [0, 1]; labels int64 (n,). PGD climbs the margin, which does not
    saturate as the cross-entropy does, in at most `steps` steps within each budget, and stops at its first
    mistake; `halvings` of the logarithm of the range from `smallest` to `largest` leave a budget that flips
    the image at most (largest / smallest) ** 2**-halvings times one that did not. Then APGD on the
    cross-entropy (Croce & Hein 2020) attacks what PGD left standing at each of `check_eps`. `fast` is a copy
    of the model that PGD may look at; what it finds is judged on the model. Raises ValueError.
    """
    check(images, labels, eps=largest, steps=steps, halvings=halvings, check_steps=check_steps)
    ids = ids_or_places(image_ids, images)
    never = images.new_full((len(images),), torch.inf, dtype=torch.float64)
    near = Nearest(images.clone(), never, torch.full_like(labels, NOBODY))
    wrong = mistaken(model, images, labels)
    near.eps[wrong] = 0
    for network in (model,) if fast is None else (fast, model):  # itself, for what its copy did not settle
        places = (near.eps == torch.inf).nonzero()[:, 0]
        if not len(places):
            break
        with input_gradients(network) as input_gradient:
            search = _Search(input_gradient, images[places], labels[places], ids[places], steps, seed)
            search.bisect(halvings, smallest, largest)
        proven = mistaken(model, search.nearest, search.labels)
        near.take(places[proven], search.nearest[proven], search.high[proven].double(), PGD)
        if proven.all():
            break
    for eps in sorted(check_eps):
        places = (near.eps > eps).nonzero()[:, 0]
        if not len(places):
            break
        chosen = images[places], labels[places]
        found = apgd_ce(model, *chosen, eps=eps, steps=check_steps, seed=seed, image_ids=ids[places])
        fell = mistaken(model, found, chosen[1])
        distance = _distance(found, chosen[0]).double().clamp(max=eps)  # a float32 of eps may lie above it
        near.take(places[fell], found[fell], distance[fell], APGD)
    return near


@dataclass(eq=False)
class _Search:
    """A bisection for images that a network classifies correctly, each within a range of its own."""

    input_gradient: InputGradient
    images: Tensor
    labels: Tensor
    ids: Tensor
    steps: int
    seed: int

    def __post_init__(self) -> None:
        self.nearest = self.images.clone()
        # the distance of `nearest`, a mistake
        self.high = self.images.new_full((len(self.images),), torch.inf)

    def bisect(self, halvings: int, smallest: float, largest: float) -> None:
        """Look for a mistake between what flips each image and what does not; at last at `largest`."""
        low = torch.full_like(self.high, smallest)
        for number in range(halvings):
            high = self.high.clamp(max=largest)
            places = (low < high).nonzero()[:, 0]
            if not len(places):
                return
            budget = (low * high).sqrt()
            self._look(places, budget, number)
            low = torch.where(self.high > budget, budget, low)
            # found nearer than where nothing was found before: that does not count
            low = torch.where(self.high < low, smallest, low)
        never = (self.high == torch.inf).nonzero()[:, 0]
        if len(never):
            self._look(never, torch.full_like(self.high, largest), halvings)

    def _look(self, places: Tensor, budget: Tensor, stream: int) -> None:
        """PGD on the images at `places`, which keeps the mistakes that it finds."""
        images, eps = self.images[places], budget[places]
        random = uniform_like(images, self.ids[places], seed=self.seed, stream=stream)
        # the way to a mistake that is known leads closer than a random start
        share = torch.where(self.high[places].isinf(), 0, eps / self.high[places])
        start = images + wide(share) * (self.nearest[places] - images)
        start = torch.where(wide(share == 0), images + wide(eps) * random, start)
        found, fell = self._climb(images, self.labels[places], eps, start)
        distance = torch.minimum(_distance(found, images), eps)
        self.nearest[places[fell]], self.high[places[fell]] = found[fell], distance[fell]

    def _climb(self, images: Tensor, labels: Tensor, eps: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Where PGD stood last with each image, and whether that is a mistake, the start included."""
        lower, upper = box(images, wide(eps))
        point = start.clamp(lower, upper)
        places = torch.arange(len(images), device=images.device)  # of what still stands
        for step in range(self.steps + 1):
            of = labels[places]
            climbed = partial(margin, labels=of)
            logits, _, gradient = self.input_gradient(point[places], climbed)
            stands = ~misclassified(logits, of)
            places, gradient = places[stands], gradient[stands]
            if step == self.steps or not len(places):
                break
            moved = point[places] + wide(REACH * eps[places] / self.steps) * gradient.sign()
            point[places] = moved.clamp(lower[places], upper[places])
        fell = torch.ones_like(labels, dtype=torch.bool)
        fell[places] = False
        return point, fell


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).flatten(1).abs().amax(dim=1)


BY = {NOBODY: "", PGD: "pgd", APGD: "apgd_ce"}


def make(space: Workspace) -> None:
    """Make `least_eps.parquet`: a row an image and pruning rate.

    Columns: rate, image_id, label, clean_pred, least_eps (pixels in [0, 1]; 0 where the image is
    misclassified already, infinite where no budget up to the largest flips it), by ("pgd" or "apgd_ce", which
    found that; else ""). Settings: split; images; rates and the scope of pruning; search, what
    `least_eps` is called with, budgets in pixels; batch_size; seed. Inputs: model, data.
    """
    settings = space.settings
    images, labels, ids = tested(space, settings["images"])
    trained = files.load(space.inputs["model"], space.device)
    computing = Computing(batch_size=settings["batch_size"], device=space.device)
    size = computing.batch_size
    frames = []
    for number, rate in enumerate(settings["rates"]):
        pruned = prune(trained, rate, scope=settings["scope"]) if rate else trained
        network = Attacked(pruned, computing)
        for start in range(0, len(images), size):
            part = slice(start, start + size)
            found = least_eps(
                network.model,
                images[part],
                labels[part],
                image_ids=ids[part],
                seed=settings["seed"],
                fast=network.fast(images[part]),
                **settings["search"],
            )
            columns = {
                "rate": float(rate),
                "image_id": ids[part],
                "label": labels[part].cpu(),
                "clean_pred": network.scores(images[part]).argmax(dim=1).cpu(),
                "least_eps": found.eps.double().cpu(),
                "by": [BY[by] for by in found.by.tolist()],
            }
            frames.append(pd.DataFrame(columns))
            done = number * len(images) + start + len(labels[part])
            space.progress(done, len(settings["rates"]) * len(images), "images")
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "least_eps.parquet", index=False)
