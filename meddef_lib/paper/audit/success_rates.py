"""What attack success rates say of the images behind them: denominators, and the accuracies they imply.

The premise: a success rate is a share of the images that the model classifies correctly, or the relative drop in
their number, in one run. That number is not printed, but the rates of one row share it: it is a common denominator
of theirs, and over the test images it is the row's clean accuracy.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import exp
from typing import NamedTuple

from meddef_lib.paper.audit.finding import Finding, Grade, counted, listed, model
from meddef_lib.paper.audit.shares import (
    CHANCE,
    at_least,
    chance_of_best,
    informative,
    other_sizes,
    sizes_fitting,
)
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

BEYOND = 2  # denominators are searched up to this many times the stated test set
CLEAR_FALL = 10.0  # points of clean accuracy below the unpruned model that are worth a finding
PREMISE = "read as shares of the correctly classified images of one run, which the paper does not say"


class RateRow(NamedTuple):
    """One row of a table of success rates with the denominators that all its rates have in common."""

    variant: str
    position: float
    rates: dict[str, float]
    within: list[int]  # up to the stated number of test images
    beyond: list[int]  # above it

    @property
    def informative(self) -> bool:
        """Whether any rate is neither 0 nor 100, which every denominator gives."""
        return bool(informative(self.rates.values()))


@cache
def rows(table: PrintedTable) -> tuple[RateRow, ...]:
    """Every row of a table of one run with its common denominators; none without a stated test set."""
    if table.n is None or (table.runs or 1) > 1:  # a mean over runs has no denominator
        return ()
    found = []
    for variant, position in product(table.variants, table.positions):
        rates = {name: rate for name, rate in table.row(variant, position).items() if name in table.attacks}
        sizes = sizes_fitting(rates.values(), table.decimals, range(1, BEYOND * table.n + 1))
        within, beyond = [n for n in sizes if n <= table.n], [n for n in sizes if n > table.n]
        if rates:
            found.append(RateRow(variant, position, rates, within, beyond))
    return tuple(found)


def chance_of_a_denominator(row: RateRow, table: PrintedTable) -> float:
    """How many denominators up to the test set one expects of as many different rates drawn at random."""
    values = len(informative(row.rates.values()))
    return chance_of_best(values, values, table.decimals, range(1, (table.n or 0) + 1))


def _telling(table: PrintedTable) -> bool:
    """Whether so many rows of a table have common denominators that they are hardly means over runs."""
    known = [row for row in rows(table) if row.informative]
    chances = [1 - exp(-chance_of_a_denominator(row, table)) for row in known]
    hits = sum(bool(row.within) for row in known)
    return bool(known) and float(at_least(hits, len(known), sum(chances) / len(known))) < CHANCE


def common_denominators(paper: Paper) -> Iterator[Finding]:
    """Each model of a table of success rates: can the rates of each row be shares of one number of images?

    A row without a denominator is held against the paper only where most rows of the table have one: means over
    runs have none.
    """
    for table in paper.tables_of("attack_success_rate"):
        others = other_sizes(paper, table.dataset)
        for variant in table.variants:
            own = [row for row in rows(table) if row.variant == variant]
            known = [row for row in own if row.informative]
            wrong = [row for row in known if not row.within]
            if not own:
                continue
            grade: Grade = "consistent"
            if wrong:
                grade = "impossible" if _telling(table) else "ambiguous"
            if wrong and all(any(n <= other for n in row.beyond for other in others) for row in wrong):
                grade = "contradiction"
            said = "; ".join(_denominators(row, table, others) for row in known)
            chance = max((chance_of_a_denominator(row, table) for row in known), default=0.0)
            few = f"at most {chance:.2g}" if chance < 1 else f"up to {chance:.0f}"
            silent = counted(len(own) - len(known), "row")
            yield Finding(
                id=f"denominator/{table.id}/{variant}",
                section=table.section,
                check="common_denominator",
                grade=grade,
                printed="; ".join(_shown(row, table) for row in wrong or known) or "only 0.00 and 100.00",
                implied=f"at most {table.n:,} correctly classified images",
                text=f"{model(paper, table, variant)}, {PREMISE}: "
                + (
                    f"{said}; a row of rates drawn at random has {few} of these on average."
                    if said
                    else f"{silent} of only 0.00 and 100.00."
                ),
            )


def implied_clean_accuracy(paper: Paper) -> Iterator[Finding]:
    """Each model: the clean accuracy that its denominators imply, against that of the unpruned model.

    Of the stated test images, and of the number that the accuracy tables of the same data fit better, where
    they do: which of the two a row was computed on is open.
    """
    for table in paper.tables_of("attack_success_rate", axis="rate"):
        if table.n is None:
            continue
        tests = list(dict.fromkeys([table.n, *other_sizes(paper, table.dataset)]))
        for variant in table.variants:
            clean = paper.clean_accuracy(table.dataset, variant)
            rows_of = [row for row in rows(table) if row.variant == variant and row.informative]
            own = {row.position: most for row in rows_of if (most := largest_denominators(row, tests))}
            if clean is None or not own:
                continue
            said = [
                f"{' or '.join(f'{n:,} of {test:,} images ({100 * n / test:.1f} %)' for test, n in most.items())} "
                f"at {table.place(rate)}"
                for rate, most in own.items()
            ]
            clear = clean.value - CLEAR_FALL
            fallen = [[100 * most / test < clear for test, most in reads.items()] for reads in own.values()]
            grade: Grade = "ambiguous" if any(map(any, fallen)) else "consistent"
            if any(map(all, fallen)):
                grade = "unusual"
            yield Finding(
                id=f"implied_accuracy/{table.id}/{variant}",
                section=table.section,
                grade=grade,
                printed=f"{clean.value:.2f} % clean accuracy unpruned; none printed for a pruned model",
                implied="; ".join(
                    f"{rate:.0f} % pruned: at most "
                    + " or ".join(f"{100 * most / test:.1f} %" for test, most in readings.items())
                    for rate, readings in own.items()
                ),
                text=(
                    f"{model(paper, table, variant)}, {PREMISE}: these images were at most "
                    f"{'; '.join(said)}, against "
                    f"{clean.value:.2f} % unpruned."
                ),
            )


def largest_denominators(row: RateRow, tests: list[int]) -> dict[int, int]:
    """For each possible number of test images, the largest denominator of a row that it allows."""
    every = [*row.within, *row.beyond]
    return {test: max(n for n in every if n <= test) for test in tests if any(n <= test for n in every)}


def rows_of_zeros(paper: Paper) -> Iterator[Finding]:
    """Tables with rows in which no attack changes anything: what a model with one answer gives as well."""
    for table in paper.tables_of("attack_success_rate"):
        zero = [
            f"{variant} at {table.place(position)}"
            for variant, position in product(table.variants, table.positions)
            if (rates := table.row(variant, position)) and not any(rates.values())
        ]
        if zero:
            number = counted(len(zero), "row")
            yield Finding(
                id=f"rows_of_zeros/{table.id}",
                section=table.section,
                grade="unusual",
                printed=f"0.00 for every attack in {number}: {listed(zero)}",
                implied="a network that gives one answer to every image gives these rates too",
                text=(
                    f"{table.name}: in {number} no attack flips a single image. A network that pruning "
                    f"left with one answer for all images has this rate of success by definition; without the "
                    f"clean accuracy, which is not printed, the rows do not tell it from a robust one."
                ),
            )


def _denominators(row: RateRow, table: PrintedTable, others: list[int]) -> str:
    where = _at(row, table)
    if row.within:
        return f"{where}shares of {_numbers(row.within)}"
    beyond = [n for n in row.beyond if any(n <= other for other in others)] or row.beyond
    if beyond:
        fits = f", and its accuracies fit {others[0]:,}" if others and beyond[0] <= others[0] else ""
        rates = counted(len(row.rates), "rate")
        return f"{where}these {rates} need {_numbers(beyond)}; the test set has {table.n:,}{fits}"
    return f"{where}no common denominator up to {BEYOND * (table.n or 0):,}"


def _numbers(sizes: list[int]) -> str:
    if len(sizes) > 4:
        return f"one of {len(sizes)} possible numbers of images, {min(sizes):,} to {max(sizes):,}"
    return f"{' or '.join(f'{n:,}' for n in sizes)} images"


def _shown(row: RateRow, table: PrintedTable) -> str:
    rates = ", ".join(f"{rate:.{table.decimals}f}" for rate in row.rates.values())
    return f"{_at(row, table)}{rates}"


def _at(row: RateRow, table: PrintedTable) -> str:
    """`70 % pruned: `; "" in a table without an axis."""
    where = table.place(row.position)
    return f"{where}: " if where else ""
