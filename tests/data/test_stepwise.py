"""Steps of preprocessing as pictures: those that are on, in their order, at the file's own size."""

import numpy as np
import pytest

from meddef_lib.data import steps, stepwise
from meddef_lib.params import PreprocessingParams

GREY = np.random.default_rng(0).integers(40, 200, (30, 50)).astype(np.uint8)


def test_each_step_is_shown_on_top_of_those_before_it():
    params = PreprocessingParams(denoise="median", clahe=True, brightness=0.1, min_max=True)
    shown = dict(stepwise.taken(GREY, params))
    assert list(shown) == ["median filter 3 × 3", "CLAHE, clip 2", "brightness +0.1", "min-max scaling"]
    assert all(picture.shape == GREY.shape for picture in shown.values())
    median, clahe, brighter, stretched = shown.values()
    assert (clahe == steps.equalize(median, clip=2.0, tiles=8)).all()
    assert (brighter == steps.brighten(clahe, 0.1)).all()
    last = steps.prepare(GREY, params, image_size=16)
    assert (steps.pad_to_square(stretched, 16) == last).all(), "what is left is the resize"


def test_without_steps_there_is_none_to_show():
    assert list(stepwise.taken(GREY, PreprocessingParams())) == []


@pytest.mark.parametrize(
    ("shape", "expected"), [((400, 800), (96, 192)), ((801, 400), (192, 96)), ((9, 7), (9, 7))]
)
def test_large_pictures_are_made_smaller_and_keep_their_shape(shape, expected):
    assert stepwise.smaller(np.zeros(shape, np.uint8)).shape == expected
