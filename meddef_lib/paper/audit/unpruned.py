"""Success rates of pruned models against the accuracies of the unpruned ones, and the epsilon they go together at."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from meddef_lib.paper.audit.finding import Finding, Grade, counted
from meddef_lib.paper.audit.success_rates import PREMISE
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

NEAR = 5.0  # points by which pruning a little may move a success rate


def pruned_against_unpruned(paper: Paper) -> Iterator[Finding]:
    """Each model: success rates at the weakest pruning against those that the accuracies unpruned allow.

    With clean accuracy c and accuracy a under the attack, at least (c - a) / c of the correctly classified
    images were flipped, and at most (100 - a) / c: no more than all that are wrong now. Where the stated epsilon
    does not allow a rate, the finding counts the cells that each printed epsilon would.
    """
    for table in paper.tables_of("attack_success_rate", axis="rate"):
        for other in paper.tables_of("accuracy", axis="eps"):
            if other.dataset == table.dataset and table.eps is not None and table.eps in other.positions:
                yield _against_unpruned(table, table.eps, other)


class Bounded(NamedTuple):
    """A success rate of a pruned model between those that the unpruned one's accuracies allow."""

    variant: str
    attack: str
    rate: float
    least: float
    most: float


def _bounded(table: PrintedTable, eps: float, other: PrintedTable) -> list[Bounded]:
    """The rates at the weakest pruning that have an accuracy of the unpruned model at an epsilon."""
    found = []
    for variant in table.variants:
        clean, attacked = other.clean(variant), other.row(variant, eps)
        for attack, rate in table.row(variant, table.positions[0]).items():
            if clean and attack in attacked:
                found.append(Bounded(variant, attack, rate, *unpruned_bounds(clean, attacked[attack])))
    return found


def _against_unpruned(table: PrintedTable, eps: float, other: PrintedTable) -> Finding:
    cells = _bounded(table, eps, other)
    higher = [cell for cell in cells if cell.rate > cell.most + 0.01]
    lower = [cell for cell in cells if cell.rate < cell.least - 0.01]
    models = list(dict.fromkeys(cell.variant for cell in cells))
    by_model = ", ".join(
        f"{name} {sum(c.variant == name for c in higher)} of {sum(c.variant == name for c in cells)}"
        for name in models
    )
    weakest, at = table.place(table.positions[0]), other.shown(eps)
    text = f"{table.name}: no model has a clean accuracy to compare with."
    if cells:
        last = [cell for cell in cells if cell.variant == models[-1]]
        shown = "; ".join(f"{c.attack} {c.rate:.2f} against {c.least:.1f} to {c.most:.1f}" for c in last)
        text = (
            f"{table.name}, {PREMISE}: at {table.positions[0]:.0f} % pruning the rate is above anything that "
            f"{other.name} allows for the unpruned model at epsilon {at} in {len(higher)} of "
            f"{counted(len(cells), 'cell')} ({by_model}), below it in {len(lower)}; for {models[-1]}, in percent, pruned "
            f"against unpruned: {shown}."
        )
    return Finding(
        id=f"against_unpruned/{table.id}",
        section=table.section,
        grade="unusual" if higher or lower else "consistent",
        printed=f"success rates at {weakest}, accuracies at epsilon {at}",
        implied=f"higher than unpruned in {len(higher)} of {counted(len(cells), 'cell')}, lower in {len(lower)}",
        text=text,
    )


def epsilon_of_success_rates(paper: Paper) -> Iterator[Finding]:
    """Each table of success rates and the accuracies of the same data: at which epsilon do they go together?

    The rates at the weakest pruning, against those that the accuracies allow the unpruned model at each printed
    epsilon; more than a few points apart, pruning would have to explain the rest.
    """
    for table in paper.tables_of("attack_success_rate", axis="rate"):
        for other in paper.tables_of("accuracy", axis="eps"):
            if other.dataset != table.dataset:
                continue
            cells = {eps: _bounded(table, eps, other) for eps in other.positions}
            near = {
                eps: [c for c in own if c.least - NEAR <= c.rate <= c.most + NEAR]
                for eps, own in cells.items()
            }
            if not any(cells.values()):
                continue
            said = ", ".join(
                f"{other.shown(eps)}: {len(near[eps])} of {len(own)}" for eps, own in cells.items()
            )
            models = list(dict.fromkeys(cell.variant for own in cells.values() for cell in own))
            by_model = ", ".join(f"{name} {_best(other, near, cells, name)}" for name in models)
            fits = {eps: len(own) for eps, own in near.items()}
            own = fits.get(table.eps, 0) if table.eps is not None else 0
            grade: Grade = "unusual" if own < max(fits.values()) else "ambiguous"
            if table.eps in cells and own == len(cells[table.eps]):
                grade = "consistent"
            yield Finding(
                id=f"epsilon_of_success_rates/{table.id}",
                section=f"{table.section}, {other.section}",
                grade=grade,
                printed=f"epsilon {'not stated' if table.eps is None else other.shown(table.eps)} for {table.name}",
                implied=f"cells within {NEAR:g} points by epsilon: {said}",
                text=f"{table.name}, {PREMISE}: at {table.positions[0]:g} % pruning, rates within {NEAR:g} points of what "
                f"{other.name} allows the unpruned model, by epsilon: {said}; the epsilon that fits most rates of a model: {by_model}.",
            )


def _best(
    other: PrintedTable, near: Mapping[float, list[Bounded]], cells: Mapping[float, list[Bounded]], name: str
) -> str:
    """The epsilons at which most rates of a model are near, and how many are."""
    counts = {eps: sum(cell.variant == name for cell in own) for eps, own in near.items()}
    most, of = max(counts.values()), max(sum(cell.variant == name for cell in own) for own in cells.values())
    return (
        f"{' or '.join(other.shown(eps) for eps, count in counts.items() if count == most)} ({most} of {of})"
    )


def unpruned_bounds(clean: float, attacked: float) -> tuple[float, float]:
    """Least and most that a success rate can be, in percent, given accuracies in percent before and after."""
    least = max(0.0, 100 * (clean - attacked) / clean)
    return least, min(100.0, 100 * (100 - attacked) / clean)
