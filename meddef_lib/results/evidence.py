"""What a run's records say about a claim: its comparisons decided one by one.

Trained models are compared over the seeds that both sides have. Holm's correction goes over the comparisons
of a claim. Every comparison is decided by one standard: for the claim if its test says surely so, against it
if surely not, undecided otherwise. A threshold is met or missed by its interval. That one measured number is
no less than another can only be told within a distance: it is for the claim if it is no less, and surely not
less by `NEGLIGIBLE` or more.

One training is not its architecture: a network trained twice differs from itself, often significantly on the
same images. Below `LEAST_SEEDS` seeds, what is found between variants is a tendency (`RunVerdict.seeds`).
Nothing is counted of a network that gives nearly every image one answer, or has not learned the task: the
first would win by a low success rate, the second says nothing of how its defence would do. Nor is a threshold
held against a number of another setting: which of two networks is better may carry over, how good one is
does not (of a number itself such a setting decides nothing either, see `verdicts`).

JSMA has no epsilon: comparisons that differ in its epsilon alone are one comparison, made once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy

from meddef_lib.paper.addresses import SCALE, UNITS, Address
from meddef_lib.paper.claims import Claim, Comparison, comparisons
from meddef_lib.paper.conclusions import ClaimVerdict, Decided, conclude, satisfied
from meddef_lib.paper.published import Paper
from meddef_lib.results import statistics
from meddef_lib.results.outcomes import Outcome, resolved
from meddef_lib.results.statistics import ALPHA, Interval, p_text

NEGLIGIBLE = 0.005  # of a whole: half a point
NOTHING = 1e-9  # differences below this are the arithmetic's
LEAST_SEEDS = 3  # for a spread over trainings; two have one difference
ABSOLUTE = "a level of the paper's setting, and this number is of another"


@dataclass(frozen=True, kw_only=True)
class RunVerdict:
    """A claim in a run: the verdict, and what keeps it from being more than indicative.

    `seeds`: the fewest behind a comparison of two variants; None where no two were compared.
    """

    verdict: ClaimVerdict
    phantom: bool = False
    deviations: tuple[str, ...] = ()
    seeds: int | None = None


def in_run(claim: Claim, outcomes: Mapping[Address, Outcome], paper: Paper) -> RunVerdict:
    if claim.test is None:
        return RunVerdict(verdict=ClaimVerdict(conclusion="not_testable", reason=claim.not_testable))
    tested: list[tuple[float, Decided]] = []  # p-value, and the decision that it makes where it is small
    used: list[tuple[Address, Outcome]] = []
    not_counted: list[str] = []
    seeds: list[int] = []
    missing = 0
    asked = [_measured_at(comparison, outcomes) for comparison in comparisons(claim.test)]
    for comparison in dict.fromkeys(asked):
        sides = comparison.sides
        found = [(side, outcomes[side]) for side in sides if side in outcomes and outcomes[side].per_seed]
        if len(found) < len(sides) or comparison.left == comparison.right:
            missing += 1
            continue
        said = [f"{side.variant}: {why}" for side, outcome in found if (why := outcome.says_nothing)]
        if said:
            not_counted.append(f"{comparison.text} ({said[0].rstrip('.')})")
            used += found
            continue
        if len(sides) == 1 and found[0][1].deviations:
            not_counted.append(f"{comparison.text} ({ABSOLUTE})")
            used += found
            continue
        compared = _over_shared_seeds([outcome for _, outcome in found])
        if not all(outcome.per_seed for outcome in compared):
            missing += 1
            continue
        used += found
        if len({side.variant for side in sides}) > 1 and all(one.hits or one.seeds for one in compared):
            seeds.append(len(compared[0].per_seed))
        tested.append(_tested(comparison, compared))
    corrected = statistics.holm([p for p, _ in tested]).tolist()
    decided = [
        Decided(comparison, decision if p < ALPHA else "undecided", f"{detail}, p {p_text(p, '= ')}")
        for (_, (comparison, decision, detail)), p in zip(tested, corrected, strict=True)
    ]
    verdict = conclude(
        claim,
        decided,
        missing,
        absent="this run has no numbers of its own",
        undecided=f"too close to call (p of {ALPHA:g} or more after Holm's correction)",
        not_counted=not_counted,
    )
    return RunVerdict(
        verdict=verdict,
        phantom=any(outcome.phantom for _, outcome in used),
        deviations=tuple(dict.fromkeys(_deviations(used, seeds, paper))),
        seeds=min(seeds, default=None),
    )


def _deviations(used: Iterable[tuple[Address, Outcome]], seeds: Sequence[int], paper: Paper) -> Iterator[str]:
    for address, outcome in used:
        yield from outcome.deviations
        facts = paper.datasets.get(address.dataset)
        tested = facts.split.get("test") if facts else None
        if tested is not None and outcome.images not in (None, tested):
            yield f"{outcome.images} test images instead of {tested}"
    if seeds and min(seeds) < LEAST_SEEDS:
        said = "1 seed" if min(seeds) == 1 else f"{min(seeds)} seeds"
        yield (
            f"{said}, which compares trainings and not architectures: a claim between variants needs "
            f"{LEAST_SEEDS}"
        )


def _over_shared_seeds(sides: Sequence[Outcome]) -> list[Outcome]:
    """All sides by the seeds that all have, in one order; numbers that no seed is behind as they are."""
    if len(sides) == 1 or not all(side.seeds for side in sides):
        return list(sides)
    shared = tuple(seed for seed in sides[0].seeds if all(seed in side.seeds for side in sides))
    found = []
    for side in sides:
        places = [side.seeds.index(seed) for seed in shared]
        per_seed = tuple(side.per_seed[place] for place in places)
        hits = tuple(side.hits[place] for place in places if side.hits)
        found.append(replace(side, per_seed=per_seed, seeds=shared, hits=hits))
    return found


def _measured_at(comparison: Comparison, outcomes: Mapping[Address, Outcome]) -> Comparison:
    """A comparison by the addresses where its numbers were measured: JSMA's have no epsilon."""
    there: dict[str, Any] = {
        name: resolved(outcomes, side) for name, side in vars(comparison).items() if isinstance(side, Address)
    }
    return replace(comparison, **there)


def _tested(comparison: Comparison, sides: Sequence[Outcome]) -> tuple[float, Decided]:
    values = [outcome.value for outcome in sides if outcome.value is not None]
    measured, expected = comparison.measured(values), comparison.expected
    scale = SCALE.get(UNITS[comparison.left.quantity], 1.0)
    holds = satisfied(comparison, measured)
    bounds = [expected]
    if comparison.relation == "=":
        # equal within a band: surely inside both of its ends, or surely outside the nearer one
        ends = [expected - comparison.within, expected + comparison.within]
        if not isinstance(comparison.right, Address):  # no share is below 0, or above the whole
            ends = [end for end in ends if 0 < end < scale]
        if ends:
            bounds = ends if holds else [min(ends, key=lambda end: abs(end - measured))]
    elif holds and not comparison.strict and isinstance(comparison.right, Address):
        away = NEGLIGIBLE * scale
        bounds = [expected - away if comparison.relation == ">=" else expected + away]
    p = max(p_value(sides, comparison.weights, bound, scale) for bound in bounds)
    detail = comparison.numbers([f"{value:.2f}" for value in values])
    return p, Decided(comparison, "for" if holds else "against", detail)


# --- how surely a difference is not the claimed one -----------------------------------------------


def p_value(sides: Sequence[Outcome], weights: Sequence[int], expected: float, scale: float) -> float:
    """Two-sided p of `sum(weights * sides) = expected`, both in the unit of the numbers (`scale` its whole).

    One number against a threshold has the weights 1, two numbers 1, -1, and two rises 1, -1, -1, 1. The sides
    have the same seeds, or none. Numbers that are exact, like sizes, differ or not.

    One seed: on images, exact tests where there are some (a binomial test against a threshold; McNemar's test
    on the images that both sides have, Fisher's where they have other ones), else the interval of Bonett and
    Price (2012), of Agresti and Caffo (2000) for other images. Several seeds: Student's t-test over the
    seeds, whose standard error is never taken below that of the images: the seeds share their test images,
    so that more seeds do not make those more.
    """
    if all(side.seeds for side in sides) and len(sides[0].seeds) > 1:
        return _over_seeds(sides, weights, expected, scale)
    if all(side.hits for side in sides):
        measured = float(np.dot(weights, [np.mean(side.per_seed) for side in sides]))
        hits = [side.hits[0] for side in sides]
        return _on_images(hits, weights, expected / scale, towards=measured - expected)
    return _by_intervals(sides, weights, expected)


def _over_seeds(sides: Sequence[Outcome], weights: Sequence[int], expected: float, scale: float) -> float:
    by_seed = np.asarray(weights) @ np.asarray([side.per_seed for side in sides])
    seeds = len(by_seed)
    error = float(scipy.stats.sem(by_seed))
    if all(side.hits for side in sides):
        of_images = [_standard_error([side.hits[place] for side in sides], weights) for place in range(seeds)]
        error = max(error, scale * float(np.sqrt(np.mean(np.square(of_images)))))
    elif (apart := _by_intervals(sides, weights, expected)) == 1.0 or error < NOTHING:
        return apart
    return float(2 * scipy.stats.t.sf(abs(np.mean(by_seed) - expected) / error, seeds - 1))


def _by_intervals(sides: Sequence[Outcome], weights: Sequence[int], expected: float) -> float:
    """0 if the intervals (of an exact number: the number) do not reach the expected difference, else 1."""
    low = high = 0.0
    for weight, side in zip(weights, sides, strict=True):
        value = float(np.mean(side.per_seed))
        own = side.interval or Interval(value, value)
        low += weight * (own.low if weight > 0 else own.high)
        high += weight * (own.high if weight > 0 else own.low)
    return 0.0 if low > expected + NOTHING or high < expected - NOTHING else 1.0


def _on_images(
    hits: Sequence[pd.Series], weights: Sequence[int], expected: float, *, towards: float
) -> float:
    """Two-sided p on the images of all sides, in shares; `towards`: the measured difference less `expected`.

    Success rates are shares of different images: where those that all sides share point the other way than
    the rates themselves, nothing is shown.
    """
    if len(hits) == 1:
        share = float(np.clip(expected, 0, 1))
        return float(scipy.stats.binomtest(int(hits[0].sum()), len(hits[0]), share).pvalue)
    on_shared = _on_shared(hits)
    if on_shared is None and len(hits) == 2 and expected == 0:
        table = [[int(side.sum()), int((~side.astype(bool)).sum())] for side in hits]
        return float(scipy.stats.fisher_exact(table).pvalue)
    if on_shared is None:
        centre, error = _unpaired(hits, weights)
        return _normal(centre - expected, error)
    differences = np.asarray(weights) @ on_shared
    if (float(np.mean(differences)) - expected) * towards < 0:
        return 1.0
    if len(hits) == 2 and expected == 0:
        first, second = (pd.Series(side.astype(bool)) for side in on_shared)
        return statistics.mcnemar(first, second).p_value
    centre, error = statistics.paired_mean(differences)
    return _normal(centre - expected, error)


def _standard_error(hits: Sequence[pd.Series], weights: Sequence[int]) -> float:
    """Of the difference, in shares, from the images of one seed alone; never 0."""
    if len(hits) == 1 or (on_shared := _on_shared(hits)) is None:
        return _unpaired(hits, weights)[1]
    return statistics.paired_mean(np.asarray(weights) @ on_shared)[1]


def _on_shared(hits: Sequence[pd.Series]) -> np.ndarray | None:
    """The hits on the images that all sides have, a row a side; None where there are none."""
    shared = hits[0].index
    for side in hits[1:]:  # nearly always the same: that is asked first, as a claim has many comparisons
        shared = shared if shared.equals(side.index) else shared.intersection(side.index)
    if shared.empty:
        return None
    same = [side if shared.equals(side.index) else side.loc[shared] for side in hits]
    return np.stack([side.to_numpy(dtype=float) for side in same])


def _unpaired(hits: Sequence[pd.Series], weights: Sequence[int]) -> tuple[float, float]:
    """The difference of shares of different images and its standard error (Agresti and Caffo 2000)."""
    n = np.asarray([len(side) + 2 for side in hits])
    shares = (np.asarray([side.sum() for side in hits]) + 1) / n
    error = np.sqrt(np.sum(np.square(weights) * shares * (1 - shares) / n))
    return float(np.dot(weights, shares)), float(error)


def _normal(distance: float, error: float) -> float:
    return float(2 * scipy.stats.norm.sf(abs(distance) / error))
