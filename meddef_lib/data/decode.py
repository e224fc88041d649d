"""One image file to an 8-bit grey array, or a sentence that says why not.

The header is read from the bytes before anything is decoded: a picture that claims too many pixels is
refused unseen, and a file cut off in transit is found by its missing end marker, for decoders may only warn
and fill the rest with grey. Not found this way: damage inside the data of a JPEG that ends properly.
"""

import errno
import os
import stat
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Pixels = NDArray[np.uint8]
Exif = dict[str, int | float | str]

JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"

OTHER_FORMATS = {
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"RIFF": "a RIFF file (such as WebP)",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
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

CONVERSIONS = {
    "1": "1 bit to 8 bits",
    "L;2": "2 bits to 8 bits",
    "L;4": "4 bits to 8 bits",
    "I;16": "16 bits to 8 bits (the high byte)",
    "RGB;16": "16 bits to 8 bits (the high byte)",
    "P": "palette to grey",
    "LA": "transparency ignored",
    "LA;16": "16 bits to 8 bits (the high byte), transparency ignored",
    "RGBA": "transparency ignored",
    "RGBA;16": "16 bits to 8 bits (the high byte), transparency ignored",
    "CMYK": "CMYK to grey",
}  # L and RGB are not listed: those files are what the archives are made of

# EXIF orientation (tag 0x0112) to what puts the stored rows upright: transpose, flip rows, flip columns
TURNS: dict[object, tuple[bool, bool, bool]] = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}

# Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC) (ITU-T T.81, table B.1)
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_SCAN = 0xDA
APP1 = 0xE1
EXIF_PREFIX = b"Exif\0\0"


# of a named pipe without a writer, a blocking open would wait for ever; the flags that a system lacks are 0
READ_AT_ONCE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class UnreadableImage(Exception):
    """A file that is no picture for us; `reason` is a clause that follows the file's path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
    `exif` maps tag names to values, None where the file has none; `converted` says what had to be changed to
    get 8-bit grey, None for files of 8-bit grey and RGB.
    """

    grey: Pixels
    mode: str
    exif: Exif | None
    converted: str | None

    @property
    def height(self) -> int:
        return self.grey.shape[0]

    @property
    def width(self) -> int:
        return self.grey.shape[1]


def load(path: Path | str, *, max_pixels: int) -> Decoded:
    """Read and decode one file. Raises UnreadableImage."""
    # 8 bytes a pixel are the most that 16-bit RGBA takes without any compression
    return decode(read_file(path, max_bytes=8 * max_pixels + 2**20), max_pixels=max_pixels)


def read_file(path: Path | str, *, max_bytes: int) -> bytes:
    """The bytes of a regular file, through links. Raises UnreadableImage, also for an empty file."""
    # system calls rather than Path and its streams: a small picture is decoded in a tenth of a millisecond
    try:
        file = os.open(path, READ_AT_ONCE)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImage(f"is {_kind(status.st_mode)}, not a file")
            if status.st_size > max_bytes:
                raise UnreadableImage(f"has {status.st_size:,} bytes; an image may have {max_bytes:,}")
            data = os.read(file, status.st_size)
            while len(data) < status.st_size and (more := os.read(file, status.st_size - len(data))):
                data += more
        finally:
            os.close(file)
    except OSError as error:
        raise UnreadableImage(_why(Path(path), error)) from error
    if not data:
        raise UnreadableImage("is empty (0 bytes)")
    return data


def decode(data: bytes, *, max_pixels: int) -> Decoded:
    """Decode the bytes of a JPEG or PNG file to 8-bit grey, upright as its EXIF orientation says.

    Colours become luma (ITU-R BT.601), which for the chest films stored as RGB is any of their three equal
    channels. Raises UnreadableImage: no image, another format, above `max_pixels`, cut off or damaged.
    """
    header = read_header(data, max_pixels=max_pixels)
    grey = _grey(data, header)
    exif = read_exif(header.exif) if header.exif is not None else None
    changes = [CONVERSIONS[header.mode]] if header.mode in CONVERSIONS else []
    orientation = exif.get("Orientation") if exif else None
    if orientation in TURNS:
        grey = _turned(grey, *TURNS[orientation])
        changes.append(f"turned upright (EXIF orientation {orientation})")
    return Decoded(grey, header.mode, exif, "; ".join(changes) or None)


def read_header(data: bytes, *, max_pixels: int) -> Header:
    """Size, mode and EXIF from the bytes alone.

    Raises UnreadableImage if they are no whole JPEG or PNG file of 1 to `max_pixels` pixels.
    """
    if data.startswith(JPEG_START):
        return _jpeg_header(data, max_pixels)
    if data.startswith(PNG_START):
        return _png_header(data, max_pixels)
    raise UnreadableImage(_what_else(data))


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
    if isinstance(value, int | float):
        return value
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text[:80]


def _turned(grey: Pixels, transpose: bool, flip_rows: bool, flip_columns: bool) -> Pixels:
    upright = grey.T if transpose else grey
    upright = upright[::-1] if flip_rows else upright
    upright = upright[:, ::-1] if flip_columns else upright
    return np.ascontiguousarray(upright)


def _grey(data: bytes, header: Header) -> Pixels:
    # the orientation is ours to apply: OpenCV's own differs between its versions and formats
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise UnreadableImage(f"is damaged: OpenCV cannot decode it ({error.err})") from error
    if grey is None:
        raise UnreadableImage("is damaged: its header is whole, but OpenCV cannot decode what follows")
    if grey.shape != (header.height, header.width) or grey.dtype != np.uint8:
        raise UnreadableImage(
            f"is damaged: its header says {header.width} x {header.height} pixels, but it decodes to "
            f"{grey.shape[1]} x {grey.shape[0]}"
        )
    return np.asarray(grey, np.uint8)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    pixels = width * height
    if pixels > max_pixels:
        raise UnreadableImage(
            f"claims {width:,} x {height:,} = {pixels:,} pixels, more than the limit of {max_pixels:,} "
            "(data.max_pixels), and was not decoded"
        )
    if pixels == 0:
        raise UnreadableImage(f"claims a size of {width} x {height} pixels")


def _jpeg_header(data: bytes, max_pixels: int) -> Header:
    """Walk the marker segments up to the first scan (ITU-T T.81, annex B), then look for the end marker."""
    size: tuple[int, int] | None = None
    components = precision = 0
    exif = None
    at = 2
    while True:
        if at + 4 > len(data):
            raise UnreadableImage("is cut off: the JPEG data end inside the header")
        if data[at] != 0xFF:
            raise UnreadableImage(f"is damaged: no JPEG marker where one must be (byte {at:,})")
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
                raise UnreadableImage("is cut off: the JPEG data end inside the header")
            precision, height, width, components = struct.unpack_from(">BHHB", data, body)
            _check_size(width, height, max_pixels)
            size = (width, height)
        elif marker == APP1 and exif is None and data.startswith(EXIF_PREFIX, body):
            exif = data[body + len(EXIF_PREFIX) : at + 2 + length]
        at += 2 + length
    if size is None:
        raise UnreadableImage("is damaged: a JPEG scan begins before the size of the picture is given")
    if precision != 8:
        raise UnreadableImage(f"is a JPEG with {precision} bits a sample; only 8 are read")
    if components not in JPEG_MODES:
        raise UnreadableImage(f"is a JPEG with {components} components; only 1, 3 and 4 are read")
    # Inside compressed data FF is followed by 0 or a restart marker, so behind the start of the first scan an
    # end marker is one; that of an embedded thumbnail lies before it. Bytes after the end do no harm.
    if data.rfind(JPEG_END, at) < 0:
        raise UnreadableImage(f"is cut off: {len(data):,} bytes of JPEG data without the end marker")
    return Header(*size, JPEG_MODES[components], exif)


def _png_header(data: bytes, max_pixels: int) -> Header:
    """Walk the chunks to the last one (PNG specification, 5.2)."""
    if len(data) < 33:
        raise UnreadableImage("is cut off: the PNG data end inside the header")
    if data[12:16] != b"IHDR":
        raise UnreadableImage("is damaged: the PNG header is not where it must be")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if (colour, depth) not in PNG_MODES:
        raise UnreadableImage(f"is damaged: a PNG of colour type {colour} with {depth} bits does not exist")
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
    raise UnreadableImage(f"is cut off: {len(data):,} bytes of PNG data without the last chunk")


def _what_else(data: bytes) -> str:
    for start, name in OTHER_FORMATS.items():
        if data.startswith(start):
            return f"is {name}, not a JPEG or PNG image"
    if data[128:132] == b"DICM":
        return "is a DICOM file, not a JPEG or PNG image"
    if not data.strip(b"\0"):
        return f"is {len(data):,} zero bytes, not an image"
    beginning = " ".join(data[:60].decode("utf-8", errors="ignore").split())
    if beginning.isprintable() and len(beginning) >= len(data[:60]) // 2:
        return f"is text, not an image (it begins {beginning!r})"
    return f"is not a JPEG or PNG image (its first bytes are {data[:8].hex(' ')})"


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a device or socket"


def _why(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a symbolic link that leads back to itself"
    if error.errno == errno.ENOENT:
        return "is a symbolic link to nothing" if path.is_symlink() else "is not there"
    return f"cannot be read: {os.strerror(error.errno) if error.errno else error}"
