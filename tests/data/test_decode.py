"""Decoding: grey as the file has it, and a reason for each file that is no whole picture."""

import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from meddef_lib.data import decode
from meddef_lib.data.reasons import UnreadableImage, clause

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """A smooth grey picture without symmetry, so that a turned one differs."""
    rows, columns = np.mgrid[0:60, 0:90]
    return Image.fromarray((rows * 2 + columns).astype(np.uint8))


def encode(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> decode.Decoded:
    return decode.decode(data, max_pixels=LIMIT)


def reason(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as error:
        decoded(data)
    return clause(error.value.reason)


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_a_grey_jpeg_is_what_pillow_reads(picture):
    data = encode(picture, quality=95)
    found = decoded(data)
    assert found.grey.dtype == np.uint8
    assert found.grey.flags.c_contiguous
    assert np.abs(found.grey.astype(int) - np.asarray(Image.open(io.BytesIO(data))).astype(int)).max() <= 1
    assert (found.grey.shape, found.mode) == ((60, 90), "L")
    assert found.exif is None
    assert found.converted is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_rgb_with_equal_channels_is_grey_and_not_a_conversion(picture, options):
    found = decoded(encode(picture.convert("RGB"), quality=95, **options))
    assert found.mode == "RGB"
    assert found.converted is None
    assert np.abs(found.grey.astype(int) - np.asarray(picture).astype(int)).max() <= 3


@pytest.mark.parametrize(
    ("bits", "colour", "mode"),
    [
        *((1, 0, "1"), (2, 0, "L;2"), (4, 0, "L;4"), (8, 0, "L"), (16, 0, "I;16"), (8, 2, "RGB")),
        *((16, 2, "RGB;16"), (1, 3, "P"), (2, 3, "P"), (4, 3, "P"), (8, 3, "P"), (8, 4, "LA")),
        *((16, 4, "LA;16"), (8, 6, "RGBA"), (16, 6, "RGBA;16")),
    ],
)
def test_every_mode_of_a_png_has_its_name_and_all_but_plain_ones_their_words(bits, colour, mode):
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 1, bits, colour, 0, 0, 0))
    palette = png_chunk(b"PLTE", bytes(6)) if colour == 3 else b""
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(1 + 8 * samples * bits // 8)))
    found = decoded(decode.PNG_START + header + palette + pixels + png_chunk(b"IEND", b""))
    assert found.mode == mode
    assert (found.converted is None) == (mode in {"L", "RGB"})
    assert found.converted is None or clause(found.converted)


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "LA", "RGBA"])
def test_png_modes(picture, mode):
    found = decoded(encode(picture.convert(mode), "PNG"))
    assert found.mode == mode
    assert (found.converted is None) == (mode in {"L", "RGB"})
    if mode != "1":
        assert np.abs(found.grey.astype(int) - np.asarray(picture).astype(int)).max() <= 8


def test_a_16_bit_png_is_converted_and_says_so(picture):
    wide = np.asarray(picture).astype(np.uint16) * 256 + 255
    found = decoded(encode(Image.fromarray(wide), "PNG"))
    assert found.mode == "I;16"
    assert "16 bits" in clause(found.converted or {})
    np.testing.assert_array_equal(found.grey, np.asarray(picture))


def test_a_cmyk_jpeg_is_converted_and_says_so(picture):
    data = encode(picture.convert("RGB").convert("CMYK"), quality=95)
    found = decoded(data)
    assert found.mode == "CMYK"
    assert "CMYK" in clause(found.converted or {})
    assert np.abs(found.grey.astype(int) - np.asarray(picture).astype(int)).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied_and_reported(picture, orientation, kind):
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x0131] = "Photo editor"
    data = encode(picture, kind, exif=tags)
    found = decoded(data)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert found.exif == {"Orientation": orientation, "Software": "Photo editor"}
    assert found.grey.shape == upright.shape
    assert np.abs(found.grey.astype(int) - upright.astype(int)).max() <= 1
    assert (found.converted is None) == (orientation == 1)


def test_exif_behind_the_pixels_of_a_png_turns_it_as_well(picture):
    tags = Image.Exif()
    tags[0x0112] = 6
    data = encode(picture, "PNG")
    end = data.rindex(b"IEND") - 4
    moved = data[:end] + png_chunk(b"eXIf", tags.tobytes().removeprefix(b"Exif\0\0")) + data[end:]
    np.testing.assert_array_equal(decoded(moved).grey, np.rot90(np.asarray(picture), -1))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_exif_is_json_whatever_numbers_it_has(number):
    # one tag, ExposureIndex, as a double behind the directory
    tiff = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0xA215, 12, 1, 26) + bytes(4)
    found = decode.read_exif(b"Exif\0\0" + tiff + struct.pack("<d", number))
    assert json.loads(json.dumps(found, allow_nan=False)) == {"ExposureIndex": str(number)}


def test_broken_exif_does_not_cost_the_picture(picture):
    found = decoded(encode(picture, exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\x7f nothing here"))
    assert set(found.exif or {}) == {"unreadable"}
    assert found.grey.shape == (60, 90)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_cut_anywhere_is_cut_off(picture, options):
    thumbnail = Image.Exif()
    thumbnail[0x010E] = "has an end marker \xff\xd9 of its own"
    data = encode(picture, exif=thumbnail.tobytes() + encode(picture.resize((16, 16))), **options)
    assert data.count(b"\xff\xd9") >= 2
    for length in range(4, len(data) - 1):
        assert reason(data[:length]).startswith("is cut off"), length
    assert reason(data[:-1]).startswith("is cut off: ")
    assert decoded(data + b"trailing bytes").grey.shape == (60, 90)


def test_a_png_cut_anywhere_is_cut_off(picture):
    data = encode(picture, "PNG")
    for length in range(8, len(data) - 4, 7):
        assert reason(data[:length]).startswith("is cut off"), length


def test_damaged_data_are_refused(picture, capfd):
    png = bytearray(encode(picture, "PNG"))
    png[len(png) // 2] ^= 0xFF
    assert "is damaged" in reason(bytes(png))
    jpeg = encode(picture)
    assert "JPEG header cannot be read" in reason(jpeg[:2] + jpeg[jpeg.index(b"\xff\xda") :])
    no_tables = (
        jpeg[:2] + jpeg[jpeg.index(b"\xff\xc0") : jpeg.index(b"\xff\xc4")] + jpeg[jpeg.index(b"\xff\xda") :]
    )
    assert "OpenCV cannot decode" in reason(no_tables)
    capfd.readouterr()  # libpng and libjpeg write to the terminal


def test_a_header_bomb_is_refused_before_decoding(picture, monkeypatch):
    monkeypatch.setattr(decode.cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    jpeg = with_jpeg_size(encode(picture), 30_000, 30_000)
    png = encode(picture, "PNG")
    png = png[:8] + png_chunk(b"IHDR", struct.pack(">II", 30_000, 30_000) + png[24:29]) + png[33:]
    for data in (jpeg, jpeg[: len(jpeg) // 2], png):
        found = reason(data)
        assert "30,000 x 30,000 = 900,000,000 pixels" in found
        assert "data.max_pixels" in found


def test_the_pixel_limit_is_inclusive(picture):
    data = encode(picture)
    assert decode.decode(data, max_pixels=60 * 90).grey.shape == (60, 90)
    with pytest.raises(UnreadableImage) as error:
        decode.decode(data, max_pixels=60 * 90 - 1)
    assert "more than the limit of 5,399" in clause(error.value.reason)


def test_impossible_headers(picture):
    jpeg = encode(picture)
    assert "JPEG header cannot be read" in reason(with_jpeg_size(jpeg, 0, 60))
    at = jpeg.index(b"\xff\xc0")
    assert "cannot handle 12-bit layers" in reason(jpeg[: at + 4] + b"\x0c" + jpeg[at + 5 :])
    assert "cannot handle 2-layer images" in reason(jpeg[: at + 9] + b"\x02" + jpeg[at + 10 :])
    png = encode(picture, "PNG")
    size = struct.pack(">II", 90, 60)
    for header in (size + b"\x08\x07\0\0\0", bytes(8) + b"\x08\0\0\0\0"):
        assert "PNG header cannot be read" in reason(png[:8] + png_chunk(b"IHDR", header) + png[33:])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            b"This is not an image at all.\n",
            "is text, not an image (it begins 'This is not an image at all.')",
        ),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d", "is text"),
        (b"\0" * 4096, "its first bytes are 00 00 00 00 00 00 00 00"),
        (b"GIF89a" + b"\0" * 20, "is a GIF image"),
        (b"\0" * 128 + b"DICM" + b"\2", "is a DICOM file"),
        (b"\x01\x02\x03\x04\x05\xfe\xff\x80\x90", "its first bytes are 01 02 03 04 05 fe ff 80"),
    ],
)
def test_other_files_are_named(data, says):
    assert says in reason(data)


def test_random_bytes_raise_nothing_but_unreadable(picture, capfd):
    rng = np.random.default_rng(0)
    for source in (encode(picture), encode(picture, "PNG")):
        for _ in range(300):
            broken = bytearray(source)
            for at in rng.integers(0, len(source), 4):
                broken[at] = rng.integers(256)
            reason_given = None
            try:
                assert decoded(bytes(broken)).grey.ndim == 2
            except UnreadableImage as error:
                reason_given = clause(error.reason)
            assert reason_given is None or reason_given.startswith(("is ", "claims "))
    capfd.readouterr()  # libpng and libjpeg write to the terminal


def read_reason(path, **options) -> str:
    with pytest.raises(UnreadableImage) as error:
        decode.load(path, max_pixels=LIMIT, **options)
    return clause(error.value.reason)


def test_files_that_cannot_be_read(tmp_path, picture):
    (tmp_path / "empty.jpeg").touch()
    (tmp_path / "dangling.jpeg").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.jpeg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpeg")
    with (tmp_path / "huge.jpeg").open("wb") as file:
        file.truncate(2**40)  # sparse
    (tmp_path / "good.jpeg").write_bytes(encode(picture))
    (tmp_path / "link.jpeg").symlink_to("good.jpeg")

    assert read_reason(tmp_path / "empty.jpeg") == "is empty (0 bytes)"
    assert read_reason(tmp_path / "dangling.jpeg") == "is not there"
    assert "named pipe" in read_reason(tmp_path / "pipe.jpeg")
    assert read_reason(tmp_path / "folder.jpeg") == "cannot be read: Is a directory"
    assert "1,099,511,627,776 bytes" in read_reason(tmp_path / "huge.jpeg")
    assert decode.load(tmp_path / "link.jpeg", max_pixels=LIMIT).grey.shape == (60, 90)


@pytest.mark.real
def test_three_real_films_carry_exif(real_data):
    films = sorted((real_data / "chest_xray_fullres").rglob("*.jpeg"))
    if not films:
        pytest.skip("there are no films of full resolution under MEDDEF_DATA")
    with_exif = {}
    for film in films:
        found = decode.load(film, max_pixels=50_000_000)
        assert found.mode == "L"
        if found.exif:
            with_exif[film.stem] = found.exif["Software"]
    assert set(with_exif) == {"person140_virus_285", "person21_virus_52", "person21_virus_53"}
    assert all("Photoshop" in software for software in with_exif.values())
