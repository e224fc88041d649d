"""JPEG compression (Dziugaite et al. 2016; Guo et al. 2018), by OpenCV.

Blocks of 8 x 8 pixels are turned into frequencies, divided by a table and rounded. All but the rounding is
linear and undone again: straight-through rounding has the gradient of the identity. `smoothed` rounds with a
third power in its place (Shin & Song 2017), whose gradient knows which frequencies JPEG drops.
"""

from collections.abc import Sequence
from functools import cache
from io import BytesIO

import cv2
import numpy as np
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from scipy.fft import dct
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from meddef_lib.attacks.registry import Setting
from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import Defended, rounding

DEFENCE = Defence(
    id="jpeg",
    title="JPEG compression",
    source="Dziugaite et al. 2016",
    own={"quality": Setting(75, least=1, most=100)},
    examined=2,
)


def defended(networks: Sequence[nn.Module], *, quality: int) -> Defended:
    """The network behind `compressed`; attacks may take the gradient of `smoothed`."""
    return rounding(
        networks[0],
        lambda images: compressed(images, quality),
        {"BPDA, third power in the place of rounding": lambda images: smoothed(images, quality)},
    )


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


BLOCK = 8
# rows brightness (Y), blue (Cb), red (Cr), columns red, green, blue (JFIF 1.02)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def smoothed(images: Tensor, quality: int) -> Tensor:
    """JPEG of images (n, 3, h, w) with a gradient: r + (x - r)**3 in the place of r, x rounded.

    Colours are kept at half the size, as JPEG does. Beyond the edge the outermost pixels go on.
    """
    height, width = images.shape[-2:]
    to_ycc = torch.tensor(TO_YCC).to(images)
    brightness, colour = _tables(quality).to(images)
    wide = pad(255 * images, (0, -width % (2 * BLOCK), 0, -height % (2 * BLOCK)), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, wide)
    y = _rounded(ycc[:, :1] - 128, brightness) + 128
    halved = _rounded(avg_pool2d(ycc[:, 1:], 2), colour)
    up, across = (_doubled(length).to(images) for length in halved.shape[-2:])
    restored = torch.cat([y, up @ halved @ across.T], dim=1)
    found = torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), restored)
    return found[..., :height, :width] / 255


def _rounded(channels: Tensor, table: Tensor) -> Tensor:
    """Channels (n, c, h, w), h and w in blocks, their frequencies rounded smoothly by a table (8, 8)."""
    # the orthonormal cosine transform of 8 values, (8, 8): frequency, place
    cosines = torch.from_numpy(dct(np.eye(BLOCK), axis=0, norm="ortho")).float().to(channels)
    blocks = channels.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).transpose(3, 4)
    scaled = cosines @ blocks @ cosines.T / table
    nearest = scaled.detach().round()
    restored = cosines.T @ ((nearest + (scaled - nearest) ** 3) * table) @ cosines
    return restored.transpose(3, 4).flatten(4, 5).flatten(2, 3)


def _doubled(length: int) -> Tensor:
    """Twice as many values, (2 length, length): three quarters of the nearest and one of the next one."""
    nearest = torch.eye(length).repeat_interleave(2, dim=0)
    places = torch.arange(2 * length)
    beside = (places + 2 * (places % 2) - 1).clamp(0, 2 * length - 1)
    return 0.75 * nearest + 0.25 * nearest[beside]


@cache
def _tables(quality: int) -> Tensor:
    """What OpenCV divides the frequencies by, (2, 8, 8): of brightness and of colour, read from its JPEG."""
    _, coded = cv2.imencode(
        ".jpeg", np.zeros((BLOCK, BLOCK, 3), np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    opened = Image.open(BytesIO(coded.tobytes()))
    assert isinstance(opened, JpegImageFile)
    brightness, colour = (opened.quantization[number] for number in range(2))
    return torch.tensor([brightness, colour], dtype=torch.float32).view(2, BLOCK, BLOCK)
