"""A network lent to an attack comes back as it was."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks.calling import frozen


@pytest.fixture
def model():
    """Partly in training mode, partly trainable."""
    found = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Dropout(0.5), nn.Flatten()))
    found[1].eval()
    found[0].bias.requires_grad_(False)
    return found


def state(model):
    modes = {name: module.training for name, module in model.named_modules()}
    return modes, {name: parameter.requires_grad for name, parameter in model.named_parameters()}


def test_inside_it_is_in_eval_mode_with_nothing_to_train(model):
    before = state(model)
    with frozen(model):
        modes, trained = state(model)
        assert not any(modes.values())
        assert not any(trained.values())
    assert state(model) == before
    assert set(before[0].values()) == set(before[1].values()) == {True, False}, "a mixture is what came back"


def test_an_error_restores_it_too(model):
    before = state(model)
    with pytest.raises(RuntimeError, match="in the attack"), frozen(model):
        raise RuntimeError("in the attack")
    assert state(model) == before


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_gradients_of_the_input_are_to_be_had_anywhere(model, without):
    images = torch.rand(2, 1, 5, 5)
    with without(), frozen(model):
        point = images.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(point).sum(), point)
    assert gradient.abs().sum() > 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_running_averages_stay(model):
    model.train()
    before = model[1].running_mean.clone()
    with frozen(model):
        model(torch.rand(4, 1, 5, 5))
    assert torch.equal(model[1].running_mean, before)


def test_it_may_be_nested(model):
    before = state(model)
    with frozen(model), frozen(model):
        assert not model.training
    assert state(model) == before
