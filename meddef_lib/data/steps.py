"""Section 3.1.2 as functions of one grey picture: denoise, CLAHE, brightness, min-max scaling, resize.

Pictures are uint8 (height, width); nothing is written to. Standardisation is not here: it is the first layer
of every model.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from meddef_lib.data.decode import Decoded, Pixels
from meddef_lib.data.reasons import UnreadableImage

if TYPE_CHECKING:
    from meddef_lib.params import PreprocessingParams


def prepare_file(
    load: Callable[[str], Decoded], params: "PreprocessingParams", image_size: int, path: str
) -> tuple[Pixels | None, dict[str, Any]]:
    """Decode one picture and take all steps: what a worker process does with a listed path."""
    try:
        found = load(path)
    except UnreadableImage as error:
        return None, {"reason": error.reason}
    height, width = found.grey.shape
    record = {"width": width, "height": height, "mode": found.mode, "converted": found.converted}
    return prepare(found.grey, params, image_size=image_size), record


def prepare(grey: Pixels, params: "PreprocessingParams", *, image_size: int) -> Pixels:
    """All steps, in the order of the parameters' fields: uint8 (h, w) to uint8 (image_size, image_size)."""
    return pad_to_square(at_own_size(grey, params), image_size)


def at_own_size(grey: Pixels, params: "PreprocessingParams") -> Pixels:
    """All steps but the last, the resize."""
    if params.denoise == "median":
        grey = np.asarray(cv2.medianBlur(grey, params.median_size), np.uint8)
    if params.clahe:
        grey = equalize(grey, clip=params.clahe_clip, tiles=params.clahe_tiles)
    if params.brightness:
        grey = brighten(grey, params.brightness)
    if params.min_max:
        grey = stretch(grey)
    return grey


def equalize(grey: Pixels, *, clip: float, tiles: int) -> Pixels:
    """Contrast-limited adaptive histogram equalisation on `tiles` x `tiles` tiles (Zuiderveld, 1994)."""
    return np.asarray(cv2.createCLAHE(clip, (tiles, tiles)).apply(grey), np.uint8)


def brighten(grey: Pixels, amount: float) -> Pixels:
    """Add `amount` (of pixels in [0, 1]) to every pixel; the result is clipped, not wrapped."""
    table = np.clip(np.arange(256) + round(255 * amount), 0, 255).astype(np.uint8)
    return table[grey]


def stretch(grey: Pixels) -> Pixels:
    """Min-max scaling: the darkest pixel becomes 0, the brightest 255; a picture of one grey stays so."""
    low, high, *_ = cv2.minMaxLoc(grey)
    if low == high:
        return grey
    table = np.clip(np.rint((np.arange(256) - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
    return table[grey]


def pad_to_square(grey: Pixels, size: int) -> Pixels:
    """Resize the longer side to `size` and centre the picture on a black square."""
    height, width = grey.shape
    scale = size / max(height, width)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    small = resized(grey, height, width)
    if height == width:
        return small
    down, right = size - height, size - width
    sides = (down // 2, down - down // 2, right // 2, right - right // 2)
    square = cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(square, np.uint8)


def resized(grey: Pixels, height: int, width: int) -> Pixels:
    """A picture of another size, by averages over areas where it becomes smaller."""
    if grey.shape == (height, width):
        return grey
    interpolation = cv2.INTER_AREA
    if height > grey.shape[0] or width > grey.shape[1]:
        interpolation = cv2.INTER_LINEAR  # averaging over areas is only meant for shrinking
    return np.asarray(cv2.resize(grey, (width, height), interpolation=interpolation), np.uint8)
