"""While a run goes on what it is still to make is pending, and nothing is said of that."""

from copy import deepcopy

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.results import pending, results_json
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook

MODEL = "chest_xray/full/clean/seed=0"
NUMBER = "table2/full/eps=0.05/{}"


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """The document of a run of `mini` that has made nothing."""
    store = Store(tmp_path_factory.mktemp("store"))
    return results_file.document(workbook("mini", store=store))


@pytest.fixture
def found(document):
    return deepcopy(document)


def statuses(document):
    return {row["id"]: row["status"] for row in document["values"]}


def test_the_numbers_of_what_is_to_come_wait_and_no_others(found):
    got = pending.marked(found, {f"attack/{MODEL}/fgsm"})
    before, now = statuses(found), statuses(got)
    waiting = {id for id in now if now[id] != before[id]}
    assert {now[id] for id in waiting} == {"pending"}
    assert NUMBER.format("fgsm") in waiting
    assert NUMBER.format("pgd") not in waiting
    assert "table2/full/eps=0.20/fgsm" not in waiting, "no run of this profile has that epsilon"
    assert not any("resnet18" in id for id in waiting)
    states = {cell["id"]: cell["state"] for cell in got["cells"]}
    assert [id for id, state in states.items() if state == "pending"] == [f"attack/{MODEL}/fgsm"]
    assert got["counts"]["values"]["pending"] == len(waiting)
    results_json.check(got | {"run": found["run"]})


def test_answers_to_clean_images_come_with_the_first_attack(found):
    others = {cell["id"]: cell for cell in found["cells"] if cell["kind"] == "attack"}
    clean = "table2/full/clean"
    assert statuses(pending.marked(found, others))[clean] == "pending"
    others.pop(f"attack/{MODEL}/bim")["state"] = "there"
    got = statuses(pending.marked(found, others))
    assert got[clean] != "pending"
    assert got[NUMBER.format("fgsm")] == "pending"


def test_a_number_of_which_a_seed_is_to_come_is_shown_and_not_judged(found):
    (row,) = (row for row in found["values"] if row["id"] == NUMBER.format("pgd"))
    row |= {"reproduced": 50.0, "status": "differs"}
    marked = pending.marked(found, {f"attack/{MODEL}/pgd"})["values"]
    (got,) = (one for one in marked if one["id"] == row["id"])
    assert (got["reproduced"], got["status"], got["reason"]) == (50.0, "pending", pending.GOES_ON)


def test_a_claim_waits_with_its_numbers_and_its_verdict_is_none(found):
    for claim in found["claims"]:
        claim |= {"verdict": "does_not_hold", "for": ["a"], "tested": 3, "seeds": 1, "deviations": ["1 seed"]}
    attacks = {cell["id"] for cell in found["cells"] if cell["kind"] in ("attack", "prune")}
    got = pending.marked(found, attacks)
    by_verdict = {}
    for claim in got["claims"]:
        by_verdict.setdefault(claim["verdict"], []).append(claim)
    assert set(by_verdict) == {"pending", "does_not_hold"}
    assert all(claim["for"] == [] and claim["tested"] == 0 for claim in by_verdict["pending"])
    assert got["counts"]["claims"]["pending"] == len(by_verdict["pending"]) > 3
    waiting = {claim["id"] for claim in by_verdict["pending"]}
    assert not [one for one in got["findings"] if one["about"] in waiting and one["kind"].endswith("_run")]
    assert got["more_seeds"]["claims"] == len(by_verdict["does_not_hold"])


def test_what_arrived_in_the_meantime_is_there(found):
    found["cells"][0]["state"] = "there"
    assert pending.marked(found, {found["cells"][0]["id"]})["cells"][0]["state"] == "there"


def test_a_finished_document_names_nothing_pending(document):
    assert "pending" not in document["counts"]["values"]
    assert "pending" not in document["counts"]["claims"]
    assert "underway" not in document["run"]
