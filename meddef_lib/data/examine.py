"""Look once at every picture of a source: the pass that the audit and the removal of duplicates share.

Of each picture hashes, a thumbnail, brightness and borders, seen by worker processes.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from meddef_lib.data import splits
from meddef_lib.data.decode import Decoded, Pixels
from meddef_lib.data.fill import fill
from meddef_lib.data.reasons import Reason, UnreadableImage
from meddef_lib.data.sources.opening import check_unchanged, open_source
from meddef_lib.engine.recipe import Workspace

# what libjpeg says of damage that it mends
LIBJPEG_SAYS = ("Corrupt JPEG data", "Premature end of", "Inconsistent progression")
DAMAGE = re.compile(f"({'|'.join(LIBJPEG_SAYS)})[^\n]*")
THUMBNAIL = 32  # pixels a side, without regard to the aspect ratio, as perceptual hashes want it


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
        "width": found.grey.shape[1],
        "height": found.grey.shape[0],
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


INPUT = "examined"  # the name by which other recipes ask for it
THUMBNAILS = "thumbnails.npy"
FILES = "files.parquet"
SUMMARY = "summary.json"

TEXT_COLUMNS = ("reason", "sha256", "pixels_sha256", "phash", "mode", "exif", "converted", "doubtful")
JSON_COLUMNS = ("reason", "exif", "converted", "doubtful")
NUMBER_COLUMNS = (
    "width", "height", "mean", "mean_square", "white",
    "border_top", "border_bottom", "border_left", "border_right",
)  # fmt: skip


@dataclass(frozen=True)
class Examined:
    """Every listed file, looked at.

    `files` has the columns of a listing, sha256, and what `look_at` records; `reason` is None where the
    file could be read, and what pixels tell is None or NaN where it could not; reason, converted, doubtful
    and exif are JSON. `thumbnails` is uint8 (n, 32, 32), row i of file i. `summary` has listed (images in
    each split of the folders), problems (path, and a reason as a code) and clutter.
    """

    files: pd.DataFrame
    thumbnails: Pixels
    summary: dict[str, Any]

    @property
    def readable(self) -> pd.DataFrame:
        """The rows of files that could be read; their index is the row of the thumbnail."""
        return self.files[self.files["reason"].isna()]


def make(space: Workspace) -> None:
    """Store maker: files.parquet, thumbnails.npy and summary.json; settings of `opening.settings`."""
    said = space.settings
    check_unchanged(said)
    source = open_source(space)
    hashes = source.hashes(list(source.listing.images["path"]))
    filled = space.work / THUMBNAILS
    records = fill(
        filled,
        list(source.listing.images["path"]),
        partial(look_at, source.load),
        shape=(THUMBNAIL, THUMBNAIL),
        processes=space.processes,
        progress=lambda done, total, text="": space.progress(done, total, "examining images"),
    )
    check_unchanged(said)
    found = pd.DataFrame(records).reindex(columns=[*TEXT_COLUMNS, *NUMBER_COLUMNS])
    found["sha256"] = source.listing.images["path"].map(hashes)
    for column in JSON_COLUMNS:
        found[column] = [json.dumps(value) if isinstance(value, dict) else None for value in found[column]]
    for column in TEXT_COLUMNS:
        found[column] = found[column].astype(object).where(found[column].notna(), None)
    pd.concat([source.listing.images, found], axis=1).to_parquet(space.folder / FILES, index=False)
    np.save(space.folder / THUMBNAILS, np.load(filled, mmap_mode="r"))
    summary = {
        "listed": splits.listed(source.listing.images),
        "problems": list(source.listing.problems),
        "clutter": list(source.listing.clutter),
    }
    (space.folder / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False), encoding="utf-8")


def load(folder: Path) -> Examined:
    return Examined(
        pd.read_parquet(folder / FILES),
        np.load(folder / THUMBNAILS, mmap_mode="r"),
        json.loads((folder / SUMMARY).read_text(encoding="utf-8")),
    )
