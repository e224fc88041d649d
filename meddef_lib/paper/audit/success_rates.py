"""What attack success rates say of the images behind them: denominators, and the accuracies they imply.

A success rate is a share of the images that the model classifies correctly. That number is not printed, but
the rates of one row share it: it is a common denominator of theirs, and over the test images it is the row's
clean accuracy.
"""

from collections.abc import Iterator
from typing import NamedTuple

from meddef_lib.paper.audit.finding import Finding, counted, listed, model
from meddef_lib.paper.audit.granularity import best_of_tables, sizes_fitting
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

BEYOND = 2  # denominators are searched up to this many times the stated test set
CLEAR_FALL = 10.0  # points of clean accuracy below the unpruned model that are worth a finding


class Row(NamedTuple):
    """One row of a table of success rates with the denominators that all its rates have in common."""

    variant: str
    position: float
    rates: dict[str, float]
    within: list[int]  # up to the stated number of test images
    beyond: list[int]  # above it

    @property
    def informative(self) -> bool:
        """Whether any rate is neither 0 nor 100, which every denominator gives."""
        return any(rate not in (0.0, 100.0) for rate in self.rates.values())


def rows(table: PrintedTable) -> Iterator[Row]:
    """Every row of a table with its common denominators."""
    for variant in table.variants:
        for position in table.positions:
            rates = table.row(variant, position)
            sizes = sizes_fitting(rates.values(), table.decimals, range(1, BEYOND * table.n + 1))
            yield Row(
                variant,
                position,
                rates,
                [n for n in sizes if n <= table.n],
                [n for n in sizes if n > table.n],
            )


# --- checks ---------------------------------------------------------------------------------------


def common_denominators(paper: Paper) -> Iterator[Finding]:
    """Each model of a table of success rates: can the rates of each row be shares of one number of images?"""
    for table in paper.tables_of("attack_success_rate"):
        found = list(rows(table))
        for variant in table.variants:
            own = [row for row in found if row.variant == variant and row.informative]
            wrong = [row for row in own if not row.within]
            said = "; ".join(_denominators(row, table) for row in own)
            silent = counted(len(table.positions) - len(own), "row")
            yield Finding(
                id=f"denominator/{table.id}/{variant}",
                section=table.section,
                check="common_denominator",
                grade="impossible" if wrong else "consistent",
                printed="; ".join(_shown(row, table) for row in wrong or own) or "only 0.00 and 100.00",
                implied=f"at most {table.n:,} correctly classified images",
                text=f"{model(paper, table, variant)}: {said or f'{silent} of only 0.00 and 100.00'}.",
            )


def implied_clean_accuracy(paper: Paper) -> Iterator[Finding]:
    """Each model: the clean accuracy that its denominators imply, against that of the unpruned model.

    Of the stated test images, and of the number that the accuracy tables of the same data fit better, where
    they do: which of the two a row was computed on is open.
    """
    for table in paper.tables_of("attack_success_rate"):
        if table.axis != "rate":
            continue
        found = list(rows(table))
        tests = list(dict.fromkeys([table.n, *best_of_tables(paper, table.dataset)]))
        for variant in table.variants:
            clean = paper.clean_accuracy(table.dataset, variant)
            rows_of = [row for row in found if row.variant == variant and row.informative]
            own = {row.position: most for row in rows_of if (most := largest_denominators(row, tests))}
            if clean is None or not own:
                continue
            clear = clean.value - CLEAR_FALL
            fallen = [[100 * most / test < clear for test, most in reads.items()] for reads in own.values()]
            yield Finding(
                id=f"implied_accuracy/{table.id}/{variant}",
                section=table.section,
                check="implied_clean_accuracy",
                grade="unusual"
                if any(map(all, fallen))
                else "ambiguous"
                if any(map(any, fallen))
                else "consistent",
                printed=f"{clean.value:.2f} % clean accuracy unpruned; none printed for a pruned model",
                implied="; ".join(
                    f"{rate:.0f} % pruned: at most "
                    + " or ".join(f"{100 * most / test:.1f} %" for test, most in readings.items())
                    for rate, readings in own.items()
                ),
                text=(
                    f"{model(paper, table, variant)}: if the rates are shares of the correctly classified "
                    f"images, these were at most "
                    f"{'; '.join(_at_most(table.position_text(rate), own[rate]) for rate in own)}, against "
                    f"{clean.value:.2f} % unpruned."
                ),
            )


def largest_denominators(row: Row, tests: list[int]) -> dict[int, int]:
    """For each possible number of test images, the largest denominator of a row that it allows."""
    every = [*row.within, *row.beyond]
    return {test: max(n for n in every if n <= test) for test in tests if any(n <= test for n in every)}


def pruned_against_unpruned(paper: Paper) -> Iterator[Finding]:
    """Each model: success rates at the weakest pruning against those that the accuracies unpruned allow.

    With clean accuracy c and accuracy a under the attack, at least (c - a) / c of the correctly classified
    images were flipped, and at most (100 - a) / c: no more than all that are wrong now.
    """
    for table in paper.tables_of("attack_success_rate"):
        if table.axis != "rate" or table.eps is None:
            continue
        for other in paper.tables.values():
            same = (other.dataset, other.quantity, other.axis) == (table.dataset, "accuracy", "eps")
            if same and table.eps in other.positions:
                yield _against_unpruned(table, table.eps, other)


def _against_unpruned(table: PrintedTable, eps: float, other: PrintedTable) -> Finding:
    weakest = table.positions[0]
    above, below, examples, cells = [], 0, [], 0
    for variant in (name for name in table.variants if name in other.variants):
        clean, higher, own = other.clean(variant), 0, []
        if not clean:
            continue
        for attack in (name for name in table.attacks if name in other.attacks):
            rate = table.row(variant, weakest)[attack]
            least, most = unpruned_bounds(clean, other.row(variant, eps)[attack])
            higher += rate > most + 0.01
            below += rate < least - 0.01
            own.append(f"{attack} {rate:.2f} against {least:.1f} to {most:.1f}")
        cells += len(own)
        above.append((variant, higher, len(own)))
        examples = own  # the last model is the paper's own
    higher = sum(number for _, number, _ in above)
    by_model = ", ".join(f"{variant} {number} of {of}" for variant, number, of in above)
    return Finding(
        id=f"against_unpruned/{table.id}",
        section=table.section,
        check="pruned_against_unpruned",
        grade="unusual" if higher or below else "consistent",
        printed=f"success rates at {table.position_text(weakest)}, accuracies at epsilon {eps:.2f}",
        implied=f"higher than unpruned in {higher} of {counted(cells, 'cell')}, lower in {below}",
        text=(
            f"{table.name}: at {weakest:.0f} % pruning the success rate is above anything that "
            f"{other.name} allows for the unpruned model at epsilon {eps:.2f} in {higher} of "
            f"{counted(cells, 'cell')} ({by_model}), below it in {below}; for {above[-1][0]}, in percent, pruned "
            f"against unpruned: {'; '.join(examples)}."
            if above
            else f"{table.name}: no model has a clean accuracy to compare with."
        ),
    )


def unpruned_bounds(clean: float, attacked: float) -> tuple[float, float]:
    """Least and most that a success rate can be, in percent, given accuracies in percent before and after."""
    least = max(0.0, 100 * (clean - attacked) / clean)
    return least, min(100.0, 100 * (100 - attacked) / clean)


def rows_of_zeros(paper: Paper) -> Iterator[Finding]:
    """Tables with rows in which no attack changes anything: what a model with one answer gives as well."""
    for table in paper.tables_of("attack_success_rate"):
        zero = [
            f"{row.variant} at {table.position_text(row.position)}"
            for row in rows(table)
            if not any(row.rates.values())
        ]
        if zero:
            number = counted(len(zero), "row")
            yield Finding(
                id=f"rows_of_zeros/{table.id}",
                section=table.section,
                check="rows_of_zeros",
                grade="unusual",
                printed=f"0.00 for every attack in {number}: {listed(zero)}",
                implied="a network that gives one answer to every image gives these rates too",
                text=(
                    f"{table.name}: in {number} no attack flips a single image. A network that pruning "
                    f"left with one answer for all images has this rate of success by definition; without the "
                    f"clean accuracy, which is not printed, the rows do not tell it from a robust one."
                ),
            )


# --- helpers of this module -----------------------------------------------------------------------


def _denominators(row: Row, table: PrintedTable) -> str:
    where = table.position_text(row.position)
    if row.within:
        return f"{where}: shares of {_numbers(row.within)}"
    if row.beyond:
        return f"{where}: shares of {_numbers(row.beyond)} only, more than the {table.n:,} of the test set"
    return f"{where}: no common denominator up to {BEYOND * table.n:,}"


def _at_most(where: str, readings: dict[int, int]) -> str:
    shares = [f"{most:,} of {test:,} images ({100 * most / test:.1f} %)" for test, most in readings.items()]
    return f"{' or '.join(shares)} at {where}"


def _numbers(sizes: list[int]) -> str:
    if len(sizes) > 4:
        return f"one of {len(sizes)} possible numbers of images, {min(sizes):,} to {max(sizes):,}"
    return f"{' or '.join(f'{n:,}' for n in sizes)} images"


def _shown(row: Row, table: PrintedTable) -> str:
    rates = ", ".join(f"{rate:.{table.decimals}f}" for rate in row.rates.values())
    return f"{table.position_text(row.position)}: {rates}"
