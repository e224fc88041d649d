"""Pruning against torch's own, and what it leaves behind."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as theirs

from meddef_lib import models
from meddef_lib.pruning import prunable, prune, smallest

RATES = [0.0, 0.1, 0.3, 0.5, 0.8, 0.99]


@pytest.fixture(scope="module")
def network() -> models.MedDef:
    model = models.build("full", 2)
    assert isinstance(model, models.MedDef)
    return model


@pytest.fixture
def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 5), nn.Linear(5, 2)
    )


@pytest.mark.parametrize("rate", RATES)
def test_global_masks_are_torchs(small: nn.Module, rate: float) -> None:
    _same_masks(prune(small, rate), _pruned_by_torch(small, rate, "global"))


@pytest.mark.parametrize("rate", RATES)
def test_layer_masks_are_torchs(small: nn.Module, rate: float) -> None:
    _same_masks(prune(small, rate, "layer"), _pruned_by_torch(small, rate, "layer"))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_ties_are_resolved_as_torch_resolves_them(small: nn.Module, scope: str) -> None:
    with torch.no_grad():
        for weight in prunable(small).values():
            weight.copy_((weight * 20).round().clamp(-3, 3) + 0.25)  # few values, many times each, none zero
    _same_masks(prune(small, 0.37, scope), _pruned_by_torch(small, 0.37, scope))  # type: ignore[arg-type]


def test_channels_last_weights_lose_the_same(small: nn.Module) -> None:
    laid_out = prune(small.to(memory_format=torch.channels_last), 0.5)
    _same_masks(laid_out, _pruned_by_torch(small.to(memory_format=torch.contiguous_format), 0.5, "global"))


def test_the_model_itself_stays_as_it_was(small: nn.Module) -> None:
    before = {name: value.clone() for name, value in small.state_dict().items()}
    prune(small, 0.5)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())


def test_biases_and_normalisation_stay(network: models.MedDef) -> None:
    pruned = prune(network, 0.8)
    touched = {f"{name}.weight" for name in prunable(network)}
    for name, value in network.state_dict().items():
        assert (name in touched) or torch.equal(pruned.state_dict()[name], value), name


def test_zeros_survive_the_disk_in_plain_weights(network: models.MedDef, tmp_path: Path) -> None:
    models.save(prune(network, 0.3), tmp_path)
    loaded = models.load(tmp_path)
    assert loaded.state_dict().keys() == network.state_dict().keys()
    weights = torch.cat([weight.detach().flatten() for weight in prunable(loaded).values()])
    assert (weights == 0).sum().item() == round(0.3 * weights.numel())
    kept = torch.cat([weight.detach().flatten() for weight in prunable(network).values()])
    assert torch.equal(weights[weights != 0], kept[weights != 0])


def test_layer_scope_takes_the_same_share_of_each_layer(network: models.MedDef) -> None:
    for name, weight in prunable(prune(network, 0.4, "layer")).items():
        assert (weight == 0).sum().item() == round(0.4 * weight.numel()), name


def test_pruning_further_agrees_with_pruning_at_once(small: nn.Module) -> None:
    _same_masks(prune(prune(small, 0.2), 0.6), prune(small, 0.6))


@pytest.mark.parametrize("count", [0, 1, 4, 6])
def test_smallest_marks_so_many(count: int) -> None:
    magnitudes = torch.tensor([2.0, 0.0, 1.0, 1.0, 1.0, 3.0])
    mask = smallest(magnitudes, count)
    assert mask.sum() == count
    if 0 < count < 6:
        assert magnitudes[mask].max() <= magnitudes[~mask].min()


@pytest.mark.parametrize("rate", [-0.1, 1.0, 30])
def test_impossible_rates_are_refused(small: nn.Module, rate: float) -> None:
    with pytest.raises(ValueError, match=f"rate is {rate}; expected a share"):
        prune(small, rate)


def test_unknown_scopes_are_refused(small: nn.Module) -> None:
    with pytest.raises(ValueError, match="scope of pruning is 'module'"):
        prune(small, 0.1, "module")  # type: ignore[arg-type]


def _pruned_by_torch(model: nn.Module, rate: float, scope: str) -> nn.Module:
    pruned = copy.deepcopy(model)
    layers = [layer for layer in pruned.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    if scope == "global":
        theirs.global_unstructured(
            [(layer, "weight") for layer in layers], theirs.L1Unstructured, amount=rate
        )
    else:
        for layer in layers:
            theirs.l1_unstructured(layer, "weight", amount=rate)
    for layer in layers:
        theirs.remove(layer, "weight")
    return pruned


def _same_masks(ours: nn.Module, expected: nn.Module) -> None:
    found: dict[str, Tensor] = dict(prunable(ours))
    for name, weight in prunable(expected).items():
        assert torch.equal(found[name] == 0, weight == 0), name
