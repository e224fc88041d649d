"""Grad-CAM on the map that feeds the head, clean and attacked, with numbers beside the maps (MedDef, 4.8).

The paper shows pictures and calls one set better. Three numbers say more: how much a map moves under attack,
how much of it lies on the patient, and whether the pixels that it marks are those that the decision needs.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from meddef_lib.attacks.calling import frozen
from meddef_lib.inference_mode import outside_inference_mode
from meddef_lib.models.network import Network

BATCH_SIZE = 32


@dataclass(frozen=True)
class Maps:
    """Grad-CAM of n images.

    coarse: float32 (n, k, k), at least 0, as the layer has it: 7 x 7 for images of 224 pixels, 2 x 2 for 64.
    drawn: float32 (n, h, w) in [0, 1], each enlarged to its image and stretched to the full range.
    """

    coarse: NDArray[np.float32]
    drawn: NDArray[np.float32]

    @property
    def size(self) -> int:
        """k, of maps with k x k values."""
        return self.coarse.shape[-1]


@outside_inference_mode
def grad_cam(model: Network, images: Tensor, classes: Tensor) -> Maps:
    """Where `model` sees evidence for a class in each image (Selvaraju et al. 2017), by the grad-cam library.

    Shapes: images (n, 3, h, w) in [0, 1]; classes int64 (n,). The layer is the one that feeds the head: D, or
    `layer4` of the ResNet-18. The model is left as it is, but for gradients that were stored in it.
    """
    layer = model.target_layer
    targets = [ClassifierOutputTarget(index) for index in classes.tolist()]
    with (
        frozen(model),
        layer.register_forward_hook(_cut),  # before the library's own hooks, which see what it returns
        GradCAM(model, [layer]) as cam,
    ):
        drawn = cam(images, targets)
        seen = cam.activations_and_grads
        activations, gradients = seen.activations[0].numpy(), seen.gradients[0].numpy()
        coarse = cam.get_cam_image(images, layer, targets, activations, gradients)
    return Maps(np.maximum(coarse, 0, dtype=np.float32), drawn.astype(np.float32))


def _cut(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    """Begin the graph at the layer's output: nothing before it needs a gradient."""
    return output.detach().requires_grad_(True)


def rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float | None:
    """Spearman's rank correlation of two maps (k, k); None where one of them is flat."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second, axis=None).statistic)


def mass_inside(coarse: NDArray[np.float32], mask: NDArray[np.bool_]) -> float | None:
    """Share of the map's sum that lies within the mask (h, w), the map (k, k) enlarged bilinearly.

    None where the map is zero or the mask empty.
    """
    height, width = mask.shape
    enlarged = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    if not mask.any() or not enlarged.any():
        return None
    return float(enlarged[mask].sum(dtype=np.float64) / enlarged.sum(dtype=np.float64))


@outside_inference_mode
def deletion(
    model: Network, images: Tensor, maps: NDArray[np.float32], classes: Tensor, *, steps: int
) -> NDArray[np.float64]:
    """Area under the class's probability while pixels are removed, the map's highest first; lower is better.

    Removed pixels take the data's mean, which normalisation turns into 0 (Petsiuk et al. 2018). The curve
    begins with the whole image and ends with an empty one, after `steps` steps of equally many pixels.
    Shapes: images (n, 3, h, w) in [0, 1]; maps (n, h, w); classes int64 (n,); returns (n,) in [0, 1].
    """
    empty = torch.full_like(images, model.normalise.mean)
    return _area(model, images, empty, maps, classes, steps)


@outside_inference_mode
def insertion(
    model: Network, images: Tensor, maps: NDArray[np.float32], classes: Tensor, *, steps: int
) -> NDArray[np.float64]:
    """Area under the class's probability while pixels come back, the map's highest first; higher is better.

    The start is the blurred image (Petsiuk et al. 2018: sigma 5 and a window of 11 at 224 pixels, here in
    proportion). Shapes as of `deletion`.
    """
    return _area(model, blurred(images), images, maps, classes, steps)


def blurred(images: Tensor) -> Tensor:
    """The images (n, 3, h, w) without what is finer than 1/45 of their side."""
    sigma = 5 * images.shape[-1] / 224
    window = 2 * round(sigma) + 1
    rows = images.permute(0, 2, 3, 1).cpu().numpy()
    smooth = np.stack([cv2.GaussianBlur(image, (window, window), sigma) for image in rows])
    return torch.from_numpy(smooth).permute(0, 3, 1, 2).to(images)


def _area(
    model: Network,
    start: Tensor,
    end: Tensor,
    maps: NDArray[np.float32],
    classes: Tensor,
    steps: int,
) -> NDArray[np.float64]:
    """Area under the probability of `classes` on the way from `start` to `end`, pixel by pixel."""
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    place = np.argsort(order, axis=1).reshape(len(maps), 1, *maps.shape[1:])
    places = torch.from_numpy(place).to(start.device)
    count = maps.shape[1] * maps.shape[2]
    curve = []
    for step in range(steps + 1):
        changed = places < round(step * count / steps)
        probabilities = F.softmax(logits_of(model, torch.where(changed, end, start)), dim=1)
        # in this order: MPS has no float64
        curve.append(probabilities.gather(1, classes.unsqueeze(1)).squeeze(1).cpu().double().numpy())
    return np.trapezoid(np.stack(curve), dx=1 / steps, axis=0)


def logits_of(model: Network, images: Tensor) -> Tensor:
    with frozen(model), torch.no_grad():
        return torch.cat([model(batch) for batch in images.split(BATCH_SIZE)])


OF_MAPS = ("rank_correlation", "mass_inside_clean", "mass_inside_adversarial")
OF_CURVES = ("deletion", "insertion", "deletion_random", "insertion_random")
NUMBERS = (*OF_MAPS, *OF_CURVES)


def numbers(
    model: Network,
    images: Tensor,
    classes: Tensor,
    clean: Maps,
    adversarial: Maps,
    masks: NDArray[np.bool_],
    *,
    steps: int,
    least_map: int,
    seed: int,
) -> pd.DataFrame:
    """One row an image: `NUMBERS`.

    Deletion and insertion are of the clean image and its map, and beside them of a random map: what they are
    worth is told by the distance. A number that does not exist is missing, as both curves of a flat map,
    which orders no pixels; all are where the maps have fewer than `least_map` x `least_map` values: four
    ranks say nothing.
    """
    found = pd.DataFrame(np.nan, index=range(len(images)), columns=list(NUMBERS))
    if clean.size < least_map:
        return found
    for row, (before, after, mask) in enumerate(zip(clean.coarse, adversarial.coarse, masks, strict=True)):
        found.loc[row, "rank_correlation"] = rank_correlation(before, after)
        found.loc[row, "mass_inside_clean"] = mass_inside(before, mask)
        found.loc[row, "mass_inside_adversarial"] = mass_inside(after, mask)
    control = random_maps(clean.coarse.shape, images.shape[-1], seed=seed)
    for maps, kind in ((clean.drawn, ""), (control, "_random")):
        found[f"deletion{kind}"] = deletion(model, images, maps, classes, steps=steps)
        found[f"insertion{kind}"] = insertion(model, images, maps, classes, steps=steps)
    found.loc[np.ptp(clean.coarse, axis=(1, 2)) == 0, list(OF_CURVES)] = np.nan
    return found


def random_maps(shape: tuple[int, ...], side: int, *, seed: int) -> NDArray[np.float32]:
    """Maps (n, side, side) of no evidence: `shape` (n, k, k) uniform values, enlarged as Grad-CAM's are."""
    coarse = np.random.default_rng(seed).random(shape, dtype=np.float32)
    return np.stack([cv2.resize(each, (side, side), interpolation=cv2.INTER_LINEAR) for each in coarse])
