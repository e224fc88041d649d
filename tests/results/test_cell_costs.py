"""What cells took, summed up from their entries in the document."""

from meddef_lib.results import results_json

MADE_WITH = {"python": "3.11", "packages": {"torch": "2"}, "processor": "p"}


def cell(kind, state, estimated=None, seconds=None, device="cpu", model="m", **made_with):
    return {
        "kind": kind,
        "model": model,
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


def test_more_seeds_cost_the_cells_of_networks_again():
    cells = [
        *CELLS,
        cell("train", "missing", estimated=2.0),
        cell("prepared", "there", seconds=99.0, model=""),
    ]
    assert results_json.cost_of_more_seeds(cells, 1, 3) == 2 * (5 + 7 + 1 + 2)
    assert results_json.cost_of_more_seeds(cells, 2, 3) == (5 + 7 + 1 + 2) / 2
    assert results_json.cost_of_more_seeds(cells, 3, 3) == 0
    assert results_json.cost_of_more_seeds([], 1, 3) is None


def test_kinds_are_told_with_what_they_come_from():
    def of(id, *inputs):
        return {"id": id, "kind": id.partition("/")[0], "inputs": list(inputs)}

    cells = [
        of("prepared/a"),
        of("train/a", "prepared/a"),
        of("train/b", "prepared/a", "train/a"),  # taught by another
        of("attack/b", "prepared/a", "train/b"),
    ]
    assert results_json.flow(cells) == [
        {"kind": "prepared", "cells": 1, "from": []},
        {"kind": "train", "cells": 2, "from": ["prepared", "train"]},
        {"kind": "attack", "cells": 1, "from": ["prepared", "train"]},
    ]
