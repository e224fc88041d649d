"""The worst case beside PGD on the same images, and which attack took how many."""

import pandas as pd
import pytest

from meddef_lib.paper import claims
from meddef_lib.paper.claims import comparisons
from meddef_lib.results import statistics
from meddef_lib.results.parts import diagnostics

LABELS = [0, 1, 0, 1, 0, 1, 0, 1]
# two are wrong before, two fall to PGD, one to APGD-T and one to Square; two stand
CLEAN = [1, 0, 0, 1, 0, 1, 0, 1]
WORST = [1, 0, 1, 0, 1, 0, 0, 1]
STEPS = [0, 0, 3, 20, 20 + 11 + 5 + 1, 20 + 1 + 10 + 1 + 10 + 1 + 100, 144, 144]
PGD = [1, 0, 1, 0, 0, 1, 0, 1]
SETTINGS = "attacks.worst_case={restarts: 2, apgd_steps: 10, queries: 100}"


@pytest.fixture
def run(records):
    def made(attack, answers, **names):
        steps = STEPS if attack == "worst_case" else [10] * 8
        return records("full", CLEAN, answers, attack=attack, **names).assign(steps_used=steps)

    return made


def test_the_gap_is_a_share_and_images_are_counted_by_what_took_them(collected, run):
    attacked = pd.concat([run("worst_case", WORST), run("pgd", PGD), run("pgd", CLEAN, eps=0.1)])
    (row,) = diagnostics.worst_cases(collected(SETTINGS, "attacks.steps=10", attacked=attacked))
    assert [row[name] for name in ("dataset", "variant", "mode", "seed")] == [
        "chest_xray",
        "full",
        "clean",
        0,
    ]
    assert (row["eps"], row["rate_percent"], row["n"], row["misclassified"]) == (0.05, 0, 8, 2)
    assert (row["accuracy"], row["pgd"], row["gap"]) == (25, 50, 25)
    low, high = statistics.wilson(2, 8)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((100 * low, 100 * high))
    low, high = statistics.wilson(2, 8)  # PGD is part of the worst case: there is no gap below 0
    assert (row["gap_low"], row["gap_high"]) == pytest.approx((100 * low, 100 * high))
    assert row["fallen"] == {"pgd": 2, "apgd_ce": 0, "apgd_targeted": 1, "square": 1}


def test_pgd_counts_on_the_images_of_the_worst_case_alone(collected, run):
    few = run("worst_case", WORST).iloc[2:6]
    (row,) = diagnostics.worst_cases(collected(SETTINGS, attacked=pd.concat([few, run("pgd", PGD)])))
    assert (row["n"], row["accuracy"], row["pgd"], row["gap"]) == (4, 0, 50, 50)
    less = run("pgd", PGD).iloc[3:]
    (row,) = diagnostics.worst_cases(collected(SETTINGS, attacked=pd.concat([few, less])))
    assert (row["pgd"], row["gap"], row["gap_low"], row["gap_high"]) == (None,) * 4


def test_an_image_that_falls_to_pgd_alone_makes_the_gap_a_paired_difference(collected, run):
    rounded = [0, *PGD[1:-1], 0]  # the last image stands in the worst case
    attacked = pd.concat([run("worst_case", WORST), run("pgd", rounded)])
    (row,) = diagnostics.worst_cases(collected(SETTINGS, attacked=attacked))
    low, high = statistics.paired_difference(1, 3, 8)
    assert (row["gap_low"], row["gap_high"]) == pytest.approx((100 * low, 100 * high))
    assert low < 0


def test_each_network_budget_and_rate_has_a_row(collected, run):
    attacked = pd.concat([run("worst_case", WORST), run("worst_case", WORST, eps=0.1, seed=1)])
    pruned = pd.concat([run(name, WORST, rate=0.3) for name in ("worst_case", "pgd")])
    rows = diagnostics.worst_cases(collected(SETTINGS, attacked=attacked, pruned=pruned))
    places = {(row["eps"], row["seed"], row["rate_percent"]): row["gap"] for row in rows}
    assert places == {(0.05, 0, 0): None, (0.1, 1, 0): None, (0.05, 0, 30): 0}


def test_without_records_there_are_no_rows(collected, run):
    assert diagnostics.worst_cases(collected()) == []
    assert diagnostics.worst_cases(collected(attacked=run("pgd", PGD))) == []


def test_no_claim_is_tested_with_it():
    tests = [claim.test for claim in claims.read() if claim.test is not None]
    sides = [side for test in tests for comparison in comparisons(test) for side in comparison.sides]
    assert {side.attack for side in sides} == {"", "fgsm", "pgd", "bim", "jsma"}
