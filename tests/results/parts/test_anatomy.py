"""A network laid open: the blocks that are drawn, and what the size of its map leaves to do."""

import json

import pandas as pd
import pytest

from meddef_lib.results.collected import names_of
from meddef_lib.results.model import Model
from meddef_lib.results.parts import anatomy

FULL = Model("roct", "full", "clean", 0)


@pytest.fixture
def folder(tmp_path):
    """An anatomy cell: three blocks with their total, a few modules, and four weights of which two stay."""
    names = ("normalise", *anatomy.STEM, "backbone.layer1.0.conv1")
    parameters = [0, 100, 20, 0, 7]
    tables = {
        "modules": pd.DataFrame({"module": names, "output": "4 × 4", "parameters": parameters}),
        "blocks": pd.DataFrame({"block": ["a", "b", "c", "total"], "parameters": [1, 5, 2, 8]}),
        "magnitudes": pd.DataFrame(
            {"share": [0.0, 0.5, 0.75, 1.0], "magnitude": [0.1, 0.2, 0.3, 0.4]}
            | {"removed": [True, True, False, False]}
        ),
        "sparsity": pd.DataFrame({"layer": ["overall"], "weights": [4], "zeros": [2], "sparsity": [0.5]}),
    }
    for name, table in tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    facts = {"image_size": 100, "attention_on": "x", "rate": 0.5, "scope": "global"}
    (tmp_path / "anatomy.json").write_text(json.dumps(facts))
    return tmp_path


def test_the_cut_is_at_the_least_weight_that_stays(folder):
    found = anatomy.of_model(FULL, folder)
    assert (found["cut"], found["cut_share"]) == (0.3, 0.75)
    assert names_of(FULL) | found == found | {"mode": "clean", "seed": 0}


def test_the_largest_block_is_not_the_total(folder):
    assert anatomy.of_model(FULL, folder)["largest_block"] == "b"


def test_what_stands_before_the_layers_is_one_block(folder):
    modules = anatomy.of_model(FULL, folder)["modules"]
    assert modules["stem"] == {"output": "4 × 4", "parameters": 120}
    assert set(modules) == {"normalise", *anatomy.STEM, "stem"}, "without what lies deeper"


@pytest.mark.parametrize(
    ("image_size", "side", "enlarged"), [(32, 1, [2, 4, 8]), (64, 2, [4, 8]), (100, 4, [8]), (256, 8, [])]
)
def test_pools_larger_than_the_map_only_enlarge_it(image_size, side, enlarged):
    expected = {"map_side": side, "map_positions": side**2, "enlarged_scales": enlarged}
    assert anatomy.of_map(image_size) == expected
