"""The checks as a cell of a workbook."""

import json

import pytest

from meddef_lib.diagnostics import CHECKS, checks
from meddef_lib.params.studies import DiagnosticsParams

SETTINGS = {
    "split": "test",
    "images": 4,
    "rates": [0, 0.8],
    "scope": "global",
    "eps": 0.05,
    "effort": DiagnosticsParams(steps=1, most_steps=2, restarts=1, queries=1).settings(
        "variants", "rates", "images"
    ),
    "batch_size": 3,
    "seed": 0,
}


def test_more_steps_are_more_than_the_usual_ones():
    with pytest.raises(ValueError, match="most_steps > steps"):
        DiagnosticsParams(steps=10, most_steps=10)


def test_a_network_is_examined_at_each_rate_and_against_another(tmp_path, workspace):
    said = []
    checks.make(workspace(SETTINGS, said))
    made = json.loads((tmp_path / "checks.json").read_text())
    assert (made["images"], made["eps"]) == (4, 0.05)
    assert [network["rate"] for network in made["networks"]] == [0, 0.8]
    assert all({check["name"] for check in network["checks"]} == set(CHECKS) for network in made["networks"])
    assert said == [(1, 2, "networks"), (2, 2, "networks")]
