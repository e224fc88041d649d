"""What cells took, summed up from their entries in the document."""

from meddef_lib.results import results_json

MADE_WITH = {"python": "3.11", "packages": {"torch": "2"}, "processor": "p"}


def cell(kind, state, estimated=None, seconds=None, device="cpu", **made_with):
    return {
        "kind": kind,
        "state": state,
        "estimated_seconds": estimated,
        "seconds": seconds,
        "device": device,
        "made_with": MADE_WITH | made_with if state == "there" else None,
    }


CELLS = [
    cell("train", "there", estimated=4.0, seconds=5.0),
    cell("attack", "missing"),
    cell("train", "there", seconds=7.0, device="cuda"),
    cell("train", "there", seconds=1.0),
]


def test_kinds_are_summed_and_what_nobody_knows_is_no_zero():
    trained = {"cells": 3, "there": 3, "missing": 0, "estimated_seconds": 4.0, "seconds": 13.0}
    attacked = {"cells": 1, "there": 0, "missing": 1, "estimated_seconds": None, "seconds": None}
    assert results_json.costs_by_kind(CELLS) == [
        {"kind": "train", **trained},
        {"kind": "attack", **attacked},
    ]
    assert results_json.costs(CELLS) == trained | {"cells": 4, "missing": 1}


def test_environments_are_told_apart():
    assert results_json.environments(CELLS) == [
        {**MADE_WITH, "device": "cpu", "cells": 2},
        {**MADE_WITH, "device": "cuda", "cells": 1},
    ]
    assert len(results_json.environments([*CELLS, cell("train", "there", python="3.12")])) == 3
