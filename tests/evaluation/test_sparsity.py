"""The report of zeros, and the magnitudes of Figure 4."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from meddef_lib.evaluation import anatomy
from meddef_lib.pruning import prune


@pytest.fixture
def model() -> nn.Module:
    """Ten prunable weights, 1 to 10, in two layers; a batch normalisation that does not count."""
    layers = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Linear(3, 2))
    with torch.no_grad():
        layers[0].weight.copy_(torch.tensor([1.0, -9, 3, 4]).view(4, 1, 1, 1))
        layers[2].weight.copy_(torch.tensor([[5.0, -6, 7], [8, 2, 10]]))
    return layers


def test_zeros_are_counted_by_layer_and_overall(model: nn.Module) -> None:
    found = anatomy.sparsity(prune(model, 0.3))
    assert found.to_dict("records") == [
        {"layer": "0", "weights": 4, "zeros": 2, "sparsity": 0.5},
        {"layer": "2", "weights": 6, "zeros": 1, "sparsity": 1 / 6},
        {"layer": "overall", "weights": 10, "zeros": 3, "sparsity": 0.3},
    ]


def test_an_unpruned_network_has_no_zeros(model: nn.Module) -> None:
    assert anatomy.sparsity(model)["zeros"].sum() == 0


def test_magnitudes_rise_and_say_what_is_removed(model: nn.Module) -> None:
    found = anatomy.magnitudes(model, 0.3)
    expected = pd.DataFrame(
        {
            "share": np.arange(10) / 10,
            "magnitude": np.arange(1, 11, dtype=np.float32),
            "removed": np.arange(10) < 3,
        }
    )
    pd.testing.assert_frame_equal(found, expected)


def test_magnitudes_are_thinned_to_the_points_asked_for() -> None:
    found = anatomy.magnitudes(nn.Linear(100, 100), 0.5, points=50)
    assert len(found) == 50
    assert found["magnitude"].is_monotonic_increasing
    assert found["removed"].sum() == 25
