"""What the header of an image file says, read from the bytes before anything is decoded.

A picture that claims too many pixels is refused unseen, and a file cut off in transit is found by its missing
end marker, for decoders may only warn and fill the rest with grey. Not found this way: damage inside the data
of a JPEG that ends properly.
"""

import struct
from typing import NamedTuple

from meddef_lib.data.reasons import UnreadableImage

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


def read_header(data: bytes, *, max_pixels: int) -> Header:
    """Size, mode and EXIF from the bytes alone.

    Raises UnreadableImage if they are no whole JPEG or PNG file of 1 to `max_pixels` pixels.
    """
    if data.startswith(JPEG_START):
        return _jpeg_header(data, max_pixels)
    if data.startswith(PNG_START):
        return _png_header(data, max_pixels)
    raise _something_else(data)


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
