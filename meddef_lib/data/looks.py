"""What one picture shows of itself: hashes, thumbnail, brightness, borders. Done by worker processes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meddef_lib.data.codes import UnreadableImage
from meddef_lib.data.decode import Decoded

THUMBNAIL = 32  # pixels a side, without regard to the aspect ratio, as perceptual hashes want it

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Decode one picture and describe it; the picture returned is the thumbnail."""

    load: Callable[[str], Decoded]

    def __call__(self, path: str) -> tuple[Pixels | None, dict[str, Any]]:
        try:
            found = self.load(path)
        except UnreadableImage as error:
            return None, {"reason": error.reason}
        thumbnail = _thumbnail(found.grey)
        return thumbnail, {
            "pixels_sha256": _pixel_hash(found.grey),
            "phash": str(imagehash.phash(Image.fromarray(thumbnail))),
            "width": found.width,
            "height": found.height,
            "mode": found.mode,
            "exif": found.exif,
            "converted": found.converted,
            **brightness(found.grey),
            **border(found.grey),
        }


def brightness(grey: Pixels) -> dict[str, float]:
    """Mean and mean square of the pixels in [0, 1], and the share of pure white ones."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    levels = np.arange(256) / 255
    return {
        "mean": float(counts @ levels) / grey.size,
        "mean_square": float(counts @ levels**2) / grey.size,
        "white": float(counts[255]) / grey.size,
    }


def border(grey: Pixels) -> dict[str, float]:
    """Mean of the outermost line of pixels on each side, in [0, 1]."""
    sides = {"top": grey[0], "bottom": grey[-1], "left": grey[:, 0], "right": grey[:, -1]}
    return {f"border_{side}": float(line.mean()) / 255 for side, line in sides.items()}


def _thumbnail(grey: Pixels) -> Pixels:
    return np.asarray(cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), np.uint8)


def _pixel_hash(grey: Pixels) -> str:
    """sha256 of size and pixels, so that two pictures of different shape differ."""
    digest = hashlib.sha256(f"{grey.shape}".encode())
    digest.update(np.ascontiguousarray(grey).data)
    return digest.hexdigest()
