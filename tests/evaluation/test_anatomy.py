"""The cell of Figures 2 and 4: what it writes, and that its facts fit what was done."""

import json
from pathlib import Path

import pandas as pd
import pytest

from meddef_lib import models
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import anatomy


@pytest.fixture(scope="module")
def stored_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    models.save(models.build("resnet18", 2, mean=0.4, std=0.2), folder)
    return folder


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_tables_and_facts_fit_the_scope(tmp_path: Path, stored_model: Path, scope: str) -> None:
    settings = {"image_size": 64, "rate": 0.3, "scope": scope}

    anatomy.make(Workspace(settings, {"model": stored_model}, tmp_path, tmp_path / "work"))

    facts = json.loads((tmp_path / "anatomy.json").read_text())
    assert facts == {"image_size": 64, "rate": 0.3, "scope": scope, "attention_on": "x"}
    blocks = pd.read_parquet(tmp_path / "blocks.parquet")
    assert blocks["parameters"].iloc[-1] == 11_177_538
    modules = pd.read_parquet(tmp_path / "modules.parquet").set_index("module")
    assert modules.loc["normalise", "output"] == "3 × 64 × 64"
    assert modules.loc["backbone.conv1", "parameters"] == 9_408
    shares = pd.read_parquet(tmp_path / "sparsity.parquet").set_index("layer")["sparsity"]
    assert shares["overall"] == pytest.approx(0.3, abs=1e-4)
    assert (shares.std() < 1e-3) == (scope == "layer")
