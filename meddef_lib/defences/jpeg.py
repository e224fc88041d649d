"""JPEG compression (Dziugaite et al. 2016; Guo et al. 2018), by OpenCV.

Blocks of 8 x 8 pixels are turned into frequencies, divided by a table and rounded. All but the rounding is
linear and undone again, so that straight-through rounding has the gradient of the identity (but for colours,
which are kept at half the size); the third power of Shin & Song 2017 has another one.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from meddef_lib.attacks.registry import Setting
from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import Defended, rounding

DEFENCE = Defence(
    id="jpeg",
    title="JPEG compression",
    source="Dziugaite et al. 2016",
    own={"quality": Setting(75, least=1, most=100)},
)


def defended(networks: Sequence[nn.Module], *, quality: int) -> Defended:
    """The network behind `compressed`."""
    return rounding(networks[0], lambda images: compressed(images, quality))


def compressed(images: Tensor, quality: int) -> Tensor:
    """Images (n, 3, h, w) in [0, 1], to 8 bits, through JPEG at a quality of 1 to 100, and back."""
    grey_levels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    restored = [_through(image, quality) for image in grey_levels]
    found = torch.from_numpy(np.stack(restored)).permute(0, 3, 1, 2)
    return found.to(images.device, images.dtype).div_(255).contiguous()


def _through(image: np.ndarray, quality: int) -> np.ndarray:
    """uint8 (h, w, 3) with red first, which OpenCV has last."""
    _, coded = cv2.imencode(".jpeg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    restored = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert restored is not None  # it was coded here
    return restored[..., ::-1]
