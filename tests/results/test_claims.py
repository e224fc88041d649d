"""Claims: read strictly, spelt out, and concluded by hand-made decisions."""

from pathlib import Path

import pytest

from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address
from meddef_lib.results import claims
from meddef_lib.results.claims import Claim, Comparison, Decided

PAPER = published.read()
CLAIMS = claims.read()
BY_ID = {claim.id: claim for claim in CLAIMS}


def claim(holds_if: str = "all", **test: object) -> Claim:
    return Claim(id="made-up", section="4", text="A", kind="ordering", holds_if=holds_if, test=test)


def test_at_least_forty_claims_are_testable() -> None:
    assert sum(claim.test is not None for claim in CLAIMS) >= 40
    assert {claim.kind for claim in CLAIMS} == {"ordering", "trend", "threshold", "equality"}


def test_no_claim_is_a_table_cell_in_disguise() -> None:
    """A claim compares, or sets a threshold; none repeats one printed number."""
    for found in CLAIMS:
        if found.test and found.kind == "equality":
            assert len(claims.comparisons(found.test)) > 1 or isinstance(
                claims.comparisons(found.test)[0].right, Address
            )


@pytest.mark.parametrize("found", CLAIMS, ids=lambda found: found.id)
def test_every_claim_can_be_spelt_out(found: Claim) -> None:
    if found.test is None:
        assert found.not_testable
        return
    spelt = claims.comparisons(found.test)
    assert spelt
    assert len(set(spelt)) == len(spelt)
    for comparison in spelt:
        assert comparison.text
        assert comparison.left != comparison.right


def test_an_ordering_spelt_out_by_hand() -> None:
    found = claims.comparisons(
        claims.Test(
            over={"dataset": "roct", "quantity": "accuracy", "eps": [0.01, 0.05]},
            left={"variant": "full", "attack": "pgd"},
            relation=">",
            right={"variant": ["resnet18", "no_afd"]},
            by=1,
        )
    )
    assert [comparison.text for comparison in found] == [
        "roct, full, pgd, eps 0.01: accuracy > resnet18 + 1 %",
        "roct, full, pgd, eps 0.01: accuracy > no_afd + 1 %",
        "roct, full, pgd, eps 0.05: accuracy > resnet18 + 1 %",
        "roct, full, pgd, eps 0.05: accuracy > no_afd + 1 %",
    ]


def test_a_trend_compares_each_step_with_the_one_before() -> None:
    found = claims.comparisons(
        claims.Test(
            over={"dataset": "roct", "variant": "full", "quantity": "accuracy", "attack": "bim"},
            of={},
            along={"eps": [0.01, 0.05, 0.10]},
            direction="falling",
        )
    )
    assert [(one.left.eps, one.relation, one.right.eps) for one in found] == [
        (0.05, "<", 0.01),
        (0.10, "<", 0.05),
    ]


def test_clean_images_have_no_epsilon() -> None:
    (one,) = claims.comparisons(
        claims.Test(
            over={"dataset": "roct", "quantity": "accuracy", "variant": "full", "eps": 0.05},
            left={"attack": "fgsm"},
            relation="<",
            right={"attack": "clean"},
        )
    )
    assert one.right == Address(dataset="roct", quantity="accuracy", variant="full")
    assert one.text == "roct, full, fgsm, eps 0.05: accuracy < clean"


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
    assert claims.decide_plainly(comparison, left, right) == decision


def test_a_margin_counts_from_the_right_side() -> None:
    address = Address(dataset="roct", quantity="accuracy")
    lower = Comparison(left=address, relation="<", right=address, by=-20)
    assert claims.decide_plainly(lower, 70, 95) == "for"
    assert claims.decide_plainly(lower, 80, 95) == "against"


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
    (comparison,) = claims.comparisons(found.test)
    decided = [Decided(comparison, decision, "") for decision in decisions]
    verdict = claims.conclude(found, decided, missing, absent="were not run", undecided="too close")
    assert verdict.conclusion == conclusion
    assert verdict.missing == missing
    assert len(verdict.texts("for")) == decisions.count("for")


def test_reasons_count_the_comparisons() -> None:
    found = claims.in_paper(BY_ID["highest_clean"], PAPER)
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
    assert claims.in_paper(BY_ID[id], PAPER).conclusion == conclusion


def test_counts_name_every_conclusion() -> None:
    assert claims.counts(["holds", "mixed", "holds"]) == {
        "holds": 2,
        "does_not_hold": 0,
        "mixed": 1,
        "not_testable": 0,
    }


GOOD = "  - {id: a, section: '4', text: t, kind: ordering, test: {left: {}, relation: '>', right: 1}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + GOOD, "the id a comes twice"),
        (GOOD.replace("right: 1", "write: 1"), "claim a: test.write: Extra inputs"),
        (GOOD.replace(", right: 1", ""), "claim a: test: needs left, relation and right, or of, along"),
        (GOOD.replace("kind: ordering", "text: again"), "claims.yaml is not YAML: .*duplicate key"),
        ("  - {id: b, section: '4', text: t, kind: trend}\n", "claim b: .*either a test or a reason"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text("claims:\n" + text)
    with pytest.raises(claims.ClaimsError, match=message):
        claims.read(file)
