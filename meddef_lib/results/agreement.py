"""How well a column that was made by one reading of the protocol agrees with the one that is printed.

The features and the rule are those of `params/readings.yaml`. Arrays have the networks and the strengths
(epsilon, or pruning rate) last, (..., networks, strengths); resamples of the images come before. Numbers are
percentages; what does not exist is NaN, and what is said of it does not count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddef_lib.params.protocol import Measure, Quantity
from meddef_lib.results.statistics import CONFIDENCE, Interval

Floats = NDArray[np.float64]

TAIL = (1 - CONFIDENCE) / 2
ROUNDING = 1e-6  # of percentages that are shares of whole images


@dataclass(frozen=True)
class Column:
    """One column of a table, printed or made by a reading, with what it is compared with.

    values: (..., networks, strengths); clean: accuracy on clean images, (..., networks, 1), as the others
    FGSM's and BIM's column; NaN where there is none. majority: the share of the largest class. n: images.
    """

    values: Floats
    clean: Floats
    others: Mapping[str, Floats]
    majority: float
    n: int


@dataclass(frozen=True)
class Agreement:
    """A reading beside the printed column; of the resamples, `agreements` and `distances` (resamples,)."""

    agreement: float  # in [0, 1]
    distance: float  # mean absolute difference in points
    statements: int
    agreements: Floats
    distances: Floats

    @property
    def interval(self) -> Interval:
        """Of the agreement, over resamples of the images."""
        low, high = np.nanquantile(self.agreements, [TAIL, 1 - TAIL])
        return Interval(float(low), float(high))


def statements(column: Column, quantity: Quantity, measure: Measure, *, attack: str) -> dict[str, Floats]:
    """What the features say of a column: 1 (rising, above, yes), 0 (level, equal) or -1, by feature.

    Each is (..., networks, strengths), of `trend` a strength less. A column is not compared with itself.
    """
    equal = max(measure.points, 100 / column.n) + ROUNDING
    values = column.values

    def sign(difference: Floats) -> Floats:
        return np.where(np.abs(difference) <= equal, 0.0, np.sign(difference))

    def yes(found: NDArray[np.bool_]) -> Floats:
        return np.where(np.isnan(values), np.nan, np.where(found, 1.0, -1.0))

    at_majority = np.abs(values - column.majority) <= equal

    said = {
        "trend": sign(np.diff(values, axis=-1)),
        "clean": sign(values - column.clean),
        "majority": yes(at_majority) + (0 * column.majority),
        "zero": yes(values <= equal),
        **{name: sign(values - other) for name, other in column.others.items() if name != attack},
    }
    return {
        name: said[name]
        for name, feature in measure.features.items()
        if quantity in feature.tables and name in said
    }


def compare(printed: Column, made: Column, quantity: Quantity, measure: Measure, *, attack: str) -> Agreement:
    """A made column (with the images as they are first, then resamples) beside the printed one.

    Both have the same networks and strengths. The same statement counts 1, the opposite 0, and 1/2 where one
    of the two says equal or level.
    """
    ours, theirs = (statements(one, quantity, measure, attack=attack) for one in (made, printed))
    scores = np.concatenate(
        [(1 - np.abs(ours[name] - theirs[name]) / 2).reshape(len(made.values), -1) for name in ours],
        axis=1,
    )
    gaps = np.abs(made.values - printed.values).reshape(len(made.values), -1)
    agreements, distances = _means(scores), _means(gaps)
    return Agreement(
        float(agreements[0]),
        float(distances[0]),
        int((~np.isnan(scores[0])).sum()),
        agreements[1:],
        distances[1:],
    )


def not_told_apart(found: Mapping[str, Agreement]) -> list[str]:
    """The readings whose agreement may be the highest, the least distance from the printed column first.

    Those are the reading of the highest agreement and every one of which the interval of the difference to
    it, over resamples of the images that all readings share, reaches 0. Readings without any statement are
    left out.
    """
    there = {name: one for name, one in found.items() if one.statements}
    best = max(there.values(), key=lambda one: one.agreement, default=None)
    if best is None:
        return []
    together = [
        name
        for name, one in there.items()
        if one is best or np.nanquantile(best.agreements - one.agreements, TAIL) <= ROUNDING
    ]
    return sorted(together, key=lambda name: round(there[name].distance, 9))


def ranked(found: Mapping[str, Agreement]) -> list[str]:
    """The readings that cannot be told apart by their agreement, by distance; behind them the others."""
    together = not_told_apart(found)
    others = [name for name, one in found.items() if one.statements and name not in together]
    return together + sorted(others, key=lambda name: (-found[name].agreement, found[name].distance))


def _means(values: Floats) -> Floats:
    """Of each row, without NaN; NaN of a row without numbers."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(axis=1) / there.sum(axis=1)
