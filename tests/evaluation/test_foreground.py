"""Finding the patient in drawn images whose answer is known, and in real ones."""

import cv2
import numpy as np
import pytest

from meddef_lib.evaluation.foreground import foreground

SIDE = 112


@pytest.fixture
def chest() -> np.ndarray:
    """A bright body with two dark lungs on black ground, a bright letter beside it."""
    image = np.full((SIDE, SIDE), 8, np.uint8)
    cv2.rectangle(image, (36, 10), (107, SIDE - 1), 170, cv2.FILLED)
    cv2.ellipse(image, (56, 55), (11, 30), 0, 0, 360, 60, cv2.FILLED)
    cv2.ellipse(image, (87, 55), (11, 30), 0, 0, 360, 60, cv2.FILLED)
    cv2.putText(image, "R", (4, 16), cv2.FONT_HERSHEY_PLAIN, 0.8, 220)
    return image


@pytest.fixture
def retina() -> np.ndarray:
    """Two bright layers with a dark one between them, in speckle, with the white corner of a rotated scan."""
    noise = np.random.default_rng(0).integers(0, 40, (SIDE, SIDE))
    image = noise.astype(np.uint8)
    image[50:56] += 120
    image[56:60] += 20
    image[60:68] += 180
    cv2.fillPoly(image, [np.array([[0, 0], [SIDE - 1, 0], [0, 20]])], 255)
    return image


def test_a_body_is_found_with_its_lungs_and_without_the_letter(chest: np.ndarray) -> None:
    body = np.zeros((SIDE, SIDE), bool)
    body[10:, 36:108] = True
    assert _overlap(foreground(chest), body) > 0.95
    assert foreground(chest)[55, 56]
    assert not foreground(chest)[:, :30].any()


def test_a_retina_is_found_whole_and_white_corners_are_not(retina: np.ndarray) -> None:
    layers = np.zeros((SIDE, SIDE), bool)
    layers[50:68] = True
    assert _overlap(foreground(retina), layers) > 0.8
    assert not foreground(retina)[:20].any()


def test_padding_does_not_change_what_is_found(retina: np.ndarray) -> None:
    padded = np.zeros((SIDE + 60, SIDE), np.uint8)
    padded[30:-30] = retina
    assert _overlap(foreground(padded)[30:-30], foreground(retina)) > 0.9
    assert not foreground(padded)[:30].any()


@pytest.mark.parametrize("level", [0, 100, 255])
def test_nothing_is_found_on_an_image_of_one_grey_level(level: int) -> None:
    found = foreground(np.full((SIDE, SIDE), level, np.uint8))
    assert found.shape == (SIDE, SIDE)
    assert not found.any()


@pytest.mark.parametrize("level", [0, 1, 100])
def test_nothing_is_found_where_white_is_all_there_is_beside_one_grey_level(level: int) -> None:
    framed = np.full((64, 64), level, np.uint8)
    framed[0], framed[:, 0] = 255, 255
    cut = np.full((64, 64), level, np.uint8)
    np.fill_diagonal(cut, 255)
    for image in (framed, cut):
        assert not foreground(image).any()


@pytest.mark.parametrize("side", [1, 2, 5, 11])
def test_a_tiny_image_does_no_harm(side: int) -> None:
    found = foreground(np.random.default_rng(0).integers(0, 245, (side, side), dtype=np.uint8))
    assert (found.shape, found.dtype) == ((side, side), np.bool_)


def test_the_image_stays_as_it_was(chest: np.ndarray) -> None:
    before = chest.copy()
    foreground(chest)
    assert np.array_equal(chest, before)


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "least", "most"), [("OCT2017/test", 0.03, 0.6), ("chest_xray/test", 0.35, 1.0)]
)
def test_real_images_have_a_plausible_share_of_patient(real_data, folder, least, most) -> None:
    files = sorted((real_data / folder).glob("*/*"))[::20]
    shares = [
        foreground(cv2.resize(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), (224, 224))).mean()
        for file in files
    ]
    assert least < np.median(shares) < most
    assert min(shares) > 0


def _overlap(found: np.ndarray, expected: np.ndarray) -> float:
    """Intersection over union."""
    return (found & expected).sum() / (found | expected).sum()
