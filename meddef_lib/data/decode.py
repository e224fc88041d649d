"""One image file to an 8-bit grey array, or a code that says why not."""

import errno
import math
import os
import stat
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from meddef_lib.data.headers import EXIF_PREFIX, Header, read_header
from meddef_lib.data.reasons import Reason, UnreadableImage

Pixels = NDArray[np.uint8]
Exif = dict[str, int | float | str]

UNCHANGED = ("L", "RGB")  # modes of the files that the archives are made of

# EXIF orientation (tag 0x0112) to what puts the stored rows upright
TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture.

    `grey` is uint8 (height, width), upright; `mode` is the file's own ("L", "RGB", "CMYK", "I;16", ...);
    `exif` maps tag names to values, None where the file has none; `converted` is a code with the mode or the
    EXIF orientation that had to be changed to get upright 8-bit grey (`reasons.clause` words it), else None.
    """

    grey: Pixels
    mode: str
    exif: Exif | None
    converted: Reason | None


def load(path: Path | str, *, max_pixels: int) -> Decoded:
    """Read and decode one regular file, through links. Raises UnreadableImage."""
    path = Path(path)
    most = 8 * max_pixels + 2**20  # 8 bytes a pixel are the most that 16-bit RGBA takes uncompressed
    try:
        status = path.stat()
        if not stat.S_ISREG(mode := status.st_mode):
            kind = "folder" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"
            raise UnreadableImage("not_a_file", kind=kind)
        if status.st_size > most:
            raise UnreadableImage("too_many_bytes", bytes=status.st_size, limit=most)
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not data:
        raise UnreadableImage("empty")
    return decode(data, max_pixels=max_pixels)


def from_folder(folder: Path, max_pixels: int, path: str) -> Decoded:
    """Decode a file below a folder. Raises UnreadableImage."""
    return load(f"{folder}/{path}", max_pixels=max_pixels)


def from_arrays(arrays: Mapping[str, Path], path: str) -> Decoded:
    """Read a picture of a MedMNIST file by its place in it, `<file>/<split>/<row>`.

    `arrays` says of each split in which `.npy` file its array lies: a memory map itself would travel to a
    worker as a copy of all its pixels.
    """
    _, split, row = path.split("/")
    return Decoded(np.array(np.load(arrays[split], mmap_mode="r")[int(row)]), "L", None, None)


def decode(data: bytes, *, max_pixels: int) -> Decoded:
    """Decode the bytes of a JPEG or PNG file to 8-bit grey, upright as its EXIF orientation says.

    Colours become luma (ITU-R BT.601), which for the chest films stored as RGB is any of their three equal
    channels. Raises UnreadableImage: no image, another format, above `max_pixels`, cut off or damaged.
    """
    header = read_header(data, max_pixels=max_pixels)
    grey = _grey(data, header)
    exif = read_exif(header.exif) if header.exif is not None else None
    changes: dict[str, Any] = {} if header.mode in UNCHANGED else {"mode": header.mode}
    orientation = exif.get("Orientation") if exif else None
    if orientation in TURNS:
        grey = np.array(Image.fromarray(grey).transpose(TURNS[orientation]))
        changes["orientation"] = orientation
    return Decoded(grey, header.mode, exif, {"code": "converted", **changes} if changes else None)


def read_exif(raw: bytes) -> Exif:
    """EXIF tags by name, from the TIFF structure that a JPEG or PNG file carries.

    Text and odd types are given as at most 80 characters. A broken structure is one entry, `unreadable`, and
    does not make the picture unreadable.
    """
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of a structure that is cut off
            exif.load(EXIF_PREFIX + raw)
            tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except (Warning, SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error) as error:
        return {"unreadable": str(error) or type(error).__name__}
    return {
        ExifTags.TAGS.get(tag, f"tag {tag:#06x}"): _plain(value)
        for tag, value in tags.items()
        if tag != ExifTags.IFD.Exif
    }


def _plain(value: object) -> int | float | str:
    if isinstance(value, int | float) and math.isfinite(value):  # JSON has no NaN
        return value
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text[:80]


def _grey(data: bytes, header: Header) -> Pixels:
    # the orientation is ours to apply: OpenCV's own differs between its versions and formats
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableImage("opencv_error", error=str(error.err)) from error
    if grey is None:
        raise UnreadableImage("undecodable")
    if grey.shape != (header.height, header.width) or grey.dtype != np.uint8:
        raise UnreadableImage(
            "other_size",
            width=header.width,
            height=header.height,
            decoded_width=grey.shape[1],
            decoded_height=grey.shape[0],
        )
    return np.asarray(grey, np.uint8)


def _unreadable(path: Path, error: OSError) -> UnreadableImage:
    if error.errno == errno.ELOOP:
        return UnreadableImage("link_to_itself")
    if error.errno == errno.ENOENT:
        return UnreadableImage("link_to_nothing" if path.is_symlink() else "not_there")
    return UnreadableImage("no_access", error=os.strerror(error.errno) if error.errno else str(error))
