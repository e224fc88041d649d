"""What is recorded of a single picture."""

import hashlib
import os
from functools import partial

import imagehash
import numpy as np
import pytest
from PIL import Image

from meddef_lib.data import decode
from meddef_lib.data.decode import Decoded
from meddef_lib.data.examine import THUMBNAIL, border, brightness, look_at
from meddef_lib.data.reasons import UnreadableImage, clause


def test_brightness_by_hand():
    picture = np.array([[0, 255], [51, 255]], dtype=np.uint8)
    assert brightness(picture) == pytest.approx(
        {"mean": (0 + 1 + 0.2 + 1) / 4, "mean_square": (0 + 1 + 0.04 + 1) / 4, "white": 0.5}
    )


def test_border_by_hand():
    picture = np.full((5, 4), 128, np.uint8)
    picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1] = 255, 0, 51, 102
    found = border(picture)
    assert (found["border_top"], found["border_bottom"]) == (1, 0)
    assert found["border_left"] == pytest.approx((255 + 3 * 51 + 0) / 5 / 255)
    assert found["border_right"] == pytest.approx((255 + 3 * 102 + 0) / 5 / 255)


def look(picture: np.ndarray) -> tuple[np.ndarray, dict]:
    thumbnail, record = look_at(lambda path: Decoded(picture, "L", {"Make": "x"}, None), "a.jpeg")
    assert thumbnail is not None
    return thumbnail, record


def test_the_record_of_a_picture():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (THUMBNAIL, THUMBNAIL), dtype=np.uint8)
    thumbnail, record = look(picture)
    np.testing.assert_array_equal(thumbnail, picture)
    assert record["phash"] == str(imagehash.phash(Image.fromarray(picture)))
    assert record["pixels_sha256"] == hashlib.sha256(b"(32, 32)" + picture.tobytes()).hexdigest()
    assert (record["width"], record["height"], record["exif"]) == (32, 32, {"Make": "x"})


def test_pictures_of_other_shapes_have_other_hashes():
    picture = np.zeros((4, 9), np.uint8)
    assert look(picture)[1]["pixels_sha256"] != look(picture.reshape(9, 4))[1]["pixels_sha256"]


def test_an_unreadable_file_has_a_reason_only():
    def load(path):
        raise UnreadableImage("empty")

    assert look_at(load, "a") == (None, {"reason": {"code": "empty"}})


def test_damage_that_the_decoder_only_mentions_is_recorded(tmp_path, capfd):
    file = tmp_path / "a.jpeg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99), dtype=np.uint8)).save(file)
    look_at_file = partial(look_at, partial(decode.load, max_pixels=10**6))
    assert look_at_file(str(file))[1]["doubtful"] is None
    data = file.read_bytes()
    half = len(data) // 2
    for damaged in (data[:half] + b"\xaa" * 400 + data[half + 400 :], data[:half] + b"\xff\xd9"):
        file.write_bytes(damaged)
        thumbnail, record = look_at_file(str(file))
        assert thumbnail is not None
        assert record["doubtful"]["error"].startswith("Corrupt JPEG data")
        assert clause(record["doubtful"]).startswith("was read, but its data are damaged")
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


@pytest.mark.parametrize(("level", "kind"), [(0, "jpeg"), (255, "png"), (7, "png")])
def test_a_picture_of_one_level_is_recorded(tmp_path, level, kind):
    file = tmp_path / f"a.{kind}"
    Image.fromarray(np.full((32, 40), level, np.uint8)).save(file)
    record = look_at(partial(decode.load, max_pixels=10**6), str(file))[1]
    assert record["doubtful"] == {"code": "blank", "level": level}
    assert clause(record["doubtful"]) == f"shows nothing: every pixel is {level} of 255"


@pytest.mark.parametrize(("bits", "levels"), [(10, 4), (12, 16), (16, None)])
def test_samples_that_do_not_fill_their_16_bits_are_recorded(tmp_path, bits, levels):
    picture = np.linspace(0, 2**bits - 1, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(picture).save(tmp_path / "a.png")
    record = look_at(partial(decode.load, max_pixels=10**6), str(tmp_path / "a.png"))[1]
    expected = levels and {"code": "few_levels", "bits": bits, "levels": levels}
    assert record["doubtful"] == expected
