"""Orders that attacks must keep (Carlini et al. 2019), and what the printed tables do.

A stronger attack cannot leave more accuracy: more iterations than one, a larger epsilon, any attack at all
against none. Where the printed numbers rise instead, something other than the model's robustness is at work.
"""

from collections.abc import Iterator
from itertools import pairwise

from meddef_lib.paper_audit.finding import Finding, counted, listed
from meddef_lib.published import Paper, Table

MAJORITY_MARGIN = 0.06  # points: half a printed unit on both sides, and the rounding of the share itself
FAR_APART = 10.0  # points between attacks of one budget that call for an explanation


def iterative_against_one_step(paper: Paper) -> Iterator[Finding]:
    """Each table and each iterative attack: is it at least as strong as FGSM with the same budget?"""
    for table_id, table in paper.tables.items():
        single = [name for name in table.attacks if _is(paper, name, iterative=False)]
        for name in (name for name in table.attacks if _is(paper, name, iterative=True)):
            for base in single:
                cells = list(_pairs(table, name, base))
                weaker = [where for where, one, other in cells if _weaker(table, one, other)]
                yield _finding(
                    table_id,
                    table,
                    "iterative_against_one_step",
                    name,
                    bad=len(weaker),
                    of=len(cells),
                    text=f"{name} is weaker than the single step of {base} in {len(weaker)} of "
                    f"{counted(len(cells), 'cell')}{_where(weaker)}.",
                    implied=f"{name} at least as strong as {base} at equal epsilon",
                )


def equal_budgets(paper: Paper) -> Iterator[Finding]:
    """Each table: attacks with the same steps and step size (PGD and BIM differ in their start alone)."""
    for table_id, table in paper.tables.items():
        names = [name for name in table.attacks if _is(paper, name, iterative=True)]
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                first, second = paper.attacks[one], paper.attacks[other]
                if (first.steps, first.step_size) != (second.steps, second.step_size):
                    continue
                cells = list(_pairs(table, one, other))
                apart = [where for where, a, b in cells if abs(a - b) > FAR_APART]
                widest = max(abs(a - b) for _, a, b in cells)
                yield _finding(
                    table_id,
                    table,
                    "equal_budgets",
                    f"{one}/{other}",
                    bad=len(apart),
                    of=len(cells),
                    text=f"{one} and {other} take the same steps of the same size and differ in their start; "
                    f"they are more than {FAR_APART:.0f} points apart in {len(apart)} of "
                    f"{counted(len(cells), 'cell')}, at most {widest:.2f}.",
                    implied=f"{one} close to {other}",
                )


def rising_with_eps(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table over epsilon and each attack: no model may gain accuracy from a larger budget."""
    for table_id, table in paper.tables.items():
        if table.axis != "eps" or table.quantity != "accuracy":
            continue
        for name in table.attacks:
            steps = []
            for variant in table.variants:
                column = list(table.column(variant, name).items())
                for (low, before), (high, after) in pairwise(column):
                    steps.append((f"{variant} from {low:g} to {high:g}", before, after))
            rising = [where for where, before, after in steps if after > before]
            yield _finding(
                table_id,
                table,
                "rising_with_eps",
                name,
                bad=len(rising),
                of=len(steps),
                text=f"under {name} the accuracy rises with epsilon in {len(rising)} of "
                f"{counted(len(steps), 'step')}{_where(rising)}.",
                implied="accuracy that falls, or stays, as epsilon grows",
            )


def above_clean(paper: Paper) -> Iterator[Finding]:
    """Each table with clean accuracies and each attack: no attack may improve on clean images."""
    for table_id, table in paper.tables.items():
        if table.quantity != "accuracy" or "clean" not in table.columns:
            continue
        for name in table.attacks:
            cells = list(_pairs(table, name, "clean"))
            above = [where for where, attacked, clean in cells if attacked > clean]
            yield _finding(
                table_id,
                table,
                "above_clean",
                name,
                bad=len(above),
                of=len(cells),
                text=f"the accuracy under {name} is above that on clean images in {len(above)} of "
                f"{counted(len(cells), 'cell')}{_where(above)}.",
                implied="an attack that keeps or lowers the accuracy",
            )


def majority_rates(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table: cells that equal the accuracy of always answering the most frequent class."""
    for table_id, table in paper.tables.items():
        support = paper.support(table.dataset) if table.dataset in paper.datasets else {}
        if table.quantity != "accuracy" or not support or len(set(support.values())) == 1:
            continue
        share = 100 * max(support.values()) / sum(support.values())
        cells = list(table.percentages(table_id))
        equal = [cell.id for cell in cells if abs(cell.printed - share) <= MAJORITY_MARGIN]
        largest = max(support, key=lambda name: support[name])
        yield _finding(
            table_id,
            table,
            "majority_rates",
            "all",
            bad=len(equal),
            of=len(cells),
            text=f"{len(equal)} of {counted(len(cells), 'cell')} lie within {MAJORITY_MARGIN} points of "
            f"{share:.2f} %, the share of {largest} in the test set: what one answer for all images gives.",
            implied=f"{share:.2f} % for a network that always answers {largest}",
        )


def budgetless_attacks(paper: Paper) -> Iterator[Finding]:
    """Each table over epsilon: a column of an attack that has no epsilon should not depend on it."""
    for table_id, table in paper.tables.items():
        if table.axis != "eps":
            continue
        for name in table.attacks:
            facts = paper.attacks.get(name)
            if facts is None or facts.budget == "eps":
                continue
            varying = [v for v in table.variants if len(set(table.column(v, name).values())) > 1]
            yield _finding(
                table_id,
                table,
                "budgetless_attacks",
                name,
                bad=len(varying),
                of=len(table.variants),
                text=f"{name} is stated without an epsilon ({facts.section}), but its column changes with epsilon "
                f"for {len(varying)} of {counted(len(table.variants), 'model')}.",
                implied=f"one number a model under {name}",
            )


def alike_columns(paper: Paper) -> Iterator[Finding]:
    """Each table: two attacks of different kinds whose columns run closely together."""
    for table_id, table in paper.tables.items():
        for name in table.attacks:
            facts = paper.attacks.get(name)
            if facts is None or facts.budget == "eps":
                continue
            for other in (o for o in table.attacks if _is(paper, o, iterative=False)):
                cells = list(_pairs(table, name, other))
                close = [where for where, a, b in cells if abs(a - b) <= 1]
                yield _finding(
                    table_id,
                    table,
                    "alike_columns",
                    f"{name}/{other}",
                    bad=len(close) if 2 * len(close) >= len(cells) else 0,
                    of=len(cells),
                    text=f"{name}, which changes few values, is within one point of {other}, which changes all, "
                    f"in {len(close)} of {counted(len(cells), 'cell')}.",
                    implied="attacks of different kinds that differ in strength",
                )


# --- helpers of this module -----------------------------------------------------------------------


def _is(paper: Paper, name: str, *, iterative: bool) -> bool:
    facts = paper.attacks.get(name)
    return facts is not None and facts.budget == "eps" and facts.iterative is iterative


def _pairs(table: Table, one: str, other: str) -> Iterator[tuple[str, float, float]]:
    for variant in table.variants:
        for position in table.positions:
            row = table.row(variant, position)
            yield f"{variant} at {table.position_text(position)}", row[one], row[other]


def _weaker(table: Table, one: float, other: float) -> bool:
    return one > other if table.quantity == "accuracy" else one < other


def _where(places: list[str]) -> str:
    return f" ({listed(places, 3)})" if places else ""


def _finding(
    table_id: str, table: Table, check: str, what: str, *, bad: int, of: int, text: str, implied: str
) -> Finding:
    title = f"Table {table_id.removeprefix('table')}"
    return Finding(
        id=f"{check}/{table_id}/{what}",
        section=table.section,
        check=check,
        grade="unusual" if bad else "consistent",
        printed=f"{bad} of {of} cells of {title}",
        implied=implied,
        text=f"{title}: {text}",
    )
