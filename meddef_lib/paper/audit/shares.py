"""Which percentages whole images can give, and how many test images a table's percentages are shares of.

A share of n images has n + 1 possible values: the GRIM test (Brown and Heathers 2017), here with the number of
runs that a percentage is a mean over and, as R's scrutiny gives it, the chance that a percentage drawn at random
is consistent. Percentages are arrays; counts are exact integers.

Of a table are weighed: shares of the stated images; means over runs, where their number is stated or nothing is
said of it; and another number of images, which counts only if percentages drawn at random would hardly ever fit
one so well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc

from meddef_lib.paper.audit.finding import Grade
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

CHANCE = 0.001  # a pattern that honest numbers show less often than this is taken for no accident


def bounds(printed: ArrayLike, decimals: int, images: ArrayLike) -> tuple[Integers, Integers]:
    """The smallest and the largest k for which 100 k / images is printed so; the largest is below if there is none.

    Rounded half up or half to even: a tie counts where one of the two gives the printed number.
    """
    # in units of the last printed digit, k stands for 100 * 10^decimals * k / n = units * k / n
    units, value = _units(decimals), _digits(printed, decimals)
    n = np.asarray(images, np.int64)
    low = -(-(2 * value - 1) * n // (2 * units))  # ties below round up to it
    high = (2 * value + 1) * n // (2 * units)
    tie = (2 * value + 1) * n == 2 * units * high
    high = high - (tie & (value % 2 == 1))  # an odd last digit is not what a tie above rounds down to
    return np.maximum(low, 0), np.minimum(high, n)


def counts_fitting(printed: float, decimals: int, images: int) -> range:
    """The numbers of images k for which 100 k / images is printed so."""
    low, high = bounds(printed, decimals, images)
    return range(int(low), int(high) + 1)


@dataclass(frozen=True, kw_only=True)
class PercentageOf:
    """What a percentage may be: a share of images, a mean of such shares over runs, or one over batches.

    A mean over runs may be of percentages that were rounded first, so that it lies up to a unit of the last
    digit from the mean of the shares. A mean over batches gives the last, smaller batch the weight of a full one.
    """

    images: int
    runs: int = 1
    batch: int = 0  # 0: no batches

    def fits(self, printed: ArrayLike, decimals: int) -> Booleans:
        if self.batch and self.images % self.batch:
            return self._mean_of_batches(printed, decimals)
        low, high = bounds(printed, decimals, self.images)
        if self.runs > 1:
            value, n, units = _digits(printed, decimals), self.images * self.runs, _units(decimals)
            low, high = np.maximum(-(-(value - 1) * n // units), 0), np.minimum((value + 1) * n // units, n)
        return low <= high

    def _mean_of_batches(self, printed: ArrayLike, decimals: int) -> Booleans:
        """K right in the full batches and j in the last: (K / batch + j / last) / batches, for whole K and j."""
        full, last = divmod(self.images, self.batch)
        whole = self.batch * last * (full + 1)
        value, units = _digits(printed, decimals)[..., None], _units(decimals)
        of_last = self.batch * np.arange(last + 1)
        low = -(-(-(-(2 * value - 1) * whole // (2 * units)) - of_last) // last)
        high = ((2 * value + 1) * whole // (2 * units) - of_last) // last
        return (np.maximum(low, 0) <= np.minimum(high, full * self.batch)).any(-1)

    def chance(self, decimals: int) -> float:
        """The share of all percentages with so many decimals that fit."""
        return _chance(self, decimals)

    @property
    def text(self) -> str:
        """`shares of 879 images`."""
        if self.batch:
            full, last = divmod(self.images, self.batch)
            return f"unweighted means over batches of {self.batch} ({full} full, one of {last})"
        if self.runs > 1:
            return f"means of {self.runs} runs on {self.images:,} images"
        return f"shares of {self.images:,} images"


def fitting(printed: Sequence[float], decimals: int, sizes: Sequence[int]) -> Booleans:
    """Whether each percentage (rows) is a share of each number of images (columns)."""
    low, high = bounds(np.reshape(printed, (-1, 1)), decimals, sizes)
    return np.asarray(low <= high)


def sizes_fitting(printed: Iterable[float], decimals: int, sizes: Sequence[int]) -> list[int]:
    """The numbers of images that every one of the percentages is a share of."""
    every = fitting(list(dict.fromkeys(printed)), decimals, sizes).all(axis=0)
    return [sizes[int(place)] for place in np.flatnonzero(every)]


def informative(printed: Iterable[float]) -> list[float]:
    """The different percentages among some that not every number of images gives: all but 0 and 100."""
    return [value for value in dict.fromkeys(printed) if 0 < value < 100]


def at_least(hits: int, trials: int, chance: ArrayLike) -> NDArray[np.float64]:
    """The chance of so many hits or more, by the binomial distribution, for each chance of one."""
    return np.asarray(bdtrc(hits - 1, trials, np.minimum(1.0, chance)))


@cache
def _chance(share: PercentageOf, decimals: int) -> float:
    every = np.arange(_units(decimals) + 1) / 10**decimals
    return float(share.fits(every, decimals).mean())


def chance_of_best(values: int, fitted: int, decimals: int, sizes: Sequence[int]) -> float:
    """How many of the sizes one expects to fit so many of different percentages drawn at random."""
    return float(at_least(fitted, values, np.asarray(sizes) / _units(decimals)).sum())


def chance_of_whole(values: int, fitted: int, means: PercentageOf, decimals: int) -> float:
    """The chance that so many of different means over runs are shares of the images of one run.

    One sum over r runs in r is a multiple of r, and the others may be printed as a share by chance.
    """
    one, by_chance = 1 / means.runs, PercentageOf(images=means.images).chance(decimals)
    return float(at_least(fitted, values, one + (1 - one) * by_chance))


def _units(decimals: int) -> int:
    return 100 * 10**decimals


def _digits(printed: ArrayLike, decimals: int) -> Integers:
    """Percentages in units of their last printed digit."""
    return np.rint(np.asarray(printed, float) * 10**decimals).astype(np.int64)


# --- of a table -----------------------------------------------------------------------------------

LARGEST = 2  # sizes are searched from half the stated one up to this many times it
RUNS = (2, 3)  # that a table may average without saying so
MORE_RUNS = range(4, 11)  # tried last, where no other size explains a table: they fit nearly any percentage


class Sizes(NamedTuple):
    stated: PercentageOf
    span: range  # of the sizes that are searched
    most: int  # percentages that the best size gives
    best: list[int]
    means: PercentageOf | None  # unsaid runs that all percentages can be means over
    other: int | None  # another size that explains the table better than chance
    chance: float  # of what is printed if it is honest: with `means`, or against `other`
    unsaid: tuple[PercentageOf, ...]  # means over runs that are tried, as nothing is said of runs

    def explains(self, printed: Sequence[float], decimals: int) -> bool:
        """Whether each percentage is a share of the other size or of the stated one."""
        if self.other is None:
            return False
        other = PercentageOf(images=self.other).fits(printed, decimals)
        return bool((other | self.stated.fits(printed, decimals)).all())


@cache
def sizes_of(table: PrintedTable) -> Sizes | None:
    """The sizes that a table's percentages fit; None for a table without any, or without a stated size.

    Unsaid means over runs are an explanation unless so many percentages are shares of one run's images that the
    chance of it is below `CHANCE`; then those are single runs.
    """
    cells = [cell.printed for cell in table.percentages()]
    if table.n is None or not cells:
        return None
    stated = PercentageOf(images=table.n, runs=table.runs or 1)
    unsaid = () if table.runs else tuple(PercentageOf(images=table.n, runs=runs) for runs in RUNS)
    span = range(max(table.n // 2, 1), LARGEST * table.n + 1)
    scores = fitting(cells, table.decimals, span).sum(0)
    most = int(scores.max())
    best = [span[int(place)] for place in np.flatnonzero(scores == most)]
    found = Sizes(stated, span, most, best, None, None, 1.0, unsaid)
    own = stated.fits(cells, table.decimals)
    if own.all():
        return found
    if by_few := _as_means(cells, table.decimals, stated, unsaid):
        return found._replace(means=by_few[0], chance=by_few[1])
    values = informative(cells)
    fitted = int(fitting(values, table.decimals, best[:1]).sum())
    chance = chance_of_best(len(values), fitted, table.decimals, span)
    more = () if table.runs else tuple(PercentageOf(images=table.n, runs=runs) for runs in MORE_RUNS)
    # a share of such a size is a mean over so many runs, too
    apart = [size for size in best if all(means.images * means.runs % size for means in more)]
    if apart and most > own.sum() and chance < CHANCE:
        return found._replace(other=apart[0], chance=chance)
    if by_many := _as_means(cells, table.decimals, stated, more):
        return found._replace(means=by_many[0], chance=by_many[1])
    return found._replace(chance=chance)


def _as_means(
    cells: Sequence[float], decimals: int, stated: PercentageOf, readings: Iterable[PercentageOf]
) -> tuple[PercentageOf, float] | None:
    """The first of means over runs that all percentages can be, with the chance of what is printed.

    None where too many of them are shares of one run's images, which are single runs.
    """
    values = informative(cells)
    whole = int(stated.fits(values, decimals).sum())
    for means in readings:
        chance = chance_of_whole(len(values), whole, means, decimals)
        if chance >= CHANCE and means.fits(cells, decimals).all():
            return means, chance
    return None


def grade_of(table: PrintedTable, sizes: Sizes, printed: Sequence[float]) -> Grade:
    """How percentages of a table, or of its test images, fit what is stated."""
    if sizes.stated.fits(printed, table.decimals).all():
        return "consistent"
    if sizes.explains(printed, table.decimals):
        return "contradiction"
    if sizes.means and sizes.means.fits(printed, table.decimals).all():
        return "ambiguous"
    return "impossible"


def other_sizes(paper: Paper, dataset: str) -> list[int]:
    """The numbers of images, other than the stated one, that the accuracy tables of a data set fit."""
    every = (sizes_of(table) for table in paper.tables_of("accuracy") if table.dataset == dataset)
    return [found.other for found in every if found and found.other]
