"""Orders that attacks must keep (Carlini et al. 2019), and what the printed tables do.

A stronger attack cannot leave more accuracy: more iterations than one, a larger epsilon, any attack at all
against none. Where the printed numbers rise instead, something other than the model's robustness is at work.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise, product

from meddef_lib.paper.audit.finding import Finding, counted, listed
from meddef_lib.paper.audit.sizes import sizes_of
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

FAR_APART = 10.0  # points between attacks of one budget that call for an explanation


def iterative_against_one_step(paper: Paper) -> Iterator[Finding]:
    """Each table and each iterative attack: is it at least as strong as FGSM with the same budget?"""
    for table in paper.tables.values():
        for name, base in product(*(bounded(paper, table, iterative=kind) for kind in (True, False))):
            yield from _as_strong(
                table, "iterative_against_one_step", name, base, place=name, what=f"the single step of {base}"
            )


def stronger_attacks(paper: Paper) -> Iterator[Finding]:
    """Each table and each attack that is expected to match another, as more steps do: is it as strong as that one?"""
    for table in paper.tables.values():
        for name in table.attacks:
            for base in paper.attacks[name].stronger_than if name in paper.attacks else ():
                yield from _as_strong(
                    table,
                    "stronger_attacks",
                    name,
                    base,
                    place=f"{name}/{base}",
                    what=f"{base}, which it is expected to match at least,",
                )


def _as_strong(
    table: PrintedTable, check: str, name: str, base: str, *, place: str, what: str
) -> Iterator[Finding]:
    cells = list(_pairs(table, name, base))
    sign = 1 if table.quantity == "accuracy" else -1
    weaker = [where for where, one, other in cells if sign * one > sign * other]
    places = f" ({listed(weaker, 3)})" if weaker else ""
    if cells:
        yield about_a_table(
            table,
            check,
            place,
            bad=len(weaker),
            of=len(cells),
            text=f"{name} is weaker than {what} in {len(weaker)} of {counted(len(cells), 'cell')}{places}.",
            implied=f"{name} at least as strong as {base} at equal epsilon",
        )


def equal_budgets(paper: Paper) -> Iterator[Finding]:
    """Each table: attacks with the same steps and step size (by definition, PGD and BIM differ in their start)."""
    for table in paper.tables.values():
        for one, other in combinations(bounded(paper, table, iterative=True), 2):
            first, second = paper.attacks[one], paper.attacks[other]
            cells = list(_pairs(table, one, other))
            if not cells or not first.same_steps(second):
                continue
            apart = [where for where, a, b in cells if abs(a - b) > FAR_APART]
            widest = max(abs(a - b) for _, a, b in cells)
            yield about_a_table(
                table,
                "equal_budgets",
                f"{one}/{other}",
                bad=len(apart),
                of=len(cells),
                text=f"{one} and {other} are stated with the same number of steps of the same size "
                f"({first.section}); they are more than {FAR_APART:.0f} points apart in {len(apart)} of "
                f"{counted(len(cells), 'cell')}, by up to {widest:.2f}.",
                implied=f"{one} close to {other}",
            )


def rising_with_eps(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table over epsilon: no model should gain accuracy from a larger budget.

    A larger ball holds every smaller one, so a strong attack cannot do worse in it; a single step can
    overshoot, which is why a rise is unusual and not impossible.
    """
    for table in paper.tables_of("accuracy"):
        if table.axis != "eps":
            continue
        rises = {
            name: [
                f"{variant} from {table.shown(low)} to {table.shown(high)}"
                for variant in table.variants
                for (low, before), (high, after) in pairwise(table.column(variant, name).items())
                if after > before
            ]
            for name in table.attacks
        }
        steps = {
            name: sum(max(len(table.column(v, name)) - 1, 0) for v in table.variants)
            for name in table.attacks
        }
        if sum(steps.values()) <= 0:  # one epsilon
            continue
        yield _by_attack(
            table,
            "rising_with_eps",
            rises,
            of=steps,
            unit="step",
            text="the accuracy rises with epsilon",
            implied="accuracy that falls, or stays, as epsilon grows",
        )


def above_clean(paper: Paper) -> Iterator[Finding]:
    """Each table with clean accuracies: no attack should improve on clean images."""
    for table in paper.tables_of("accuracy"):
        if "clean" not in table.columns:
            continue
        cells = {name: list(_pairs(table, name, "clean")) for name in table.attacks}
        above = {
            name: [where for where, attacked, clean in pairs if attacked > clean]
            for name, pairs in cells.items()
        }
        if not any(cells.values()):
            continue
        yield _by_attack(
            table,
            "above_clean",
            above,
            of={name: len(pairs) for name, pairs in cells.items()},
            unit="cell",
            text="the accuracy under attack is above that on clean images",
            implied="an attack that keeps or lowers the accuracy",
        )


def majority_rates(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table: cells that equal the accuracy of always answering the most frequent class."""
    for table in paper.tables_of("accuracy"):
        support = paper.datasets[table.dataset].support if table.dataset in paper.datasets else {}
        if len(set(support.values())) < 2:
            continue
        share = 100 * max(support.values()) / sum(support.values())
        cells = list(table.percentages())
        margin = 50 / sum(support.values())  # points: half an image
        equal = [cell for cell in cells if abs(cell.printed - share) <= margin]
        largest = max(support, key=lambda name: support[name])
        text = (
            f"{len(equal)} of {counted(len(cells), 'cell')} lie within half an image of {share:.2f} %, the share of "
            f"{largest} in the test set: what one answer for all images gives"
        )
        sizes = sizes_of(table)
        if sizes and sizes.other:
            images = round(share * sizes.other / 100)
            printed = round(100 * images / sizes.other, table.decimals)
            same = sum(cell.printed == printed for cell in cells)
            text += (
                f"; {same} of them print {printed:.{table.decimals}f}, which is that share of {sizes.other:,} images "
                f"({images:,}) and no share of {table.n:,}"
            )
        yield about_a_table(
            table,
            "majority_rates",
            "all",
            bad=len(equal),
            of=len(cells),
            text=f"{text}.",
            implied=f"{share:.2f} % for a network that always answers {largest}",
        )


def budgetless_attacks(paper: Paper) -> Iterator[Finding]:
    """Each table over epsilon: a column of an attack that has no epsilon should not depend on it."""
    for table in paper.tables.values():
        if table.axis != "eps":
            continue
        for name in _unbounded(paper, table):
            varying = table.varying(name)
            yield about_a_table(
                table,
                "budgetless_attacks",
                name,
                bad=len(varying),
                of=len(table.variants),
                text=f"{name} is stated without an epsilon ({paper.attacks[name].section}), but its column changes with epsilon "
                f"for {len(varying)} of {counted(len(table.variants), 'model')}.",
                implied=f"one number a model under {name}",
            )


def alike_columns(paper: Paper) -> Iterator[Finding]:
    """Each table: two attacks of different kinds whose columns run closely together."""
    for table in paper.tables.values():
        for name, other in product(_unbounded(paper, table), bounded(paper, table, iterative=False)):
            cells = list(_pairs(table, name, other))
            if (
                table.quantity == "attack_success_rate"
            ):  # where neither flips an image, nothing tells them apart
                cells = [cell for cell in cells if cell[1] > 0 or cell[2] > 0]
            if not cells:
                continue
            close = [where for where, a, b in cells if abs(a - b) <= 1]
            yield about_a_table(
                table,
                "alike_columns",
                f"{name}/{other}",
                bad=len(close),
                of=len(cells),
                worth=2 * len(close) >= len(cells),
                text=f"{name}, whose budget is a number of values, is within one point of {other}, which "
                f"changes every value, in {len(close)} of {counted(len(cells), 'cell')}"
                + (" in which either succeeds." if table.quantity == "attack_success_rate" else "."),
                implied="attacks of different kinds that differ in strength",
            )


def bounded(paper: Paper, table: PrintedTable, *, iterative: bool) -> list[str]:
    """The attacks of a table that have an epsilon, iterative ones or single steps."""
    known = {name: paper.attacks[name] for name in table.attacks if name in paper.attacks}
    return [name for name, facts in known.items() if (facts.budget, facts.iterative) == ("eps", iterative)]


def _unbounded(paper: Paper, table: PrintedTable) -> list[str]:
    """The attacks of a table that have no epsilon."""
    return [name for name in table.attacks if name in paper.attacks and paper.attacks[name].budget != "eps"]


def _pairs(table: PrintedTable, one: str, other: str) -> Iterator[tuple[str, float, float]]:
    """Every row that prints both columns: where, and the two numbers."""
    for variant in table.variants:
        for position in table.positions:
            row = table.row(variant, position)
            if one in row and other in row:
                yield (
                    " at ".join(part for part in (variant, table.position_text(position)) if part),
                    row[one],
                    row[other],
                )


def _by_attack(
    table: PrintedTable,
    check: str,
    places: Mapping[str, list[str]],
    *,
    of: Mapping[str, int],
    unit: str,
    text: str,
    implied: str,
) -> Finding:
    """One finding about a table: where something is so (`places`) and of how many cells, both by attack."""
    bad, cells = sum(map(len, places.values())), sum(of.values())
    by_attack = ", ".join(f"{name} {len(where)} of {of[name]}" for name, where in places.items())
    examples = [f"{name}: {where[0]}" for name, where in places.items() if where]
    such_as = f", such as {'; '.join(examples)}" if examples else ""
    return Finding(
        id=f"{check}/{table.id}",
        section=table.section,
        grade="unusual" if bad else "consistent",
        printed=f"{bad} of {counted(cells, unit)} of {table.name}",
        implied=implied,
        text=f"{table.name}: {text} in {bad} of {counted(cells, unit)} ({by_attack}){such_as}.",
    )


def about_a_table(
    table: PrintedTable,
    check: str,
    what: str,
    *,
    bad: int,
    of: int,
    text: str,
    implied: str,
    worth: bool | None = None,
) -> Finding:
    """One finding about a table; `worth` says whether its cells are worth a question (None: if any is bad)."""
    return Finding(
        id=f"{check}/{table.id}/{what}",
        section=table.section,
        grade="unusual" if (bad if worth is None else worth) else "consistent",
        printed=f"{bad} of {of} cells of {table.name}",
        implied=implied,
        text=f"{table.name}: {text}",
    )
