import pytest
import torch

from meddef_lib.params import AugmentationParams
from meddef_lib.training.batches import augment

NOTHING = {
    "horizontal_flip": 0.0,
    "rotation_degrees": 0.0,
    "translation": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
}


def images(count=6, side=16):
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1))


def augmented(batch, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    return augment(batch, AugmentationParams(**{**NOTHING, **settings}), generator=generator)


@pytest.fixture
def highest(monkeypatch):
    """Every draw is the upper end of its range."""
    monkeypatch.setattr(
        "meddef_lib.training.batches._uniform",
        lambda images, generator, low, high: torch.full((len(images),), float(high)),
    )


def test_nothing_asked_for_changes_nothing():
    assert torch.equal(augmented(images()), images())


def test_a_flip_mirrors_every_row():
    assert torch.equal(augmented(images(), horizontal_flip=1.0), images().flip(-1))


def test_half_of_the_images_are_flipped_at_probability_one_half():
    batch = images(400, 4)

    flipped = (augmented(batch, horizontal_flip=0.5) == batch.flip(-1)).all(dim=(1, 2, 3))

    assert 150 < flipped.sum() < 250


def test_a_flip_inside_a_resampling_is_the_same_flip():
    found = augmented(images(), horizontal_flip=1.0, rotation_degrees=1e-4)

    assert torch.allclose(found, images().flip(-1), atol=1e-3)


@pytest.mark.usefixtures("highest")
def test_a_turn_by_180_degrees_turns_the_image_around():
    found = augmented(images(), rotation_degrees=180.0)

    assert torch.allclose(found, images().flip(-1).flip(-2), atol=1e-5)


@pytest.mark.usefixtures("highest")
def test_a_shift_by_a_quarter_of_the_side_moves_four_of_sixteen_columns():
    found = augmented(images(), translation=0.25)

    assert torch.allclose(found[:, :, :12, :12], images()[:, :, 4:, 4:], atol=1e-5)
    assert (found[:, :, 12:] == 0).all()


def test_brightness_is_added_and_clamped():
    batch = torch.full((200, 1, 4, 4), 0.95)

    found = augmented(batch, brightness=0.1)

    assert found.max() == 1
    assert 0.85 <= found.min() < 0.88


def test_contrast_stretches_about_the_mean():
    batch = images(200, 8) * 0.5 + 0.25

    found = augmented(batch, contrast=0.2)
    gain = found.std(dim=(1, 2, 3)) / batch.std(dim=(1, 2, 3))

    assert torch.allclose(found.mean(dim=(1, 2, 3)), batch.mean(dim=(1, 2, 3)), atol=1e-5)
    assert 0.8 <= gain.min() < 0.85
    assert 1.15 < gain.max() <= 1.2001


@pytest.mark.parametrize("side", [15, 16])
def test_all_together_stay_in_range_and_leave_the_input_alone(side):
    batch = images(side=side)
    before = batch.clone()

    found = augment(batch, AugmentationParams(), generator=torch.Generator().manual_seed(3))

    assert found.shape == batch.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(batch, before)
    assert not torch.equal(found, before)


def test_the_same_generator_gives_the_same_images():
    default = AugmentationParams()

    once, again, other = (
        augment(images(), default, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )

    assert torch.equal(once, again)
    assert not torch.equal(once, other)
