"""What a cell of this room works on: a few images and small networks in the place of stored ones."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from meddef_lib.diagnostics import subject
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models import files

NETWORKS = ("model", "surrogate")


@pytest.fixture
def networks(monkeypatch):
    """Networks by name, which `files.load` then gives."""
    torch.manual_seed(0)
    found = {name: nn.Sequential(nn.Flatten(), nn.Linear(192, 2)) for name in NETWORKS}
    monkeypatch.setattr(files, "load", lambda folder, device: found[folder])
    return found


@pytest.fixture
def workspace(networks, monkeypatch, tmp_path):
    """`workspace(settings, said)`: four of six images as data, the networks by name as inputs."""
    data = SimpleNamespace(
        images=np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8),
        labels=np.arange(6) % 2,
        index=pd.DataFrame({"image_id": 10 * np.arange(6)}),
        subset=lambda split, limit, seed: np.arange(limit) + 1,
    )
    monkeypatch.setattr(subject.prepared, "load", lambda folder: data)

    def made(settings, said):
        inputs = {name: name for name in networks} | {"data": "data"}
        return Workspace(settings, inputs, tmp_path, tmp_path, progress=lambda *words: said.append(words))

    return made
