"""What a run's records say about a claim: paired tests where models meet on the same images.

One seed: McNemar's exact test on images (accuracy), or on the images that both sides classify correctly
(success rates); Fisher's exact test where the images differ; a binomial test against a constant. Several
seeds on both sides: Student's t-test on their differences, since the seed is what a claim generalises over.
Trained models are compared over the seeds that both sides have.
Holm's correction over the comparisons of a claim. A strict ordering counts for a claim only if its test is
significant, a non-strict one if the numbers satisfy it; either counts against the claim only if the opposite
is significant, and is undecided otherwise.

JSMA has no epsilon: comparisons that differ in its epsilon alone are one comparison, made once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from meddef_lib.paper.addresses import UNITS, Address
from meddef_lib.paper.claims import Claim, Comparison, comparisons
from meddef_lib.paper.conclusions import LEAST_EXACT, ClaimVerdict, Decided, Decision, conclude
from meddef_lib.paper.published import Paper
from meddef_lib.results import statistics
from meddef_lib.results.outcomes import Outcome, resolved
from meddef_lib.results.statistics import Interval

ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class RunVerdict:
    """A claim in a run: the verdict, and what keeps it from being more than indicative."""

    verdict: ClaimVerdict
    phantom: bool = False
    deviations: tuple[str, ...] = ()


class Tested(NamedTuple):
    """One comparison with its measured difference, beyond the claimed margin, and how sure that is."""

    comparison: Comparison
    beyond: float
    p_value: float
    detail: str


def in_run(claim: Claim, outcomes: Mapping[Address, Outcome], paper: Paper) -> RunVerdict:
    """Whether a claim holds in what was measured."""
    if claim.test is None:
        return RunVerdict(verdict=ClaimVerdict(conclusion="not_testable", reason=claim.not_testable))
    tested: list[Tested] = []
    used: list[tuple[Address, Outcome]] = []
    missing = 0
    asked = [_measured_at(comparison, outcomes) for comparison in comparisons(claim.test)]
    for comparison in dict.fromkeys(asked):
        sides = _addresses(comparison)
        found = [(side, outcomes[side]) for side in sides if side in outcomes and outcomes[side].per_seed]
        if len(found) < len(sides) or comparison.left == comparison.right:
            missing += 1
            continue
        compared = _over_shared_seeds([outcome for _, outcome in found])
        if not all(outcome.per_seed for outcome in compared):
            missing += 1
            continue
        used += found
        tested.append(_tested(comparison, compared))
    corrected = statistics.holm([test.p_value for test in tested])
    decided = [
        Decided(test.comparison, _decide(test, p), f"{test.detail}, p = {p:.2g}")
        for test, p in zip(tested, corrected, strict=True)
    ]
    verdict = conclude(
        claim,
        decided,
        missing,
        absent="have no numbers of their own in this run",
        undecided=f"too close to call (p >= {ALPHA:g} after Holm's correction)",
    )
    return RunVerdict(
        verdict=verdict,
        phantom=any(outcome.phantom for _, outcome in used),
        deviations=tuple(
            dict.fromkeys(text for address, outcome in used for text in _deviations(address, outcome, paper))
        ),
    )


def _addresses(comparison: Comparison) -> list[Address]:
    return [side for side in (comparison.left, comparison.right) if isinstance(side, Address)]


def _over_shared_seeds(sides: Sequence[Outcome]) -> list[Outcome]:
    """Both sides by the seeds that both have, in one order; a number that no seed is behind as it is."""
    if len(sides) == 1 or not all(side.seeds for side in sides):
        return list(sides)
    shared = [seed for seed in sides[0].seeds if seed in sides[1].seeds]
    return [_of_seeds(side, shared) for side in sides]


def _of_seeds(outcome: Outcome, seeds: Sequence[int]) -> Outcome:
    places = [outcome.seeds.index(seed) for seed in seeds]
    return replace(
        outcome,
        per_seed=tuple(outcome.per_seed[place] for place in places),
        seeds=tuple(seeds),
        hits=tuple(outcome.hits[place] for place in places) if outcome.hits else (),
    )


def _measured_at(comparison: Comparison, outcomes: Mapping[Address, Outcome]) -> Comparison:
    """A comparison by the addresses where its numbers were measured: JSMA's have no epsilon."""
    right = comparison.right
    return replace(
        comparison,
        left=resolved(outcomes, comparison.left),
        right=resolved(outcomes, right) if isinstance(right, Address) else right,
    )


def _deviations(address: Address, outcome: Outcome, paper: Paper) -> tuple[str, ...]:
    tested = paper.datasets[address.dataset].split.get("test") if address.dataset in paper.datasets else None
    if tested is None or outcome.images in (None, tested):
        return outcome.deviations
    return (*outcome.deviations, f"{outcome.images} test images instead of {tested}")


# --- tests ----------------------------------------------------------------------------------------


def _tested(comparison: Comparison, sides: Sequence[Outcome]) -> Tested:
    left = sides[0]
    right: Outcome | float
    if isinstance(comparison.right, Address):
        right, detail = sides[1], f"{_value(left):.2f} and {_value(sides[1]):.2f}"
        beyond = _value(left) - _value(sides[1]) - comparison.by
    else:
        right, detail = comparison.right, f"{_value(left):.2f}"
        beyond = _value(left) - comparison.right - comparison.by
    scale = 100.0 if UNITS[comparison.left.quantity] == "percent" else 1.0
    if comparison.relation == "=":
        # equal within a band unless the difference is surely outside it
        outside = abs(beyond) - comparison.within
        margin = comparison.by + np.sign(beyond) * comparison.within
        p_value = 1.0 if outside <= 0 else _p_value(left, right, margin, scale)
        return Tested(comparison, beyond, p_value, detail)
    return Tested(comparison, beyond, _p_value(left, right, comparison.by, scale), detail)


def _value(outcome: Outcome) -> float:
    value = outcome.value
    assert value is not None  # numbers that do not exist were left out before
    return value


def _decide(test: Tested, p_value: float) -> Decision:
    significant = p_value < ALPHA
    if test.comparison.relation == "=":
        inside = abs(test.beyond) <= test.comparison.within
        return "for" if inside else "against" if significant else "undecided"
    towards = test.beyond if test.comparison.relation[0] == ">" else -test.beyond
    if not test.comparison.strict and towards >= -LEAST_EXACT:
        return "for"
    if not significant or towards == 0:
        return "undecided"
    return "for" if towards > 0 else "against"


def _p_value(left: Outcome, right: Outcome | float, margin: float, scale: float) -> float:
    """Two-sided p of `left - right = margin`; numbers that are exact, like sizes, differ or not."""
    if isinstance(right, Outcome):
        if len(left.seeds) > 1 and left.seeds == right.seeds:
            return _t_test(np.subtract(left.per_seed, right.per_seed), margin)
        if left.hits and right.hits:
            measured = (_value(left) - _value(right) - margin) / scale
            return _on_images(left.hits[0], right.hits[0], margin / scale, measured=measured)
        return _by_intervals(left, right, margin)
    if len(left.per_seed) > 1:
        return _t_test(np.asarray(left.per_seed), right + margin)
    if left.hits:
        hits = left.hits[0]
        share = float(np.clip((right + margin) / scale, 0, 1))
        return float(stats.binomtest(int(hits.sum()), len(hits), share).pvalue)
    return _by_intervals(left, Outcome(per_seed=(right,)), margin)


def _by_intervals(left: Outcome, right: Outcome, margin: float) -> float:
    """0 if the intervals (of an exact number: the number) do not touch, else 1."""
    ours = left.interval or Interval(_value(left), _value(left))
    theirs = right.interval or Interval(_value(right), _value(right))
    return 0.0 if ours.low > theirs.high + margin or ours.high < theirs.low + margin else 1.0


def _t_test(values: np.ndarray, expected: float) -> float:
    if np.ptp(values) == 0:  # no spread to test against
        return 0.0 if values[0] != expected else 1.0
    return float(stats.ttest_1samp(values, expected).pvalue)


def _on_images(left: pd.Series, right: pd.Series, margin: float, *, measured: float) -> float:
    """Two-sided p on the images of both sides, in shares; `measured` is the difference beyond the margin.

    Success rates are shares of different images: where those that both sides share point the other way than
    the rates themselves, nothing is shown.
    """
    shared = left.index.intersection(right.index)
    if shared.empty:
        return _on_other_images(left, right, margin)
    first, second = left.loc[shared], right.loc[shared]
    difference = first.to_numpy(dtype=float) - second.to_numpy(dtype=float)
    paired = float(np.mean(difference)) - margin
    if paired * measured < 0:
        return 1.0
    if margin == 0:
        return statistics.mcnemar(first, second).p_value
    # McNemar's test knows no margin; the paired difference of two shares is nearly normal (Agresti, 11.1)
    return _normal(paired, float(np.std(difference)) / np.sqrt(len(shared)))


def _on_other_images(left: pd.Series, right: pd.Series, margin: float) -> float:
    if margin == 0:
        table = [[int(side.sum()), int((~side.astype(bool)).sum())] for side in (left, right)]
        return float(stats.fisher_exact(table).pvalue)
    shares = [float(side.mean()) for side in (left, right)]
    spread = np.sqrt(
        sum(share * (1 - share) / len(side) for share, side in zip(shares, (left, right), strict=True))
    )
    return _normal(shares[0] - shares[1] - margin, float(spread))


def _normal(distance: float, spread: float) -> float:
    """Two-sided p of a distance from zero; without any spread, the distance decides."""
    if spread == 0:
        return 0.0 if abs(distance) > LEAST_EXACT else 1.0
    return float(2 * stats.norm.sf(abs(distance) / spread))
