"""What is recorded of a single picture."""

import hashlib

import imagehash
import numpy as np
import pytest
from PIL import Image

from meddef_lib.data.codes import UnreadableImage
from meddef_lib.data.decode import Decoded
from meddef_lib.data.looks import THUMBNAIL, Look, border, brightness


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
    thumbnail, record = Look(lambda path: Decoded(picture, "L", {"Make": "x"}, None))("a.jpeg")
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

    assert Look(load)("a") == (None, {"reason": {"code": "empty"}})
