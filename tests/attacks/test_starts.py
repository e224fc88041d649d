"""Random numbers of an image: its own whatever the batch, and as random as they claim."""

import pytest
import torch

from meddef_lib.attacks.starts import draws, ids_or_places, signs_like, uniform_like

IDS = torch.tensor([3, 2**62 + 5, 0, 17])


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def batch(request):
    return torch.zeros(4, 3, 8, 5, dtype=request.param)


@pytest.mark.parametrize("numbers", [uniform_like, signs_like])
def test_numbers_belong_to_the_id_and_not_to_the_place(numbers, batch):
    whole = numbers(batch, IDS, seed=7)
    assert whole.dtype == batch.dtype
    turned = numbers(batch, IDS.flip(0), seed=7).flip(0)
    alone = torch.cat([numbers(batch[i : i + 1], IDS[i : i + 1], seed=7) for i in range(4)])
    assert torch.equal(whole, turned)
    assert torch.equal(whole, alone)
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("numbers", [uniform_like, signs_like])
def test_numbers_do_not_depend_on_the_memory_format(numbers, batch):
    last = batch.contiguous(memory_format=torch.channels_last)
    assert torch.equal(numbers(batch, IDS, seed=7), numbers(last, IDS, seed=7))


@pytest.mark.parametrize("other", [{"seed": 8}, {"seed": 7, "stream": 1}, {"seed": -7}])
def test_seeds_and_streams_are_different_numbers(batch, other):
    a, b = uniform_like(batch, IDS, seed=7), uniform_like(batch, IDS, **other)
    assert not torch.isin(a, b).any() if batch.dtype == torch.float64 else not torch.equal(a, b)
    assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.15  # 480 numbers: 3 sigma


def test_the_generator_is_splitmix64():
    # the first outputs of the published generator for seed 0 are those of key 0: id 0, seed 0, stream 0
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    found = draws(torch.tensor([0]), 3, seed=0)[0]
    assert found.tolist() == [(value >> 11) * 2.0**-53 for value in expected]


def test_uniform_numbers_are_uniform():
    found = uniform_like(torch.zeros(2, 3, 100, 100, dtype=torch.float64), None, seed=1).flatten()
    assert found.abs().max() < 1
    assert found.abs().min() > 0
    # 60,000 numbers: four standard errors of the mean, the variance, and the share of each tenth
    assert abs(found.mean()) < 4 * (1 / 3 / 60_000) ** 0.5
    assert found.var().item() == pytest.approx(1 / 3, abs=4 * (4 / 45 / 60_000) ** 0.5)
    shares = torch.histc(found, bins=10, min=-1, max=1) / 60_000
    assert (shares - 0.1).abs().max() < 4 * (0.09 / 60_000) ** 0.5
    neighbours = torch.corrcoef(torch.stack([found[:-1], found[1:]]))[0, 1]
    assert abs(neighbours) < 4 / 60_000**0.5


def test_signs_are_fair():
    found = signs_like(torch.zeros(2, 3, 100, 100), None, seed=1).flatten()
    assert set(found.tolist()) == {-1.0, 1.0}
    assert abs(found.mean()) < 4 / 60_000**0.5


def test_draws_are_uniform_in_the_unit_interval():
    found = draws(torch.arange(400), 50, seed=3)
    assert found.shape == (400, 50)
    assert found.min() >= 0
    assert found.max() < 1
    assert found.mean().item() == pytest.approx(0.5, abs=4 * (1 / 12 / 20_000) ** 0.5)
    assert torch.equal(found[7:9], draws(torch.tensor([7, 8]), 50, seed=3))


def test_without_ids_the_place_is_the_id(batch):
    assert torch.equal(uniform_like(batch, None, seed=1), uniform_like(batch, torch.arange(4), seed=1))


@pytest.mark.parametrize("ids", [torch.arange(3), torch.arange(4, dtype=torch.int32), torch.zeros(4)])
def test_ids_that_do_not_fit_are_refused(batch, ids):
    with pytest.raises(ValueError, match="expected one int64 id for each of 4 images"):
        ids_or_places(ids, batch)
