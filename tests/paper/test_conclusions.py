"""Claims concluded by hand-made decisions, and by the paper's own tables."""

import pytest

from meddef_lib.paper import claims, conclusions, published
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.claims import Claim, Comparison, comparisons
from meddef_lib.paper.conclusions import Decided

PAPER = published.read()
BY_ID = {claim.id: claim for claim in claims.read()}


def claim(holds_if: str = "all", **test: object) -> Claim:
    return Claim(id="made-up", section="4", text="A", kind="ordering", holds_if=holds_if, test=test)


@pytest.mark.parametrize(
    ("relation", "left", "right", "decision"),
    [
        (">", 2.0, 1.0, "for"),
        (">", 1.0, 1.0, "against"),
        ("<", 1.0, 1.0, "against"),
        (">=", 1.0, 1.0, "for"),
        ("<=", 1.1, 1.0, "against"),
        ("<=", 0.3, 0.1 + 0.2, "for"),  # the arithmetic's last bit is no difference
        ("=", 1.4, 1.0, "for"),
        ("=", 1.6, 1.0, "against"),
    ],
)
def test_two_numbers(relation: str, left: float, right: float, decision: str) -> None:
    address = Address(dataset="roct", quantity="accuracy")
    comparison = Comparison(left=address, relation=relation, right=right, within=0.5)
    assert conclusions.decide_plainly(comparison, left, right) == decision


def test_a_margin_counts_from_the_right_side() -> None:
    address = Address(dataset="roct", quantity="accuracy")
    lower = Comparison(left=address, relation="<", right=address, by=-20)
    assert conclusions.decide_plainly(lower, 70, 95) == "for"
    assert conclusions.decide_plainly(lower, 80, 95) == "against"


@pytest.mark.parametrize(
    ("holds_if", "decisions", "missing", "conclusion"),
    [
        ("all", ["for", "for"], 0, "holds"),
        ("all", ["for", "against"], 0, "mixed"),
        ("all", ["for", "undecided"], 0, "mixed"),
        ("all", ["against", "undecided"], 0, "does_not_hold"),
        ("all", ["undecided"], 3, "not_testable"),
        ("all", [], 2, "not_testable"),
        ("all", ["for"], 2, "not_testable"),  # one of three cannot carry "all"
        ("all", ["against"], 2, "does_not_hold"),  # but one against is enough
        ("any", ["for", "against", "against"], 9, "holds"),
        ("any", ["against", "against"], 0, "does_not_hold"),
        ("any", ["against", "undecided"], 0, "not_testable"),
    ],
)
def test_conclusions(holds_if: str, decisions: list[str], missing: int, conclusion: str) -> None:
    test = {"left": {"dataset": "roct", "quantity": "accuracy"}, "relation": ">", "right": 1}
    found = claim(holds_if, **test)
    (comparison,) = comparisons(found.test)
    decided = [Decided(comparison, decision, "") for decision in decisions]
    verdict = conclusions.conclude(found, decided, missing, absent="were not run", undecided="too close")
    assert verdict.conclusion == conclusion
    assert verdict.missing == missing
    assert len(verdict.texts("for")) == decisions.count("for")


def test_reasons_count_the_comparisons() -> None:
    found = conclusions.in_paper(BY_ID["highest_clean"], PAPER)
    assert found.conclusion == "mixed"
    assert found.reason == "3 of 8 comparisons for it, 5 against."
    assert "roct, full: accuracy >= no_afd (98.97 and 99.79)" in found.texts("against")


@pytest.mark.parametrize(
    ("id", "conclusion"),
    [
        ("up_to_97_52", "holds"),
        ("compact", "not_testable"),
        ("afd_against_pgd", "holds"),  # 1.25 and 6.54 at 30 %, all that the sentence speaks of
        ("mfe_against_jsma_at_30", "does_not_hold"),  # 72.41 with MFE, 70.67 without
        ("msf_adds_clean_accuracy", "does_not_hold"),
        ("afd_costs_1_27", "does_not_hold"),
        ("pgd_stronger_than_fgsm", "mixed"),
        ("baseline_zero_under_bim", "holds"),
        ("chest_near_zero_at_70_80", "holds"),
        ("drusen_errors_are_cnv", "holds"),
        ("chest_best_at_40", "not_testable"),  # one of eight rates is printed
        ("roct_no_loss_to_30", "not_testable"),
        ("superior_localisation", "not_testable"),
    ],
)
def test_the_papers_own_tables(id: str, conclusion: str) -> None:
    assert conclusions.in_paper(BY_ID[id], PAPER).conclusion == conclusion
