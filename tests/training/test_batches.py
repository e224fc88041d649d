import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meddef_lib.params import AugmentationParams
from meddef_lib.training import batches
from meddef_lib.training.batches import ImageSet, augment

CPU = torch.device("cpu")


@given(st.integers(8, 300), st.integers(4, 64), st.integers(1, 4))
def test_an_epoch_has_every_image_once_in_even_batches(images, batch_size, parts):
    drawn = batches.plan_epoch(images, batch_size, parts, np.random.default_rng(0))

    sizes = [sum(map(len, batch)) for batch in drawn.parts]
    everything = np.concatenate([part for batch in drawn.parts for part in batch])
    assert sorted(everything) == list(range(images))
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == batches.batch_count(images, batch_size)
    assert drawn.seeds.shape == (len(sizes), parts)


def test_orders_and_seeds_differ_between_epochs_and_return_with_the_generator_s_state():
    rng = np.random.default_rng(0)
    first = batches.plan_epoch(40, 8, 2, rng)
    state = rng.bit_generator.state
    second = batches.plan_epoch(40, 8, 2, rng)
    rng.bit_generator.state = state
    again = batches.plan_epoch(40, 8, 2, rng)

    assert not np.array_equal(first.seeds, second.seeds)
    assert np.array_equal(second.seeds, again.seeds)
    assert all(
        np.array_equal(a, b)
        for left, right in zip(second.parts, again.parts, strict=True)
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_stream_yields_the_images_of_the_positions(tmp_path, count, pictures):
    levels, labels = pictures(12)
    np.save(tmp_path / "images.npy", levels)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    rows = np.array([3, 5, 7, 11])
    images = ImageSet(mapped, rows, labels[rows])
    parts = [np.array([2, 0]), np.array([3]), np.array([1, 1])][:count]

    found = list(batches.stream(images, parts, CPU))

    assert len(found) == count
    for positions, (grey, classes) in zip(parts, found, strict=True):
        assert grey.dtype == torch.uint8
        assert np.array_equal(grey.numpy(), levels[rows[positions]])
        assert np.array_equal(classes.numpy(), labels[rows[positions]])


@pytest.mark.parametrize("pinned", [True, False])
def test_copies_to_a_gpu_are_waited_for_unless_the_memory_is_pinned(monkeypatch, pictures, pinned):
    levels, labels = pictures(4)
    locked, waited = [], []

    def pin(tensor):
        locked.append(tensor)
        return tensor

    def copy(tensor, device, non_blocking):
        waited.append(not non_blocking)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", copy)

    list(
        batches.stream(
            ImageSet(levels, np.arange(4), labels), [np.array([0])], torch.device("cuda"), pinned=pinned
        )
    )

    assert len(locked) == (2 if pinned else 0)
    assert waited == [not pinned] * 2


def test_a_stream_reports_a_failure_to_read(pictures):
    pixels, labels = pictures(4)

    with pytest.raises(IndexError):
        list(batches.stream(ImageSet(pixels, np.array([9]), labels[:1]), [np.array([0])], CPU))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_grey_levels_become_three_equal_channels_in_memory_of_their_own(memory_format):
    grey = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8)

    found = batches.as_input(batches.as_images(grey), memory_format)
    found[0, 0, 0, 0] = 9

    assert found.is_contiguous(memory_format=memory_format)
    assert torch.allclose(found[0, 1], torch.tensor([[0.0, 1.0], [0.2, 0.4]]))
    assert torch.equal(found[0, 1], found[0, 2])


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
