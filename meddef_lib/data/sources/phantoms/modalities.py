"""One phantom as a JPEG file: what each kind of picture is like, drawn, exposed and encoded.

A class shows in shapes only: mean and contrast of the pixels, size, aspect, border and mode are drawn without
regard to the class (in the real images they are not).
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_RGB_SHARE = 0.15
_EXPOSED_AT = 64  # pixels of the longer side: exposure is set without the grain, which preparing averages out


@dataclass(frozen=True)
class Modality:
    """What is particular to one kind of picture; mean and std are those of the grey levels, 0 to 255."""

    number: int  # part of every image's seed
    folder: str
    classes: tuple[str, ...]
    size: Callable[[np.random.Generator], tuple[int, int]]  # height and width at native scale 1
    draw: Callable[..., Floats]  # class_name, height=, width=, rng= to float32 (height, width), any range
    finish: Callable[[Pixels, np.random.Generator], Pixels]
    mean: tuple[float, float]
    std_to_mean: tuple[float, float]
    share_of_first_class: float | None = None  # None: classes in equal parts


def modality(kind: str) -> Modality:
    """What is particular to a kind, oct or chest, as the module of its name declares it."""
    return importlib.import_module(f"{__package__}.{kind}").MODALITY


class Jpeg(NamedTuple):
    """One encoded image."""

    data: bytes
    rgb: bool  # three equal channels instead of one


def jpeg(
    modality: Modality,
    class_name: str,
    *,
    rng: np.random.Generator,
    native_scale: float = 1.0,
    quality: int = 90,
) -> Jpeg:
    """One phantom as a JPEG file."""
    height, width = (round(native_scale * side) for side in modality.size(rng))
    mean = rng.uniform(*modality.mean)
    std = mean * rng.uniform(*modality.std_to_mean)
    rgb = bool(rng.random() < _RGB_SHARE)
    picture = modality.draw(class_name, height=height, width=width, rng=rng)
    pixels = modality.finish(_exposed(picture, mean=mean, std=std), rng)
    return Jpeg(encoded(np.repeat(pixels[:, :, None], 3, axis=2) if rgb else pixels, quality), rgb)


def _exposed(picture: Floats, *, mean: float, std: float) -> Pixels:
    """Map a picture to grey levels of the given mean and deviation, so that neither tells the class."""
    shrink = min(_EXPOSED_AT / max(picture.shape), 1)
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    gain, offset = 1.0, 0.0
    for _ in range(4):  # what black and white cut off moves both, so the line is corrected a few times
        grey = np.clip(gain * small + offset, 0, 255)
        correction = std / float(grey.std())
        gain, offset = gain * correction, (offset - float(grey.mean())) * correction + mean
    picture *= np.float32(gain)
    picture += np.float32(offset + 0.5)
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


def encoded(pixels: MatLike, quality: int) -> bytes:
    """The pixels as a JPEG file."""
    return cv2.imencode(".jpeg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
