"""One image file to an 8-bit grey array, or a code that says why not.

Pillow reads the header before anything is decoded: a picture that claims too many pixels is refused unseen,
and a file cut off in transit is found by its missing end marker, for decoders may only warn and fill the rest
with grey. Not found this way: damage inside the data of a JPEG that ends properly.
"""

import math
import os
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

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

JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"

OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "RIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"%PDF": "PDF",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
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
        if path.exists() and not path.is_file() and not path.is_dir():  # reading it might never end
            raise UnreadableImage("special_file")
        if (size := path.stat().st_size) > most:
            raise UnreadableImage("too_many_bytes", bytes=size, limit=most)
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableImage("not_there") from error
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        raise UnreadableImage("no_access", error=said) from error
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
    header = _header(data)
    width, height = header.size
    if width * height > max_pixels:
        raise UnreadableImage("too_many_pixels", width=width, height=height, limit=max_pixels)
    # Inside compressed data FF is followed by 0 or a restart marker, so behind the start of the first scan,
    # where Pillow stops, an end marker is one; that of a thumbnail lies before it. Bytes after it do no harm.
    if isinstance(header, JpegImageFile) and data.rfind(JPEG_END, header.fp.tell() if header.fp else 0) < 0:
        raise UnreadableImage("cut_off", format="JPEG", bytes=len(data))
    grey, mode = _grey(data, width, height), _mode(header)
    if isinstance(header, PngImageFile) and "exif" not in header.info and b"eXIf" in data:
        _read_on(header)
    exif = read_exif(header.info["exif"]) if "exif" in header.info else None
    changes: dict[str, Any] = {} if mode in UNCHANGED else {"mode": mode}
    orientation = exif.get("Orientation") if exif else None
    if orientation in TURNS:
        grey = np.array(Image.fromarray(grey).transpose(TURNS[orientation]))
        changes["orientation"] = orientation
    return Decoded(grey, mode, exif, {"code": "converted", **changes} if changes else None)


def _header(data: bytes) -> ImageFile:
    """The image as Pillow opens it, without its pixels. Raises UnreadableImage."""
    if data.startswith(PNG_START) and PNG_END not in data:
        raise UnreadableImage("cut_off", format="PNG", bytes=len(data))
    if not data.startswith((JPEG_START, PNG_START)):
        raise UnreadableImage(**_something_else(data))
    kind = JpegImageFile if data.startswith(JPEG_START) else PngImageFile
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of EXIF, about which `read_exif` has the word
            return kind(BytesIO(data))
    except (SyntaxError, ValueError, OSError) as error:
        raise UnreadableImage("header", format=kind.format, error=str(error)) from error


def _read_on(header: PngImageFile) -> None:
    """Read what stands behind the pixels, where a PNG file may have its EXIF. Raises UnreadableImage."""
    try:
        header.load()
    except (SyntaxError, ValueError, OSError) as error:
        raise UnreadableImage("header", format=header.format, error=str(error)) from error


def _mode(header: ImageFile) -> str:
    """The mode of the file in Pillow's words, with the bits of a sample where Pillow has no mode for them."""
    if isinstance(header, PngImageFile) and header.mode != "P" and header.png:
        return str(header.png.im_rawmode).replace(";16B", ";16")
    return header.mode


def read_exif(raw: bytes) -> Exif:
    """EXIF tags by name, from what a JPEG or PNG file carries as Pillow tells it.

    Text and odd types are given as at most 80 characters. A broken structure is one entry, `unreadable`, and
    does not make the picture unreadable.
    """
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of a structure that is cut off
            exif.load(raw)
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


def _grey(data: bytes, width: int, height: int) -> Pixels:
    # the orientation is ours to apply: OpenCV's own differs between its versions and formats
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableImage("opencv_error", error=str(error.err)) from error
    if grey is None:
        raise UnreadableImage("undecodable")
    if grey.shape != (height, width) or grey.dtype != np.uint8:
        raise UnreadableImage(
            "other_size",
            width=width,
            height=height,
            decoded_width=grey.shape[1],
            decoded_height=grey.shape[0],
        )
    return np.asarray(grey, np.uint8)


def _something_else(data: bytes) -> Reason:
    for start, name in OTHER_FORMATS.items():
        if data.startswith(start):
            return {"code": "other_format", "format": name}
    if data[128:132] == b"DICM":
        return {"code": "other_format", "format": "DICOM"}
    beginning = " ".join(data[:60].decode("utf-8", errors="ignore").split())
    if beginning.isprintable() and len(beginning) >= len(data[:60]) // 2:
        return {"code": "text", "beginning": beginning}
    return {"code": "unknown_format", "first_bytes": data[:8].hex(" ")}
