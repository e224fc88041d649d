"""Claims: read strictly, and spelt out."""

import re
from pathlib import Path

import pytest

from meddef_lib.paper import claims
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.claims import Claim, ClaimTest
from meddef_lib.params import ParamsError

CLAIMS = claims.read()


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


@pytest.mark.parametrize("found", CLAIMS, ids=lambda found: found.id)
def test_a_claim_is_not_worded_as_one_about_all_where_it_is_none(found: Claim) -> None:
    """In brackets stands our reading; outside of them a reader takes each word for the paper's."""
    outside = re.sub(r"\(.*?\)", "", found.text)
    if re.search(r"\b(all|every|always|consistently|highest)\b", outside):
        assert found.quantifier == "all"


def test_each_claim_says_its_quantifier() -> None:
    of = {found.id: found.quantifier for found in CLAIMS}
    assert set(of.values()) == {"all", "some", "generic"}
    assert of["full_highest_at_every_eps"] == of["highest_clean"] == "all"
    assert of["up_to_97_52"] == of["none_less_robust_somewhere"] == of["moderate_pruning_can_help"] == "some"
    for found in CLAIMS:  # the words of the sentence, as the text gives them
        if found.text.split(" (read as")[0].lower().find("consistently") >= 0:
            assert found.quantifier == "all", found.id


def test_an_ordering_spelt_out_by_hand() -> None:
    found = claims.comparisons(
        ClaimTest(
            over={"dataset": "roct", "quantity": "accuracy", "eps": [0.01, 0.05]},
            left={"variant": "full", "attack": "pgd"},
            relation=">",
            right={"variant": ["resnet18", "no_afd"]},
            by=1,
        )
    )
    assert [comparison.text for comparison in found] == [
        "roct, full, pgd, epsilon 0.01: accuracy above that of resnet18 plus 1 point",
        "roct, full, pgd, epsilon 0.01: accuracy above that of no_afd plus 1 point",
        "roct, full, pgd, epsilon 0.05: accuracy above that of resnet18 plus 1 point",
        "roct, full, pgd, epsilon 0.05: accuracy above that of no_afd plus 1 point",
    ]


def test_a_trend_compares_each_step_with_the_one_before() -> None:
    found = claims.comparisons(
        ClaimTest(
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
        ClaimTest(
            over={"dataset": "roct", "quantity": "accuracy", "variant": "full", "eps": 0.05},
            left={"attack": "fgsm"},
            relation="<",
            right={"attack": "clean"},
        )
    )
    assert one.right == Address(dataset="roct", quantity="accuracy", variant="full")
    assert one.text == "roct, full, fgsm, epsilon 0.05: accuracy below that of clean"


GOOD = (
    "  - {id: a, section: '4', text: t, kind: ordering, quantifier: all, "
    "test: {left: {}, relation: '>', right: 1}}\n"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + GOOD, "the id a comes twice"),
        (
            GOOD.replace("right: 1", "write: 1"),
            r"claims.a.test.write is not a known key; known are over, left, .* \(did you mean right\?\)",
        ),
        (GOOD.replace(", right: 1", ""), "claims.a.test: needs left, relation and right, or of, along"),
        (
            GOOD.replace("right: 1", "right: {eps: high}"),
            "claims.a.test.right.eps is 'high'; expected a number",
        ),
        (GOOD.replace("right: 1", "right: true"), "claims.a.test.right is True; expected a number"),
        (GOOD.replace("kind: ordering", "text: again"), "claims.yaml is not YAML: .*duplicate key"),
        (
            "  - {id: b, section: '4', text: t, kind: trend, quantifier: all}\n",
            "claims.b: .*either a test or a reason",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text("claims:\n" + text)
    with pytest.raises(ParamsError, match=message):
        claims.read(file)
