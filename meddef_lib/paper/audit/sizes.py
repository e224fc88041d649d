"""How many test images the percentages of an accuracy table were computed on.

Weighed are shares of the stated images; means over runs, where their number is stated or nothing is said of it;
and another number of images, which counts only if percentages drawn at random would hardly ever fit one so well.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from meddef_lib.paper.audit.finding import Grade
from meddef_lib.paper.audit.shares import (
    CHANCE,
    Reading,
    chance_of_best,
    chance_of_whole,
    fitting,
    informative,
)
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

LARGEST = 2  # sizes are searched from half the stated one up to this many times it
RUNS = (2, 3)  # that a table may average without saying so
MORE_RUNS = range(4, 11)  # tried last, where no other size explains a table: they fit nearly any percentage


class Sizes(NamedTuple):
    """What an accuracy table says of the number of its test images."""

    stated: Reading
    span: range  # of the sizes that are searched
    most: int  # percentages that the best size gives
    best: list[int]
    means: Reading | None  # unsaid runs that all percentages can be means over
    other: int | None  # another size that explains the table better than chance
    chance: float  # of what is printed if it is honest: with `means`, or against `other`
    unsaid: tuple[Reading, ...]  # means over runs that are tried, as nothing is said of runs

    def explains(self, printed: Sequence[float], decimals: int) -> bool:
        """Whether each percentage is a share of the other size or of the stated one."""
        if self.other is None:
            return False
        other = Reading(images=self.other).fits(printed, decimals)
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
    stated = Reading(images=table.n, runs=table.runs or 1)
    unsaid = () if table.runs else tuple(Reading(images=table.n, runs=runs) for runs in RUNS)
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
    more = () if table.runs else tuple(Reading(images=table.n, runs=runs) for runs in MORE_RUNS)
    # a share of such a size is a mean over so many runs, too
    apart = [size for size in best if all(means.images * means.runs % size for means in more)]
    if apart and most > own.sum() and chance < CHANCE:
        return found._replace(other=apart[0], chance=chance)
    if by_many := _as_means(cells, table.decimals, stated, more):
        return found._replace(means=by_many[0], chance=by_many[1])
    return found._replace(chance=chance)


def _as_means(
    cells: Sequence[float], decimals: int, stated: Reading, readings: Iterable[Reading]
) -> tuple[Reading, float] | None:
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
