"""The section of claims says which tests they were put to, and leads to the tables they are tested on."""

import pytest

from meddef_lib.paper.claims import read
from meddef_lib.report import section
from meddef_lib.report.comparing import trained_alike
from meddef_lib.report.sections import claims
from meddef_lib.results.parts.claims import section as section_of

CLAIMS = {claim.id: claim for claim in read()}


@pytest.mark.parametrize(
    ("seeds", "test"), [([0], "McNemar's exact test"), ([0, 1, 2], "Student's t-test over the seeds")]
)
def test_the_test_named_is_that_of_the_profiles_seeds(seeds, test, view_of):
    _, intro, *_ = claims.draw(view_of("smoke", [f"seeds={seeds}"], claims=[]))
    assert test in intro.html.unescape()


def test_a_claim_that_ends_otherwise_between_networks_of_one_training_says_so(view_of):
    view = view_of(names={"trainings": {"paper": "PGD training", "clean": "clean training"}})
    alike = {"mode": "paper", "verdict": "does_not_hold", "reason": "r", "tested": 2, "missing": 0}
    claim = {"verdict": "mixed", "trained_alike": [alike, {**alike, "mode": "clean", "verdict": "mixed"}]}
    shown = trained_alike(view, claim)
    assert "\u25b3 between networks of different trainings" in shown
    assert "does not hold</span> with PGD training for all" in shown
    assert "clean training" not in shown, "as it ends there, it ended already"
    assert not trained_alike(view, {**claim, "verdict": "does_not_hold", "trained_alike": [alike]})
    assert not trained_alike(view, {**claim, "trained_alike": [{**alike, "missing": 3}]}), "most is to come"


@pytest.mark.parametrize(
    ("id", "place"),
    [
        ("afd_costs_1_27", "s4-3-"),  # said in 3.3.1, tested on Table 1
        ("afd_against_pgd", "s4-1-4-4-"),  # tested on Table 3
        ("chest_40_beats_unpruned", "s4-1-4-4-"),  # clean accuracy, but pruned
        ("drusen_errors_are_cnv", "s4-6-"),
        ("low_misclassification", "s4-6-"),
        ("few_missed_pneumonias", "s4-7-"),
        ("superior_localisation", "s4-8-"),  # not testable: where the paper says it
    ],
)
def test_a_claim_leads_to_its_tables(id: str, place: str) -> None:
    assert section.place_of(section_of(CLAIMS[id])).startswith(place)


def test_every_claim_leads_to_a_section_that_the_report_has() -> None:
    known = {one.place or one.anchor for one in section.every()} | {section.SUMMARY}
    assert {section.place_of(section_of(claim)) for claim in CLAIMS.values()} <= known


def test_the_longest_number_that_fits_says_where_a_claim_leads() -> None:
    assert section.place_of("3.2.2").startswith("s3-2-2-")
    assert section.place_of("3.2.1").startswith("s3-2-1-")
    assert section.place_of("the printed numbers against each other") == "paper-audit"
    assert section.place_of("5") == section.SUMMARY
