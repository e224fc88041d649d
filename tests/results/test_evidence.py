"""Claims on made-up records: what is for, against and too close to call."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from meddef_lib.paper import published
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.claims import Claim
from meddef_lib.paper.conclusions import ClaimVerdict
from meddef_lib.results import evidence
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.parts import claims as claims_part
from meddef_lib.results.statistics import Interval

PAPER = published.read()
FULL = Address(dataset="roct", quantity="accuracy", variant="full", attack="fgsm", eps=0.05)
OTHER = replace(FULL, variant="no_afd")


def of_hits(right: int, n: int = 968, *, seed: int = 0, **facts: object) -> Outcome:
    """`right` of n images right; the first ones, so that two models agree where they can."""
    hits = pd.Series(np.arange(n) < right)
    return Outcome(per_seed=(100 * right / n,), n=n, images=n, hits=(hits,), **facts)


def ordering(relation: str = ">", right: object = None, **more: object) -> Claim:
    test = {
        "over": {"dataset": "roct", "quantity": "accuracy", "attack": "fgsm", "eps": 0.05},
        "left": {"variant": "full"},
        "relation": relation,
        "right": {"variant": "no_afd"} if right is None else right,
        **more,
    }
    return Claim(id="a", section="4", text="t", kind="ordering", quantifier="all", test=test)


def conclusion(claim: Claim, full: Outcome, other: Outcome | None = None) -> str:
    outcomes = {FULL: full} | ({OTHER: other} if other else {})
    return evidence.in_run(claim, outcomes, PAPER).verdict.conclusion


def test_paired_images_decide_an_ordering() -> None:
    assert conclusion(ordering(), of_hits(900), of_hits(850)) == "holds"
    assert conclusion(ordering(), of_hits(850), of_hits(900)) == "does_not_hold"
    assert conclusion(ordering(), of_hits(900), of_hits(898)) == "undecided"  # 2 images: p = 0.5
    assert conclusion(ordering(">="), of_hits(900), of_hits(900)) == "holds"
    assert conclusion(ordering(">="), of_hits(898), of_hits(900)) == "undecided"  # lower, but not surely
    assert conclusion(ordering(">="), of_hits(850), of_hits(900)) == "does_not_hold"


def test_the_test_is_mcnemars_with_holms_correction() -> None:
    claim = ordering(right={"variant": ["no_afd", "no_afd_mfe"]})
    third = replace(FULL, variant="no_afd_mfe")
    outcomes = {FULL: of_hits(900), OTHER: of_hits(893), third: of_hits(893)}
    verdict = evidence.in_run(claim, outcomes, PAPER).verdict
    p = stats.binomtest(7, 7).pvalue  # 7 images only the first gets right
    assert p == pytest.approx(0.0156, abs=1e-4)
    assert verdict.decided[0].text.endswith(f"(92.98 and 92.25, p = {2 * p:.2g})")
    assert verdict.conclusion == "holds"
    six = {FULL: of_hits(900), OTHER: of_hits(894), third: of_hits(894)}  # 0.03 alone, 0.06 together
    verdict = evidence.in_run(claim, six, PAPER).verdict
    assert verdict.conclusion == "undecided"
    assert "2 too close to call (p of 0.05 or more after Holm's correction)" in verdict.reason


def test_a_margin() -> None:
    by_one = ordering(by=1)
    assert conclusion(by_one, of_hits(900), of_hits(850)) == "holds"  # 5.2 points
    assert conclusion(by_one, of_hits(900), of_hits(885)) == "undecided"  # 1.5 points, not surely above 1
    assert conclusion(by_one, of_hits(900), of_hits(900)) == "does_not_hold"


def test_a_margin_without_a_discordant_pair_is_not_certain() -> None:
    """Costs under one point, said of 200 images without a difference: p was 0."""
    found = evidence.in_run(ordering(by=-1), {FULL: of_hits(190, 200), OTHER: of_hits(190, 200)}, PAPER)
    assert found.verdict.conclusion == "undecided"
    p = float(found.verdict.decided[0].detail.rsplit("= ", 1)[1])
    error = np.sqrt(2 / 202 / 202)  # Bonett and Price: one image added to each side
    assert p == pytest.approx(2 * stats.norm.sf(0.01 / error), abs=0.005)
    assert p > 0.99**200, "no surer than that no image of 200 is lost where one in a hundred is"
    assert conclusion(ordering(by=-1), of_hits(900), of_hits(900)) == "holds"  # 968 images can tell


def test_other_images_that_are_all_right_are_not_certain() -> None:
    first, second = (pd.Series(True, index=range(at, at + 20)) for at in (0, 100))
    full, other = (Outcome(per_seed=(100.0,), n=20, images=968, hits=(s,)) for s in (first, second))
    assert conclusion(ordering(by=-1), full, other) == "undecided"


def test_no_less_is_told_by_the_standard_of_more() -> None:
    """What is no less by the numbers alone must surely not be less by half a point."""
    first = pd.Series(np.arange(968) >= 18)  # 20 images that only one gets right, 18 that only the other does
    second = pd.Series((np.arange(968) < 18) | (np.arange(968) >= 38))
    full, other = (Outcome(per_seed=(100 * s.mean(),), n=968, images=968, hits=(s,)) for s in (first, second))
    assert 0 < full.value - other.value < 0.5
    assert conclusion(ordering(">="), full, other) == "undecided"
    assert conclusion(ordering(">="), full, full) == "holds", "968 images without one difference"


def test_rises_are_compared_image_by_image() -> None:
    test = {
        "over": {"dataset": "roct", "quantity": "accuracy", "attack": "fgsm", "eps": 0.05},
        "of": {},
        "along": {"variant": ["no_afd_mfe", "no_afd", "full"]},
        "direction": "most at the last step",
    }
    claim = Claim(id="a", section="4", text="t", kind="trend", quantifier="generic", test=test)
    third = replace(FULL, variant="no_afd_mfe")

    def found(*right: int) -> ClaimVerdict:
        outcomes = dict(zip((third, OTHER, FULL), map(of_hits, right), strict=True))
        return evidence.in_run(claim, outcomes, PAPER).verdict

    assert found(700, 710, 900).conclusion == "holds"
    assert found(700, 890, 900).conclusion == "does_not_hold"
    assert found(700, 720, 741).conclusion == "undecided"
    assert (
        found(700, 710, 900)
        .decided[0]
        .text.startswith(
            "roct, fgsm, epsilon 0.05: accuracy rises more from no_afd to full than "
            "from no_afd_mfe to no_afd (from 73.35 to 92.98 and from 72.31 to 73.35, p < 0.001"
        )
    )


def test_a_threshold() -> None:
    ninety = ordering(">=", 90)
    assert conclusion(ninety, of_hits(930)) == "holds"
    assert conclusion(ninety, of_hits(860)) == "undecided"  # 88.8 %: not surely below 90
    assert conclusion(ninety, of_hits(3, 5)) == "undecided"  # 60 % of five images show nothing
    assert conclusion(ninety, of_hits(800)) == "does_not_hold"
    assert conclusion(ordering(">", 90), of_hits(875)) == "undecided"


def test_a_level_is_not_held_against_a_number_of_another_setting() -> None:
    elsewhere = {"deviations": ("image size 64 instead of 224",)}
    for right in (930, 800):
        found = evidence.in_run(ordering(">=", 90), {FULL: of_hits(right, **elsewhere)}, PAPER)
        assert (found.verdict.conclusion, found.verdict.decided) == ("undecided", ())
        assert evidence.ABSOLUTE in found.verdict.not_counted[0]
        assert found.deviations == elsewhere["deviations"]
    better = conclusion(ordering(), of_hits(930, **elsewhere), of_hits(800, **elsewhere))
    assert better == "holds", "which network is better may carry over"


def test_an_equality() -> None:
    zero = ordering("=", 0, within=0.5)
    assert conclusion(zero, of_hits(0)) == "holds"
    assert conclusion(zero, of_hits(4)) == "undecided"  # 0.4 %: inside, but not surely
    assert conclusion(zero, of_hits(6)) == "undecided"  # 0.6 %: outside, but not surely
    assert conclusion(zero, of_hits(60)) == "does_not_hold"
    assert conclusion(ordering("=", 0), of_hits(60)) == "does_not_hold"  # without a band, too


def test_several_seeds_decide_by_seeds() -> None:
    def seeds(*values: float) -> Outcome:
        return by_seed(dict(enumerate(values)))

    assert conclusion(ordering(), seeds(90, 91, 92), seeds(80, 81, 82.5)) == "holds"
    assert conclusion(ordering(), seeds(90, 80, 92), seeds(80, 91, 85)) == "undecided"
    assert conclusion(ordering(">", 90), seeds(95, 95.1, 95.2)) == "holds"
    # without a spread of their own they have that of the images: 1 point, and one degree of freedom is few
    assert conclusion(ordering(), seeds(90, 90), seeds(80, 80)) == "undecided"
    assert conclusion(ordering(), seeds(90, 90, 90), seeds(80, 80, 80)) == "holds"


def test_seeds_that_agree_to_an_image_are_no_proof() -> None:
    """Two seeds, one image each of 879: without the images' own spread Student's test gave p = 4e-14."""
    one_more, as_many = of_seeds({0: 801, 1: 802}, n=879), of_seeds({0: 800, 1: 801}, n=879)
    verdict = evidence.in_run(ordering(), {FULL: one_more, OTHER: as_many}, PAPER).verdict
    assert verdict.conclusion == "undecided"
    p = float(verdict.decided[0].detail.rsplit("= ", 1)[1])
    error = np.sqrt(((1 + 2) / 881 - (1 / 881) ** 2) / 881)  # Bonett and Price's, of one image in 879
    assert p == pytest.approx(2 * stats.t.sf(1 / 879 / error, 1), abs=0.005)


def test_seeds_are_never_surer_than_their_images() -> None:
    """Under the null, trainings that differ by their images alone: at most the promised share of errors."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        full, other = (
            Outcome(
                per_seed=tuple(100 * side.mean(axis=1)),
                seeds=(0, 1, 2),
                n=400,
                images=968,
                hits=tuple(pd.Series(row) for row in side),
            )
            for side in rng.random((2, 3, 400)) < 0.9
        )
        wrong += conclusion(ordering(), full, other) != "undecided"
    assert wrong <= 0.05 * 300


def of_seeds(right: dict[int, int], n: int) -> Outcome:
    """So many of n images right, by seed."""
    return Outcome(
        per_seed=tuple(100 * count / n for count in right.values()),
        seeds=tuple(right),
        n=n,
        images=n,
        hits=tuple(pd.Series(np.arange(n) < count) for count in right.values()),
    )


# --- what is no verdict ---------------------------------------------------------------------------


def test_a_network_that_differs_from_itself_by_seed_earns_no_verdict() -> None:
    """One ResNet-18 trained twice, 69.5 against 39.5 % right: significant on images, and no verdict."""
    first, second = of_seeds({0: 673}, n=968), of_seeds({0: 382}, n=968)
    found = evidence.in_run(ordering(), {FULL: first, OTHER: second}, PAPER)
    assert (found.seeds, found.verdict.decided[0].decision) == (1, "for")
    row = claims_part.row(ordering(), PAPER, {FULL: first, OTHER: second}, phantom=False)
    assert row["indicative"], "in the published setting, too"
    assert row["deviations"] == [
        "1 seed, which compares trainings and not architectures: a claim between variants needs 3"
    ]
    trainings = np.random.default_rng(1).normal(0.6, 0.1, (200, 2, 3))  # of one network, 3 seeds a side
    decided = 0
    for full, other in (968 * trainings.clip(0, 1)).astype(int):
        sides = [of_seeds(dict(enumerate(side.tolist())), n=968) for side in (full, other)]
        decided += conclusion(ordering(), *sides) != "undecided"
    assert decided <= 0.08 * 200, "5 % and what 200 pairs can stray from it"


def test_two_seeds_are_indicative_and_three_are_not() -> None:
    three = of_seeds({0: 900, 1: 905, 2: 902}, n=968), of_seeds({0: 700, 1: 705, 2: 690}, n=968)
    found = evidence.in_run(ordering(), dict(zip((FULL, OTHER), three, strict=True)), PAPER)
    assert (found.verdict.conclusion, found.seeds, found.deviations) == ("holds", 3, ())
    two = of_seeds({0: 900, 1: 905}, n=968), of_seeds({0: 700, 1: 705}, n=968)
    found = evidence.in_run(ordering(), dict(zip((FULL, OTHER), two, strict=True)), PAPER)
    assert found.deviations[0].startswith("2 seeds, which compares trainings")
    alone = evidence.in_run(ordering(">", 50), {FULL: two[0]}, PAPER)
    assert (alone.seeds, alone.deviations) == (None, ()), "one variant is compared with no other"


@pytest.mark.parametrize("why", ["collapsed", "unlearned"])
def test_a_network_that_says_nothing_counts_for_nothing(why: str) -> None:
    """Success rates of 0 against 66.90 %: won by giving every image one answer."""
    nothing = {why: "Collapsed: CNV for 100% of the clean images."}
    for full, other in ((of_hits(900, **nothing), of_hits(300)), (of_hits(300), of_hits(900, **nothing))):
        found = evidence.in_run(ordering(), {FULL: full, OTHER: other}, PAPER)
        assert found.verdict.conclusion == "undecided"
        assert found.verdict.decided == ()
        (said,) = found.verdict.not_counted
        assert "Collapsed: CNV for 100% of the clean images" in said
    assert conclusion(ordering(">=", 95), of_hits(10, **nothing)) == "undecided", "nor refuted"
    assert conclusion(ordering("<", 95), of_hits(10, **nothing)) == "undecided", "nor supported"


def by_seed(values: dict[int, float]) -> Outcome:
    """Accuracies in percent by seed, each of 1000 images."""
    hits = tuple(pd.Series(np.arange(1000) < round(10 * value)) for value in values.values())
    return Outcome(per_seed=tuple(values.values()), seeds=tuple(values), n=1000, images=968, hits=hits)


def test_seeds_are_paired_by_name_and_not_by_place() -> None:
    full = by_seed({0: 40, 1: 90, 2: 99, 3: 95})
    other = by_seed({1: 79, 2: 88.1, 3: 84, 4: 99})  # lower by 11, 10.9 and 11 with the seeds that both have
    verdict = evidence.in_run(ordering(), {FULL: full, OTHER: other}, PAPER).verdict
    assert verdict.conclusion == "holds"
    assert "(94.67 and 83.70," in verdict.decided[0].text, "the means of seeds 1, 2 and 3"
    assert conclusion(ordering(), full, by_seed({3: 84, 2: 88.1, 1: 79})) == "holds"


def test_one_shared_seed_is_compared_on_its_images() -> None:
    full, other = by_seed({0: 50, 1: 90}), by_seed({1: 89, 2: 95})
    verdict = evidence.in_run(ordering(), {FULL: full, OTHER: other}, PAPER).verdict
    assert verdict.conclusion == "holds"
    assert verdict.decided[0].text.endswith(f"(90.00 and 89.00, p = {2 * 0.5**10:.2g})")  # McNemar, 10 images


def test_models_without_a_shared_seed_are_not_compared() -> None:
    verdict = evidence.in_run(ordering(), {FULL: by_seed({0: 90}), OTHER: by_seed({1: 50})}, PAPER).verdict
    assert (verdict.conclusion, verdict.missing) == ("not_testable", 1)


def test_success_rates_are_paired_on_images_that_both_get_right() -> None:
    full, other = (
        Outcome(per_seed=(value,), n=len(series), images=968, hits=(series,))
        for value, series in (
            (0.0, pd.Series(False, index=range(0, 60))),
            (100.0, pd.Series(True, index=range(50, 110))),
        )
    )
    rate = {"quantity": "attack_success_rate"}
    claim = ordering("<")
    test = claim.test.model_copy(update={"over": claim.test.over.model_copy(update=rate)})
    outcomes = {replace(FULL, **rate): full, replace(OTHER, **rate): other}
    verdict = evidence.in_run(claim.model_copy(update={"test": test}), outcomes, PAPER).verdict
    assert verdict.conclusion == "holds"
    assert f"p = {2 * 0.5**10:.2g}" in verdict.decided[0].text  # the ten shared images


def test_shared_images_that_point_the_other_way_show_nothing() -> None:
    # 60 % against 40 % in all, but on the 20 shared images 0 against 100 %
    first = pd.Series([True] * 60 + [False] * 40, index=range(100))
    second = pd.Series([True] * 20 + [False] * 30, index=[*range(80, 100), *range(100, 130)])
    full, other = (
        Outcome(per_seed=(100 * s.mean(),), n=len(s), images=968, hits=(s,)) for s in (first, second)
    )
    assert conclusion(ordering(), full, other) == "undecided"
    assert conclusion(ordering(by=1), full, other) == "undecided"


def test_other_images_are_compared_unpaired() -> None:
    first = pd.Series([True] * 90 + [False] * 10, index=range(100))
    second = pd.Series([True] * 50 + [False] * 50, index=range(100, 200))
    full, other = (Outcome(per_seed=(100 * s.mean(),), n=100, images=968, hits=(s,)) for s in (first, second))
    assert conclusion(ordering(), full, other) == "holds"
    assert conclusion(ordering(by=20), full, other) == "holds"  # 40 points, 6 of standard error
    assert conclusion(ordering(by=35), full, other) == "undecided"


def test_numbers_without_images_are_compared_by_their_intervals() -> None:
    size = Outcome(per_seed=(21.84,))
    assert conclusion(ordering(), size, Outcome(per_seed=(11.18,))) == "holds"
    assert conclusion(ordering(), size, Outcome(per_seed=(21.84,))) == "undecided"
    wide = Outcome(per_seed=(80.0,), interval=Interval(70, 90))
    assert conclusion(ordering(), wide, Outcome(per_seed=(60.0,), interval=Interval(50, 65))) == "holds"
    assert conclusion(ordering(), wide, Outcome(per_seed=(65.0,), interval=Interval(55, 75))) == "undecided"
    assert conclusion(ordering(">", 65), wide) == "holds"


def test_what_was_not_run_is_not_testable() -> None:
    found = evidence.in_run(ordering(), {FULL: of_hits(900)}, PAPER).verdict
    assert (found.conclusion, found.reason) == (
        "not_testable",
        "None of its comparisons (1) can be made: this run has no numbers of its own.",
    )


def test_jsma_at_three_epsilons_is_no_trend() -> None:
    jsma = replace(FULL, attack="jsma", eps=None)
    test = {
        "over": {"dataset": "roct", "variant": "full", "quantity": "accuracy", "attack": "jsma"},
        "of": {},
        "along": {"eps": [0.01, 0.05, 0.10]},
        "direction": "not rising",
    }
    claim = Claim(id="a", section="4", text="t", kind="trend", quantifier="all", test=test)
    found = evidence.in_run(claim, {jsma: of_hits(900)}, PAPER).verdict
    assert (found.conclusion, found.missing) == ("not_testable", 1)  # each of its steps is that one number


def test_jsma_at_three_epsilons_is_one_comparison() -> None:
    claim = ordering()
    over = claim.test.over.model_copy(update={"attack": "jsma", "eps": (0.01, 0.05, 0.10)})
    claim = claim.model_copy(update={"test": claim.test.model_copy(update={"over": over})})
    full, other = (replace(side, attack="jsma", eps=None) for side in (FULL, OTHER))
    verdict = evidence.in_run(claim, {full: of_hits(900), other: of_hits(894)}, PAPER).verdict
    assert verdict.conclusion == "holds", "p = 0.03 once, and not 0.09 three times"
    assert (len(verdict.decided), verdict.missing) == (1, 0)
    assert verdict.decided[0].text.startswith("roct, full, jsma: accuracy above that of no_afd (")


def test_phantoms_and_deviations_are_told() -> None:
    smoke = evidence.in_run(ordering(), {FULL: of_hits(900, phantom=True), OTHER: of_hits(850)}, PAPER)
    assert smoke.phantom
    small = of_hits(90, 100, deviations=("epochs 10 instead of 100",))
    found = evidence.in_run(ordering(">", 50), {FULL: small}, PAPER)
    assert found.deviations == ("epochs 10 instead of 100", "100 test images instead of 968")
    published_setting = evidence.in_run(ordering(">", 50), {FULL: of_hits(900)}, PAPER)
    assert published_setting.deviations == ()
    assert not published_setting.phantom


def test_a_sentence_without_a_test() -> None:
    claim = Claim(
        id="a", section="4", text="t", kind="trend", quantifier="all", not_testable="No number is printed."
    )
    found = evidence.in_run(claim, {}, PAPER)
    assert (found.verdict.conclusion, found.verdict.reason) == ("not_testable", "No number is printed.")
