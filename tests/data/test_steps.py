"""The steps of section 3.1.2, on pictures whose answer is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meddef_lib.data import steps
from meddef_lib.data.decode import Decoded
from meddef_lib.data.reasons import UnreadableImage
from meddef_lib.params import PreprocessingParams

NOTHING = PreprocessingParams()


def ramp(height: int, width: int) -> np.ndarray:
    return np.linspace(40, 200, height * width).reshape(height, width).astype(np.uint8)


def speck() -> np.ndarray:
    picture = np.full((16, 16), 50, np.uint8)
    picture[8, 8] = 255
    return picture


def test_a_square_picture_of_the_right_size_is_left_as_it_is():
    picture = ramp(16, 16)
    np.testing.assert_array_equal(steps.prepare(picture, NOTHING, image_size=16), picture)


def test_median_removes_a_speck():
    params = PreprocessingParams(denoise="median", median_size=3)
    assert steps.prepare(speck(), params, image_size=16).max() == 50


def test_clahe_spreads_a_faint_pattern():
    faint = (100 + 5 * (np.indices((64, 64)).sum(axis=0) // 4 % 2)).astype(np.uint8)
    found = steps.prepare(faint, PreprocessingParams(clahe=True), image_size=64)
    assert found.std() > 1.5 * faint.std()


@pytest.mark.parametrize(("amount", "value", "expected"), [(0.1, 100, 126), (0.5, 200, 255), (-0.5, 100, 0)])
def test_brightness_adds_and_clips(amount, value, expected):
    picture = np.full((8, 8), value, np.uint8)
    found = steps.prepare(picture, PreprocessingParams(brightness=amount), image_size=8)
    assert np.unique(found) == [expected]


def test_min_max_uses_the_full_range():
    params = PreprocessingParams(min_max=True)
    found = steps.prepare(ramp(16, 16), params, image_size=16)
    assert (found.min(), found.max()) == (0, 255)
    assert np.all(np.diff(found.ravel().astype(int)) >= 0)


def test_min_max_leaves_one_grey_alone():
    picture = np.full((8, 8), 77, np.uint8)
    params = PreprocessingParams(min_max=True)
    np.testing.assert_array_equal(steps.prepare(picture, params, image_size=8), picture)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (10, 40, slice(6, 10), slice(0, 16)),
        (40, 10, slice(0, 16), slice(6, 10)),
        (8, 8, slice(0, 16), slice(0, 16)),
    ],
)
def test_the_aspect_ratio_is_kept_by_padding(height, width, rows, columns):
    found = steps.prepare(np.full((height, width), 250, np.uint8), NOTHING, image_size=16)
    inside = np.zeros((16, 16), bool)
    inside[rows, columns] = True
    assert np.all(found[inside] == 250)
    assert np.all(found[~inside] == 0)


def test_area_averages_when_it_shrinks_and_interpolates_when_it_enlarges():
    checks = (255 * (np.indices((8, 8)).sum(axis=0) % 2)).astype(np.uint8)
    assert np.all(np.abs(steps.prepare(checks, NOTHING, image_size=4).astype(int) - 128) <= 1)
    linear = cv2.resize(checks, (16, 16), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(steps.prepare(checks, NOTHING, image_size=16), linear)


def test_denoising_comes_before_clahe():
    params = PreprocessingParams(denoise="median", clahe=True)
    denoised = cv2.medianBlur(ramp(32, 32), 3)
    expected = cv2.createCLAHE(2.0, (8, 8)).apply(denoised)
    np.testing.assert_array_equal(steps.prepare(ramp(32, 32), params, image_size=32), expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([32, 64]))
def test_any_size_gives_the_square_and_leaves_the_input_alone(height, width, size):
    picture = ramp(height, width)
    before = picture.copy()
    params = PreprocessingParams(denoise="median", clahe=True, brightness=0.1, min_max=True)
    found = steps.prepare(picture, params, image_size=size)
    assert found.shape == (size, size)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(picture, before)


def test_a_picture_becomes_pixels_and_a_record():
    picture = ramp(8, 12)
    decoded = Decoded(picture, "RGB", None, "CMYK to grey")
    pixels, record = steps.prepare_file(lambda path: decoded, NOTHING, 16, "abc")
    np.testing.assert_array_equal(pixels, steps.prepare(picture, NOTHING, image_size=16))
    assert record == {"width": 12, "height": 8, "mode": "RGB", "converted": "CMYK to grey"}


def test_an_unreadable_picture_becomes_a_reason():
    def load(path):
        raise UnreadableImage("empty")

    assert steps.prepare_file(load, NOTHING, 16, "a") == (None, {"reason": {"code": "empty"}})
