"""What one picture shows of itself: hashes, thumbnail, brightness, borders. Done by worker processes."""

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meddef_lib.data.decode import Decoded
from meddef_lib.data.reasons import Reason, UnreadableImage

# what libjpeg says of damage that it mends
DAMAGE = re.compile("(Corrupt JPEG data|Premature end of|Inconsistent progression)[^\n]*")
THUMBNAIL = 32  # pixels a side, without regard to the aspect ratio, as perceptual hashes want it

Pixels = NDArray[np.uint8]


def look_at(load: Callable[[str], Decoded], path: str) -> tuple[Pixels | None, dict[str, Any]]:
    """Decode one picture and describe it; the picture returned is the thumbnail."""
    try:
        found, said = _listened_to(lambda: load(path))
    except UnreadableImage as error:
        return None, {"reason": error.reason}
    small = cv2.resize(found.grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    thumbnail = np.asarray(small, np.uint8)
    return thumbnail, {
        "pixels_sha256": _pixel_hash(found.grey),
        "phash": str(imagehash.phash(Image.fromarray(thumbnail))),
        "width": found.width,
        "height": found.height,
        "mode": found.mode,
        "exif": found.exif,
        "converted": found.converted,
        "doubtful": _doubt(found, said),
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


def _listened_to(load: Callable[[], Decoded]) -> tuple[Decoded, str]:
    """What `load` returns, and what was written on stderr meanwhile: libjpeg tells of damage nowhere else."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as heard:
        stderr = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            found = load()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        heard.seek(0)
        return found, heard.read().decode(errors="replace")


def _doubt(found: Decoded, said: str) -> Reason | None:
    """Why a picture that was read is worth a look: damage that was mended, no content, few grey levels."""
    if told := DAMAGE.search(said):
        return {"code": "corrupt", "error": told[0]}
    least, most = int(found.grey.min()), int(found.grey.max())
    if least == most:
        return {"code": "blank", "level": most}
    # a 16-bit file whose samples have 14 bits or fewer, as cameras and detectors leave them
    if found.mode.endswith(";16") and most < 64:
        return {"code": "few_levels", "bits": 8 + most.bit_length(), "levels": len(np.unique(found.grey))}
    return None


def _pixel_hash(grey: Pixels) -> str:
    """sha256 of size and pixels, so that two pictures of different shape differ."""
    digest = hashlib.sha256(f"{grey.shape}".encode())
    digest.update(np.ascontiguousarray(grey).data)
    return digest.hexdigest()
