"""How surely a measured difference is not the claimed one: two-sided p-values.

A difference is a weighted sum of numbers: one number against a threshold (weights 1), two numbers (1, -1), or
two rises (1, -1, -1, 1).

One seed: on images, exact tests where there are some (a binomial test against a threshold; McNemar's test on
the images that both sides have, Fisher's where they have other ones), else the interval of Bonett and Price
(2012), of Agresti and Caffo (2000) for other images. Several seeds: Student's t-test over the seeds, whose
standard error is never taken below that of the images: the seeds share their test images, so that more seeds
do not make those more.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from meddef_lib.results import statistics
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.statistics import Interval

NOTHING = 1e-9  # differences below this are the arithmetic's


def p_value(sides: Sequence[Outcome], weights: Sequence[int], expected: float, scale: float) -> float:
    """Two-sided p of `sum(weights * sides) = expected`, both in the unit of the numbers (`scale` its whole).

    The sides have the same seeds, or none. Numbers that are exact, like sizes, differ or not.
    """
    if all(side.seeds for side in sides) and len(sides[0].seeds) > 1:
        return _over_seeds(sides, weights, expected, scale)
    if all(side.hits for side in sides):
        measured = sum(weight * _value(side) for weight, side in zip(weights, sides, strict=True))
        hits = [side.hits[0] for side in sides]
        return _on_images(hits, weights, expected / scale, towards=measured - expected)
    return _by_intervals(sides, weights, expected)


def _value(outcome: Outcome) -> float:
    value = outcome.value
    assert value is not None  # numbers that do not exist were left out before
    return value


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
        own = side.interval or Interval(_value(side), _value(side))
        low += weight * (own.low if weight > 0 else own.high)
        high += weight * (own.high if weight > 0 else own.low)
    return 0.0 if low > expected + NOTHING or high < expected - NOTHING else 1.0


# --- on images ------------------------------------------------------------------------------------


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
    on_shared = _on_shared(hits) if len(hits) > 1 else None
    if on_shared is None:
        return _unpaired(hits, weights)[1]
    return statistics.paired_mean(np.asarray(weights) @ on_shared)[1]


def _on_shared(hits: Sequence[pd.Series]) -> np.ndarray | None:
    """The hits on the images that all sides have, a row a side; None where there are none."""
    first, *others = hits
    shared = first.index
    for side in others:
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
