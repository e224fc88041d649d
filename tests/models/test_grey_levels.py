"""Stored grey levels become the images that networks take."""

import pytest
import torch

from meddef_lib.models import pixels


@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 1, 5, 7)], ids=str)
def test_grey_levels_become_three_equal_channels(shape: tuple[int, ...]) -> None:
    stored = torch.randint(0, 256, shape, dtype=torch.uint8)
    images = pixels(stored)
    assert images.shape == (2, 3, 5, 7)
    assert images.dtype is torch.float32
    for channel in range(3):
        assert torch.equal(images[:, channel], stored.view(2, 5, 7).float() / 255)


def test_black_is_zero_and_white_is_one() -> None:
    images = pixels(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    assert images[0, 0, 0].tolist() == [0.0, 1.0]


def test_channels_can_be_changed_apart_and_the_batch_stays() -> None:
    stored = torch.zeros(1, 2, 2, dtype=torch.uint8)
    images = pixels(stored)
    images[:, 0] = 1
    assert images[:, 1:].max() == 0
    assert stored.max() == 0


def test_images_that_are_floats_already_are_refused() -> None:
    with pytest.raises(TypeError, match=r"torch\.float32; expected the stored uint8"):
        pixels(torch.rand(1, 4, 4))


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4, 4)], ids=str)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected \\(n, h, w\\)"):
        pixels(torch.zeros(shape, dtype=torch.uint8))
