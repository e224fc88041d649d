"""Noise of an attack's budget, without its aim."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks.calling import Trace
from meddef_lib.attacks.noise import sign_noise, uniform_noise


class Unasked(nn.Module):
    """A model that noise has no business with."""

    def forward(self, images):
        raise AssertionError("the model was asked")


MIDDLE = torch.full((3, 2, 40, 40), 0.5, dtype=torch.float64)
LABELS = torch.zeros(3, dtype=torch.int64)


def test_uniform_noise_fills_the_ball():
    change = uniform_noise(Unasked(), MIDDLE, LABELS, eps=0.1, seed=4) - MIDDLE
    assert 0.0999 < change.abs().max() <= 0.1
    assert abs(change.mean()) < 4 * 0.1 / (3 * change.numel()) ** 0.5
    assert change.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.03)


def test_sign_noise_goes_to_corners():
    change = sign_noise(Unasked(), MIDDLE, LABELS, eps=0.1, seed=4) - MIDDLE
    assert change.abs().numpy() == pytest.approx(0.1)
    assert abs(change.mean()) < 4 * 0.1 / change.numel() ** 0.5


@pytest.mark.parametrize("noise", [uniform_noise, sign_noise])
def test_noise_is_clipped_and_takes_no_step(noise):
    trace = Trace()
    white = torch.ones_like(MIDDLE)
    found = noise(Unasked(), white, LABELS, eps=0.1, seed=4, trace=trace)
    assert found.max() == 1
    assert found.min() < 0.95
    assert (white == 1).all()
    assert trace.steps_used.tolist() == [0, 0, 0]
    assert torch.equal(trace.worst, found)


@pytest.mark.parametrize("noise", [uniform_noise, sign_noise])
def test_noise_belongs_to_the_image(noise):
    ids = torch.tensor([8, 9, 10])
    whole = noise(Unasked(), MIDDLE, LABELS, eps=0.1, seed=4, image_ids=ids)
    assert torch.equal(
        whole[2:], noise(Unasked(), MIDDLE[2:], LABELS[2:], eps=0.1, seed=4, image_ids=ids[2:])
    )
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("noise", [uniform_noise, sign_noise])
def test_a_budget_below_zero_is_refused(noise):
    with pytest.raises(ValueError, match=r"eps is -0\.1"):
        noise(Unasked(), MIDDLE, LABELS, eps=-0.1)
