"""Claims concluded by hand-made decisions, and by the paper's own tables."""

import pytest

from meddef_lib.paper import claims, conclusions, published
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.claims import Claim, Comparison, comparisons
from meddef_lib.paper.conclusions import ClaimVerdict, Decided

PAPER = published.read()
BY_ID = {claim.id: claim for claim in claims.read()}


def claim(quantifier: str = "all", **test: object) -> Claim:
    return Claim(id="made-up", section="4", text="A", kind="ordering", quantifier=quantifier, test=test)


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
    assert conclusions.satisfied(comparison, left) == (decision == "for")


def test_a_margin_counts_from_the_right_side() -> None:
    address = Address(dataset="roct", quantity="accuracy")
    lower = Comparison(left=address, relation="<", right=address, by=-20)
    assert conclusions.satisfied(lower, 70 - 95)
    assert not conclusions.satisfied(lower, 80 - 95)


@pytest.mark.parametrize(
    ("quantifier", "decisions", "missing", "conclusion"),
    [
        ("all", ["for", "for"], 0, "holds"),
        ("all", ["for", "against"], 0, "does_not_hold"),
        ("all", ["for"] * 2 + ["against"] * 28, 0, "does_not_hold"),
        ("all", ["for", "undecided"], 0, "undecided"),
        ("all", ["against", "undecided"], 0, "does_not_hold"),
        ("all", ["undecided"], 3, "undecided"),
        ("all", [], 2, "not_testable"),
        ("all", ["for"], 2, "undecided"),  # one of three cannot carry "all"
        ("all", ["against"], 2, "does_not_hold"),  # but one against is enough
        ("generic", ["for", "for"], 0, "holds"),
        ("generic", ["for", "against"], 0, "mixed"),
        ("generic", ["for", "against", "undecided"], 0, "mixed"),
        ("generic", ["for", "undecided"], 0, "holds"),
        ("generic", ["for", "undecided", "undecided"], 0, "undecided"),
        ("generic", ["against", "undecided"], 0, "does_not_hold"),
        ("generic", ["against", "undecided", "undecided"], 0, "undecided"),  # one does not refute it
        ("some", ["for", "against", "against"], 9, "holds"),
        ("some", ["against", "against"], 0, "does_not_hold"),
        ("some", ["against", "undecided"], 0, "undecided"),
        ("some", ["against"], 9, "undecided"),  # another could still be for it
    ],
)
def test_conclusions(quantifier: str, decisions: list[str], missing: int, conclusion: str) -> None:
    verdict = concluded(quantifier, decisions, missing)
    assert verdict.conclusion == conclusion
    assert verdict.missing == missing
    assert len(verdict.texts("for")) == decisions.count("for")


def concluded(quantifier: str, decisions: list[str], missing: int = 0, **more: object) -> ClaimVerdict:
    test = {"left": {"dataset": "roct", "quantity": "accuracy"}, "relation": ">", "right": 1}
    found = claim(quantifier, **test)
    (comparison,) = comparisons(found.test)
    decided = [Decided(comparison, decision, "") for decision in decisions]
    return conclusions.conclude(found, decided, missing, absent="were not run", undecided="too close", **more)


def test_what_is_not_counted_supports_and_refutes_nothing() -> None:
    only = concluded("all", [], not_counted=["roct, full: accuracy above 1 (full: Collapsed.)"])
    assert only.conclusion == "undecided"
    assert only.reason == "1 not counted: roct, full: accuracy above 1 (full: Collapsed.)."
    assert concluded("all", ["for"], not_counted=["a", "b"]).conclusion == "undecided", "one of three"
    assert concluded("all", ["for", "for"], not_counted=["a"]).conclusion == "holds"


@pytest.mark.parametrize(
    ("quantifier", "decision"), [("all", "for"), ("generic", "for"), ("some", "against")]
)
def test_a_claim_over_both_data_sets_needs_both(quantifier: str, decision: str) -> None:
    found = claim(
        quantifier, left={"dataset": ["roct", "chest_xray"], "quantity": "accuracy"}, relation=">", right=1
    )
    first, second = comparisons(found.test)
    words = {"absent": "were not run", "undecided": "too close"}
    one = conclusions.conclude(found, [Decided(first, decision, "")] * 3, 1, **words)
    assert one.conclusion == "undecided"
    assert one.reason.endswith("nothing was compared on chest_xray.")
    both = [Decided(side, decision, "") for side in (first, second)]
    assert conclusions.conclude(found, both, 0, **words).conclusion != "undecided"


def test_reasons_count_the_comparisons() -> None:
    found = conclusions.in_paper(BY_ID["highest_clean"], PAPER)
    assert found.conclusion == "does_not_hold"
    assert found.reason == (
        "3 of 8 comparisons for it, 2 against; one against is enough to refute it; "
        "3 against it by no more than noise."
    )
    assert "roct, full: accuracy at least that of no_afd (98.97 and 99.79)" in found.texts("against")
    assert "roct, full: accuracy at least that of no_afd_mfe (98.97 and 99.17)" in found.texts(
        "undecided"
    )  # 1.9 images
    assert concluded("generic", ["for"]).reason == "1 of 1 comparison for it, 0 against."


def test_a_printed_threshold_missed_by_noise_is_undecided() -> None:
    value = {"dataset": "roct", "quantity": "accuracy", "variant": "full"}
    near = claim(left=value, relation=">=", right=99.5)  # 98.97 of 968: the interval of 99.5 is 0.44 wide
    assert conclusions.in_paper(near, PAPER).conclusion == "does_not_hold"
    assert conclusions.in_paper(claim(left=value, relation=">=", right=99), PAPER).conclusion == "undecided"
    assert conclusions.in_paper(claim(left=value, relation=">=", right=98.97), PAPER).conclusion == "holds"


def test_the_largest_rise_is_a_comparison_of_rises() -> None:
    test = BY_ID["afd_is_primary"].test
    of_table1 = [one for one in comparisons(test) if one.left.dataset == "roct"]
    assert len(of_table1) == 24
    assert of_table1[0].text == (
        "roct, fgsm, epsilon 0.01: accuracy rises more from no_afd to full "
        "than from no_afd_mfe_msf to no_afd_mfe"
    )
    found = conclusions.in_paper(BY_ID["afd_is_primary"], PAPER)
    for_it = [one for one in found.decided if one.decision == "for" and one.comparison in of_table1]
    assert len(for_it) == 24, "both other parts, under each attack at each epsilon"


@pytest.mark.parametrize(
    ("id", "conclusion"),
    [
        ("up_to_97_52", "holds"),
        ("compact", "not_testable"),
        ("afd_against_pgd", "holds"),  # 1.25 and 6.54 at 30 %, all that the sentence speaks of
        ("mfe_against_jsma_at_30", "does_not_hold"),  # 72.41 with MFE, 70.67 without
        ("msf_adds_clean_accuracy", "does_not_hold"),
        ("defence_enhances_diagnosis", "undecided"),  # lower by 3 images on each data set
        ("low_misclassification", "undecided"),  # of one data set alone
        ("robust_against_four_attacks", "mixed"),
        ("afd_costs_1_27", "does_not_hold"),
        ("pgd_stronger_than_fgsm", "does_not_hold"),
        ("baseline_zero_under_bim", "holds"),
        ("chest_near_zero_at_70_80", "holds"),
        ("drusen_errors_are_cnv", "holds"),
        ("chest_best_at_40", "undecided"),  # one of eight rates is printed
        ("roct_no_loss_to_30", "not_testable"),
        ("superior_localisation", "not_testable"),
    ],
)
def test_the_papers_own_tables(id: str, conclusion: str) -> None:
    assert conclusions.in_paper(BY_ID[id], PAPER).conclusion == conclusion
