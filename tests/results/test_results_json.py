"""results.json: it fits its schema, and says what changed, what is smoke and what is indicative."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from meddef_lib.engine.store import Store
from meddef_lib.paper import claims, published
from meddef_lib.paper.audit import audit
from meddef_lib.results import part, results_json
from meddef_lib.results.outcomes import Outcome, Outcomes
from meddef_lib.results.statistics import Interval
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.stored import Stored

PAPER = published.read()
CLAIMS = claims.read()
HASHES = published.hashes()
EMPTY = pd.DataFrame()
NOWHERE = Path("/nowhere")


def measured(**facts: object) -> Outcomes:
    """The numbers of Table 1 again, as if a run had given exactly them."""
    found = {}
    for value in PAPER.values.values():
        if value.address and value.id.startswith("table1/") and value.n:
            hits = pd.Series(np.arange(968) < round(968 * value.value / 100))
            share = 100 * float(hits.mean())
            found[value.address] = Outcome(
                per_seed=(share,),
                n=968,
                images=968,
                interval=Interval(share - 1, share + 1),
                hits=(hits,),
                alternatives={"worst_case": float("nan"), "trained_clean_balanced_accuracy": 50.0},
                **facts,
            )
    return found


def made(outcomes: Outcomes, profile: str = "paper", by_mode: object = None, **changes: object) -> dict:
    """The document of a run with these numbers and no cells."""
    found = Stored(workbook("paper" if profile == "paper" else "smoke", store=Store(NOWHERE)))
    vars(found).update(
        **{"outcomes": outcomes, "by_mode": by_mode or {}, "data": {}, "audits": {}, "trainings": {}},
        **dict.fromkeys(("history", "attacked", "pruned"), EMPTY),
    )
    vars(found).update(saliency=EMPTY, compared=EMPTY, folder=lambda id: None)
    facts = {"at_run": HASHES, "now": HASHES} | changes
    run = {
        **{"title": "t", "datasets": ["roct"], "overrides": {}, "settings": [], "parameters": {}},
        **{
            "command": "c",
            "report": "paper",
            "environment": {"versions": ("a", "b")},
            "estimate_seconds": None,
        },
        **{"seconds": 1.5, "made": 0, "failures": []},
    }
    return dict(
        results_json.Document(
            found,
            {
                "run": lambda: run,
                "cells": lambda: [],
                "published_files": lambda: results_json.published_files(facts["at_run"], facts["now"]),
            },
        )
    )


@pytest.fixture(scope="module")
def full() -> dict:
    return made(measured())


def by_id(rows: list[dict]) -> dict[str, dict]:
    return {row["id"]: row for row in rows}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(results_json.schema())


def test_every_printed_number_and_claim_has_its_entry(full: dict) -> None:
    assert [row["id"] for row in full["values"]] == list(PAPER.values)
    assert [row["id"] for row in full["claims"]] == [claim.id for claim in CLAIMS]
    assert [row["id"] for row in full["paper_audit"]] == [finding.id for finding in audit()]
    assert sum(full["counts"]["values"].values()) == len(PAPER.values)
    assert full["counts"]["values"]["within_tolerance"] == 65  # clean and twelve attacks of five models
    assert len(full["ledger"]) >= 30


def test_it_fits_its_schema_which_has_every_part(full: dict) -> None:
    results_json.check(full)
    assert set(part.every()) <= set(results_json.schema()["required"]) == set(full)


def test_a_part_is_made_when_it_is_asked_for() -> None:
    asked = []
    found = results_json.Document(
        SimpleNamespace(profile=SimpleNamespace(name="mini")), {"run": lambda: asked.append(1) or {"a": (1,)}}
    )
    assert found["profile"] == "mini"
    assert asked == []
    assert found["run"] == found["run"] == {"a": [1]}
    assert asked == [1], "once"
    with pytest.raises(KeyError, match=r"no part 'nothing'; it has .*claims"):
        found["nothing"]


def test_frames_become_rows_and_what_is_no_number_null() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [np.nan, 0.5]})
    assert results_json.plain({"rows": frame, "n": np.int64(3)}) == {
        "rows": [{"a": 1, "b": None}, {"a": 2, "b": 0.5}],
        "n": 3,
    }


def test_it_is_plain_json(full: dict) -> None:
    text = json.dumps(full, allow_nan=False)
    assert json.loads(text) == full
    assert by_id(full["values"])["table1/full/eps=0.05/pgd"]["alternatives"] == {
        "worst_case": None,
        "trained_clean_balanced_accuracy": 50,
    }


def test_claims_have_two_columns(full: dict) -> None:
    row = by_id(full["claims"])["highest_clean"]
    assert (
        row["verdict"] == "does_not_hold"
    )  # on ROCT, measured: two differences are significant, none for it
    assert row["in_paper"]["verdict"] == "does_not_hold"
    assert (row["quantifier"], len(row["in_paper"]["for"]), row["in_paper"]["tested"]) == ("all", 3, 8)
    assert row["missing"] == 4
    assert (row["seeds"], row["indicative"]) == (1, True), "of one seed, in the published setting, too"
    assert row["deviations"][0].startswith("1 seed, which compares trainings and not architectures")
    threshold = by_id(full["claims"])["robust_at_all_magnitudes"]  # of one network
    assert (threshold["seeds"], threshold["indicative"]) == (None, False)


def test_what_more_seeds_would_cost_and_decide_is_said(full: dict) -> None:
    found = full["more_seeds"]
    assert (found["seeds"], found["needed"], found["seconds"]) == (1, 3, None), "no cell, no cost"
    assert found["claims"] == sum(row["seeds"] == 1 for row in full["claims"]) > 20


def test_a_phantom_run_reads_smoke_except_for_the_papers_own_tables() -> None:
    found = made(measured(phantom=True), "smoke")
    assert {row["verdict"] for row in found["claims"]} == {"smoke"}
    assert found["counts"]["claims_in_paper"]["smoke"] == 0
    assert found["counts"]["values"]["within_tolerance"] == 0
    assert found["counts"]["values"]["smoke"] == 65 + 1  # the text prints another number for one of them


def test_outside_the_published_setting_claims_are_indicative() -> None:
    found = made(measured(deviations=("epochs 10 instead of 100",)))
    row = by_id(found["claims"])["highest_clean"]
    assert (row["verdict"], row["indicative"]) == ("does_not_hold", True)
    assert row["deviations"][0] == "epochs 10 instead of 100"
    level = by_id(found["claims"])["up_to_97_52"]
    assert by_id(made(measured())["claims"])["up_to_97_52"]["verdict"] == "holds", "in the paper's setting"
    assert (level["verdict"], level["tested"], level["indicative"]) == ("undecided", 0, True)
    assert "a level of the paper's setting" in level["not_counted"][0]
    assert found["more_seeds"]["claims"] == 0, "what also deviates otherwise stays a tendency"
    assert by_id(found["values"])["table1/full/clean"]["status"] == "other_setting"
    assert not by_id(found["claims"])["well_calibrated"]["indicative"]  # nothing was measured for it


def test_a_tolerance_changed_after_the_run_is_seen() -> None:
    before = HASHES | {"tolerances.yaml": "0" * 64}
    assert made({}, at_run=before)["published_files"]["changed"] == ["tolerances.yaml"]


def test_a_document_that_does_not_fit_is_refused(full: dict) -> None:
    broken = {**full, "values": [{**full["values"][0], "status": "agrees"}]}
    with pytest.raises(ValueError, match=r"at \$.values\[0\].status: 'agrees' is not one of"):
        results_json.check(broken)
    row = {**by_id(full["values"])["table1/full/clean"], "deviations": ["n 10 instead of 968"]}
    with pytest.raises(ValueError, match="deviations"):
        results_json.check({**full, "values": [row]})  # a verdict never stands on another setting


def test_where_networks_of_two_trainings_are_compared_the_claim_is_tested_by_each(full: dict) -> None:
    """ResNet18 was trained on clean images, the others adversarially: at one it may end otherwise."""
    outcomes = measured()
    half = {"per_seed": (50.0,), "hits": (pd.Series(np.arange(968) % 2 == 0),)}
    alike = {
        at: replace(outcome, **half) if (at.variant, at.quantity) != ("full", "accuracy") else outcome
        for at, outcome in outcomes.items()
    }
    by_mode = {("roct", "full", "paper"): outcomes, ("roct", "full", "clean"): alike}
    rows = by_id(made(outcomes, by_mode=by_mode)["claims"])
    row = rows["highest_clean"]
    assert row["verdict"] == "does_not_hold"
    assert {one["mode"]: one["verdict"] for one in row["trained_alike"]} == {
        "paper": "does_not_hold",
        "clean": "undecided",  # it holds on these images; on the chest X-rays nothing was measured
    }
    assert rows["afd_against_pgd"]["trained_alike"] == [], "its networks were trained in one way"
    assert not any(row["trained_alike"] for row in full["claims"]), "nothing was trained otherwise"
    assert not any(row["trained_alike"] for row in made(outcomes, "smoke", by_mode=by_mode)["claims"])
