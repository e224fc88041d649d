"""What changed since an earlier run, and why, from two documents."""

import json
from copy import deepcopy

import pytest

from meddef_lib.results import changes

KEYS = {"prepared": "a" * 64, "train": "b" * 64, "attack": "c" * 64}


def cell(kind, *inputs, **facts):
    return {
        "id": f"{kind}/roct",
        "kind": kind,
        "key": KEYS[kind],
        "inputs": [f"{name}/roct" for name in inputs],
        "code": "code",
        "state": "there",
        "settings": {},
        **facts,
    }


@pytest.fixture
def before():
    value = {
        "id": "table1/full/clean",
        "unit": "percent",
        "decimals": 2,
        "reproduced": 90.0,
        "status": "within_tolerance",
        "ci_low": 88.0,
        "ci_high": 92.0,
        "keys": [KEYS["attack"]],
    }
    claim = {
        "id": "a",
        "text": "A is more than B.",
        "verdict": "holds",
        "indicative": False,
        "for": ["x"],
        "tested": 1,
        "in_paper": {"verdict": "holds"},
    }
    return {
        "run": {"environment": {"commit": "0f" * 20}},
        "cells": [
            cell("prepared", settings={"manifest": "1", "limits": {"test": 9}}),
            cell("train", "prepared", settings={"epochs": 3}),
            cell("attack", "train", "prepared"),
        ],
        "values": [value],
        "claims": [claim],
    }


@pytest.fixture
def now(before):
    return deepcopy(before)


def other(document, place, **facts):
    """Another cell in a place, and so other keys of all that are made from it."""
    document["cells"][place] |= facts
    for each in document["cells"][place:]:
        each["key"] = each["key"].upper()
    document["values"][0]["keys"] = [document["cells"][-1]["key"]]


def test_an_earlier_document_need_not_name_its_commit(before, now):
    before["run"]["environment"] = {}
    assert changes.since(before, now)["since"] == ""


def test_the_same_results_have_not_changed(before, now):
    found = changes.since(before, now)
    assert changes.are_none(found)
    now["values"][0]["reproduced"] += 1e-12
    assert changes.are_none(changes.since(before, now)), "another machine adds in another order"


@pytest.mark.parametrize(
    ("place", "facts", "why", "told"),
    [
        (0, {"settings": {"manifest": "2", "limits": {"test": 9}}}, "data", "other images (prepared/roct)"),
        (0, {"settings": {"manifest": "1", "limits": {"test": 8}}}, "parameters", "limits.test: 9 -> 8"),
        (1, {"settings": {"epochs": 5}}, "parameters", "epochs: 3 -> 5"),
        (1, {"code": "other"}, "code", "code of train"),
        (2, {"code": "other"}, "code", "code of attack"),
    ],
)
def test_why_is_found_however_far_up_it_lies(place, facts, why, told, before, now):
    other(now, place, **facts)
    now["values"][0] |= {"reproduced": 80.0, "ci_low": 78.0, "ci_high": 82.0, "status": "differs"}
    found = changes.since(before, now)
    (row,) = found["values"]
    assert (row["before"], row["now"], row["difference"], row["inside"]) == (90.0, 80.0, -10.0, False)
    assert (row["status_before"], row["status_now"]) == ("within_tolerance", "differs")
    assert (row["why"], row["told"]) == ([why], [told])
    assert (found["why"], found["told"]) == ([why], [told])
    assert not changes.are_none(found)


def test_the_same_steps_can_give_another_number(before, now):
    now["values"][0] |= {"reproduced": 89.0}
    (row,) = changes.since(before, now)["values"]
    assert (row["why"], row["told"], row["inside"]) == (["same"], [], True)


def test_a_status_alone_is_a_change_and_no_interval_holds_nothing(before, now):
    now["values"][0] |= {"status": "inconclusive", "ci_low": None, "ci_high": None}
    (row,) = changes.since(before, now)["values"]
    assert (row["difference"], row["inside"], row["status_now"]) == (0.0, None, "inconclusive")


def test_another_seed_is_a_step_more(before, now):
    now["cells"].append(cell("attack") | {"id": "attack/roct/seed=1", "key": "d" * 64})
    now["values"][0] |= {"reproduced": 89.0, "keys": [KEYS["attack"], "d" * 64]}
    (row,) = changes.since(before, now)["values"]
    assert (row["why"], row["told"]) == (["parameters"], ["with attack/roct/seed=1"])


def test_numbers_of_one_run_alone_are_counted(before, now):
    before["values"][0]["reproduced"] = None
    found = changes.since(before, now)
    assert (found["values"], found["new"], found["gone"]) == ([], 1, 0)
    assert changes.since(now, before)["gone"] == 1


def test_a_claim_has_changed_with_its_verdict_or_its_count(before, now):
    assert changes.since(before, now)["claims"] == []
    now["claims"][0]["for"] = []
    (row,) = changes.since(before, now)["claims"]
    assert (row["before"]["for"], row["now"]["for"]) == (1, 0)


def test_what_is_said_to_be_so_now_is_held_against_the_numbers(before, now):
    now["values"][0] |= {"reproduced": 80.0}
    now["claims"][0]["verdict"] = "mixed"
    found = changes.since(before, now)
    assert changes.fit(json.loads(json.dumps(found)), now)
    for part, name, forged in (("values", "now", 99.0), ("values", "id", "table9"), ("claims", "id", "b")):
        wrong = deepcopy(found)
        wrong[part][0][name] = forged
        assert not changes.fit(wrong, now)
