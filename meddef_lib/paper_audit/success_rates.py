"""What attack success rates say of the images behind them: denominators, and the accuracies they imply.

A success rate is a share of the images that the model classifies correctly. That number is not printed, but
the rates of one row share it: it is a common denominator of theirs, and over the test images it is the row's
clean accuracy.
"""

from collections.abc import Iterator
from typing import NamedTuple

from meddef_lib.paper_audit.finding import Finding, counted, listed
from meddef_lib.paper_audit.granularity import sizes_fitting
from meddef_lib.published import Paper, Table

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


def rows(table: Table) -> Iterator[Row]:
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
    for table_id, table in _rates(paper):
        found = list(rows(table))
        for variant in table.variants:
            own = [row for row in found if row.variant == variant and row.informative]
            wrong = [row for row in own if not row.within]
            texts = [_denominators(row, table) for row in own]
            silent = len(table.positions) - len(own)
            yield Finding(
                id=f"denominator/{table_id}/{variant}",
                section=table.section,
                check="common_denominator",
                grade="impossible" if wrong else "consistent",
                printed="; ".join(_shown(row, table) for row in wrong or own) or "only 0.00 and 100.00",
                implied=f"at most {table.n:,} correctly classified images",
                text=f"{_name(paper, table_id, variant)}: {'; '.join(texts)}."
                if texts
                else f"{_name(paper, table_id, variant)}: {counted(silent, 'row')} of only 0.00 and 100.00.",
            )


def implied_clean_accuracy(paper: Paper) -> Iterator[Finding]:
    """Each model: the clean accuracy that its denominators imply, against that of the unpruned model."""
    for table_id, table in _rates(paper):
        if table.axis != "rate":
            continue
        found = list(rows(table))
        for variant in table.variants:
            clean = paper.clean_accuracy(table.dataset, variant)
            own = [row for row in found if row.variant == variant and row.informative and row.within]
            if clean is None or not own:
                continue
            best = {row.position: 100 * max(row.within) / table.n for row in own}
            fallen = {rate: accuracy for rate, accuracy in best.items() if accuracy < clean[1] - CLEAR_FALL}
            yield Finding(
                id=f"implied_accuracy/{table_id}/{variant}",
                section=table.section,
                check="implied_clean_accuracy",
                grade="unusual" if fallen else "consistent",
                printed=f"{clean[1]:.2f} % clean accuracy unpruned; none printed for a pruned model",
                implied="; ".join(
                    f"{rate:.0f} % pruned: {accuracy:.1f} %" for rate, accuracy in best.items()
                ),
                text=(
                    f"{_name(paper, table_id, variant)}: the rates are shares of "
                    f"{'; '.join(_at_most(row, table) for row in own)}, against {clean[1]:.2f} % unpruned."
                ),
            )


def pruned_against_unpruned(paper: Paper) -> Iterator[Finding]:
    """Each model: success rates at the weakest pruning against those that the accuracies unpruned allow.

    With clean accuracy c and accuracy a under the attack, at least (c - a) / c of the correctly classified
    images were flipped, and at most (100 - a) / c: no more than all that are wrong now.
    """
    for table_id, table in _rates(paper):
        if table.axis != "rate" or table.eps is None:
            continue
        for other_id, other in paper.tables.items():
            if (other.dataset, other.quantity, other.axis) != (table.dataset, "accuracy", "eps"):
                continue
            if table.eps not in other.positions:
                continue
            for variant in (name for name in table.variants if name in other.variants):
                yield from _against_unpruned(paper, table_id, table, other_id, other, variant)


def _against_unpruned(
    paper: Paper, table_id: str, table: Table, other_id: str, other: Table, variant: str
) -> Iterator[Finding]:
    assert table.eps is not None
    clean = other.clean(variant)
    if not clean:
        return
    weakest = table.positions[0]
    attacks = [attack for attack in table.attacks if attack in other.attacks]
    higher, lower, shown = 0, 0, []
    for attack in attacks:
        rate = table.row(variant, weakest)[attack]
        least, most = unpruned_bounds(clean, other.row(variant, table.eps)[attack])
        higher += rate > most + 0.01
        lower += rate < least - 0.01
        shown.append(f"{attack} {rate:.2f} against {least:.1f} to {most:.1f}")
    yield Finding(
        id=f"against_unpruned/{table_id}/{variant}",
        section=table.section,
        check="pruned_against_unpruned",
        grade="unusual" if higher or lower else "consistent",
        printed=f"success rates at {table.position_text(weakest)}: {', '.join(shown)}",
        implied=f"higher than unpruned for {higher} of {len(attacks)} attacks, lower for {lower}",
        text=(
            f"{_name(paper, table_id, variant)}: at {weakest:.0f} % pruning the success rate is above anything "
            f"that {_title(other_id)} allows for the unpruned model at epsilon {table.eps:.2f} for {higher} of "
            f"{counted(len(attacks), 'attack')}, below it for {lower} (in percent, pruned against unpruned: "
            f"{'; '.join(shown)})."
        ),
    )


def unpruned_bounds(clean: float, attacked: float) -> tuple[float, float]:
    """Least and most that a success rate can be, in percent, given accuracies in percent before and after."""
    least = max(0.0, 100 * (clean - attacked) / clean)
    return least, min(100.0, 100 * (100 - attacked) / clean)


def rows_of_zeros(paper: Paper) -> Iterator[Finding]:
    """Tables with rows in which no attack changes anything: what a model with one answer gives as well."""
    for table_id, table in _rates(paper):
        zero = [
            f"{row.variant} at {table.position_text(row.position)}"
            for row in rows(table)
            if not any(row.rates.values())
        ]
        if zero:
            number = counted(len(zero), "row")
            yield Finding(
                id=f"rows_of_zeros/{table_id}",
                section=table.section,
                check="rows_of_zeros",
                grade="unusual",
                printed=f"0.00 for every attack in {number}: {listed(zero)}",
                implied="a network that gives one answer to every image gives these rates too",
                text=(
                    f"{_title(table_id)}: in {number} no attack flips a single image. A network that pruning "
                    f"left with one answer for all images has this rate of success by definition; without the "
                    f"clean accuracy, which is not printed, the rows are no sign of robustness."
                ),
            )


# --- helpers of this module -----------------------------------------------------------------------


def _denominators(row: Row, table: Table) -> str:
    where = table.position_text(row.position)
    if row.within:
        return f"{where}: shares of {_numbers(row.within)} images"
    if row.beyond:
        return f"{where}: shares of {_numbers(row.beyond)} images only, more than the {table.n:,} of the test set"
    return f"{where}: no common denominator up to {BEYOND * table.n:,}"


def _at_most(row: Row, table: Table) -> str:
    share = 100 * max(row.within) / table.n
    most = "" if len(row.within) == 1 else "at most "
    return f"{most}{max(row.within):,} of {table.n:,} images ({share:.1f} %) at {table.position_text(row.position)}"


def _numbers(sizes: list[int]) -> str:
    if len(sizes) > 4:
        return f"{min(sizes):,} to {max(sizes):,}"
    return " or ".join(f"{n:,}" for n in sizes)


def _shown(row: Row, table: Table) -> str:
    rates = ", ".join(f"{rate:.{table.decimals}f}" for rate in row.rates.values())
    return f"{table.position_text(row.position)}: {rates}"


def _rates(paper: Paper) -> Iterator[tuple[str, Table]]:
    return ((id, table) for id, table in paper.tables.items() if table.quantity == "attack_success_rate")


def _title(table_id: str) -> str:
    return f"Table {table_id.removeprefix('table')}"


def _name(paper: Paper, table_id: str, variant: str) -> str:
    return f"{_title(table_id)}, {paper.variants.get(variant, variant)}"
