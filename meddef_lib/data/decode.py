"""One image file to an 8-bit grey array, or a code that says why not.

The header is read from the bytes before anything is decoded: a picture that claims too many pixels is refused
unseen, and a file cut off in transit is found by its missing end marker, for decoders may only warn and fill
the rest with grey. Not found this way: damage inside the data of a JPEG that ends properly.
"""

import errno
import math
import os
import stat
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

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

# (colour type, bits a sample) of a PNG in Pillow's words; samples of 1, 2 and 4 bits are grey or palette only
PNG_MODES = {
    (0, 1): "1", (0, 2): "L;2", (0, 4): "L;4", (0, 8): "L", (0, 16): "I;16",
    (2, 8): "RGB", (2, 16): "RGB;16",
    (3, 1): "P", (3, 2): "P", (3, 4): "P", (3, 8): "P",
    (4, 8): "LA", (4, 16): "LA;16",
    (6, 8): "RGBA", (6, 16): "RGBA;16",
}  # fmt: skip
JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by number of components

# Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC) (ITU-T T.81, table B.1)
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_SCAN = 0xDA
APP1 = 0xE1
EXIF_PREFIX = b"Exif\0\0"


class Header(NamedTuple):
    """What a file says of its picture: size in pixels as stored, mode in Pillow's words, raw EXIF bytes."""

    width: int
    height: int
    mode: str
    exif: bytes | None


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
    if data.startswith(JPEG_START):
        header = _jpeg_header(data, max_pixels)
    elif data.startswith(PNG_START):
        header = _png_header(data, max_pixels)
    else:
        raise _something_else(data)
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


def _check_size(width: int, height: int, max_pixels: int) -> None:
    pixels = width * height
    if pixels > max_pixels:
        raise UnreadableImage("too_many_pixels", width=width, height=height, limit=max_pixels)
    if pixels == 0:
        raise UnreadableImage("no_pixels", width=width, height=height)


def _jpeg_header(data: bytes, max_pixels: int) -> Header:
    """Walk the marker segments up to the first scan (ITU-T T.81, annex B), then look for the end marker."""
    size: tuple[int, int] | None = None
    components = precision = 0
    exif = None
    at = 2
    while True:
        if at + 4 > len(data):
            raise UnreadableImage("cut_off_in_header", format="JPEG")
        if data[at] != 0xFF:
            raise UnreadableImage("no_marker", byte=at)
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == START_OF_SCAN:
            break
        body = at + 4
        if marker in START_OF_FRAME and size is None:
            if body + 6 > len(data):
                raise UnreadableImage("cut_off_in_header", format="JPEG")
            precision, height, width, components = struct.unpack_from(">BHHB", data, body)
            _check_size(width, height, max_pixels)
            size = (width, height)
        elif marker == APP1 and exif is None and data.startswith(EXIF_PREFIX, body):
            exif = data[body + len(EXIF_PREFIX) : at + 2 + length]
        at += 2 + length
    if size is None:
        raise UnreadableImage("no_size")
    if precision != 8:
        raise UnreadableImage("sample_bits", bits=precision)
    if components not in JPEG_MODES:
        raise UnreadableImage("components", components=components)
    # Inside compressed data FF is followed by 0 or a restart marker, so behind the start of the first scan an
    # end marker is one; that of an embedded thumbnail lies before it. Bytes after the end do no harm.
    if data.rfind(JPEG_END, at) < 0:
        raise UnreadableImage("cut_off", format="JPEG", bytes=len(data))
    return Header(*size, JPEG_MODES[components], exif)


def _png_header(data: bytes, max_pixels: int) -> Header:
    """Walk the chunks to the last one (PNG specification, 5.2)."""
    if len(data) < 33:
        raise UnreadableImage("cut_off_in_header", format="PNG")
    if data[12:16] != b"IHDR":
        raise UnreadableImage("no_header")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if (colour, depth) not in PNG_MODES:
        raise UnreadableImage("colour_type", colour_type=colour, bits=depth)
    _check_size(width, height, max_pixels)
    exif = None
    at = len(PNG_START)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if kind == b"IEND":
            return Header(width, height, PNG_MODES[colour, depth], exif)
        if kind == b"eXIf":
            exif = data[at + 8 : at + 8 + length]
        at += 12 + length
    raise UnreadableImage("cut_off", format="PNG", bytes=len(data))


def _something_else(data: bytes) -> UnreadableImage:
    for start, name in OTHER_FORMATS.items():
        if data.startswith(start):
            return UnreadableImage("other_format", format=name)
    if data[128:132] == b"DICM":
        return UnreadableImage("other_format", format="DICOM")
    if not data.strip(b"\0"):
        return UnreadableImage("zeros", bytes=len(data))
    beginning = " ".join(data[:60].decode("utf-8", errors="ignore").split())
    if beginning.isprintable() and len(beginning) >= len(data[:60]) // 2:
        return UnreadableImage("text", beginning=beginning)
    return UnreadableImage("unknown_format", first_bytes=data[:8].hex(" "))
