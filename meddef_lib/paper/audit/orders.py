"""Orders that attacks must keep (Carlini et al. 2019), and what the printed tables do.

A stronger attack cannot leave more accuracy: more iterations than one, a larger epsilon, any attack at all
against none. Where the printed numbers rise instead, something other than the model's robustness is at work.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise, product

from meddef_lib.paper.audit.finding import Finding, counted, listed
from meddef_lib.paper.audit.shares import sizes_of
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

LITTLE = 0.5  # points that random starts may make
FAR_APART = 10.0  # points between attacks of one budget that call for an explanation


def iterative_against_one_step(paper: Paper) -> Iterator[Finding]:
    """Each table and each iterative attack: is it at least as strong as FGSM with the same budget?"""
    for table in paper.tables.values():
        for name, base in product(*(_bounded(paper, table, iterative=kind) for kind in (True, False))):
            id, what = f"iterative_against_one_step/{table.id}/{name}", f"the single step of {base}"
            yield from _as_strong(table, id, name, base, what)


def stronger_attacks(paper: Paper) -> Iterator[Finding]:
    """Each table and each attack that is expected to match another, as more steps do: is it as strong as that one?"""
    for table in paper.tables.values():
        for name, facts in paper.attacks_in(table).items():
            for base in facts.stronger_than:
                id = f"stronger_attacks/{table.id}/{name}/{base}"
                yield from _as_strong(
                    table, id, name, base, f"{base}, which it is expected to match at least,"
                )


def _as_strong(table: PrintedTable, id: str, name: str, base: str, what: str) -> Iterator[Finding]:
    sign = 1 if table.quantity == "accuracy" else -1
    if cells := _pairs(table, name, base):
        weaker = [where for where, one, other in cells if sign * one > sign * other]
        places = f" ({listed(weaker, 3)})" if weaker else ""
        yield _about_a_table(
            table,
            id,
            bad=len(weaker),
            of=len(cells),
            text=f"{name} is weaker than {what} in {len(weaker)} of {counted(len(cells), 'cell')}{places}.",
            implied=f"{name} at least as strong as {base} at equal epsilon",
        )


def equal_budgets(paper: Paper) -> Iterator[Finding]:
    """Each table: attacks with the same steps and step size (by definition, PGD and BIM differ in their start)."""
    for table in paper.tables.values():
        for one, other in combinations(_bounded(paper, table, iterative=True), 2):
            first, second = paper.attacks[one], paper.attacks[other]
            cells = _pairs(table, one, other)
            if not cells or not first.same_steps(second):
                continue
            apart = [where for where, a, b in cells if abs(a - b) > FAR_APART]
            widest = max(abs(a - b) for _, a, b in cells)
            yield _about_a_table(
                table,
                f"equal_budgets/{table.id}/{one}/{other}",
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
    for table in paper.tables_of("accuracy", axis="eps"):
        steps = {
            name: [
                (f"{variant} from {table.shown(low)} to {table.shown(high)}", after > before)
                for variant in table.variants
                for (low, before), (high, after) in pairwise(table.column(variant, name).items())
            ]
            for name in table.attacks
        }
        yield from _by_attack(
            table,
            "rising_with_eps",
            steps,
            unit="step",
            text="the accuracy rises with epsilon",
            implied="accuracy that falls, or stays, as epsilon grows",
        )


def above_clean(paper: Paper) -> Iterator[Finding]:
    """Each table with clean accuracies: no attack should improve on clean images."""
    for table in paper.tables_of("accuracy"):
        cells = {
            name: [(where, attacked > clean) for where, attacked, clean in _pairs(table, name, "clean")]
            for name in table.attacks
        }
        yield from _by_attack(
            table,
            "above_clean",
            cells,
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
        yield _about_a_table(
            table,
            f"majority_rates/{table.id}/all",
            bad=len(equal),
            of=len(cells),
            text=f"{text}.",
            implied=f"{share:.2f} % for a network that always answers {largest}",
        )


def budgetless_attacks(paper: Paper) -> Iterator[Finding]:
    """Each table over epsilon: a column of an attack that has no epsilon should not depend on it."""
    for table in paper.tables_of(axis="eps"):
        for name in _unbounded(paper, table):
            varying = table.varying(name)
            yield _about_a_table(
                table,
                f"budgetless_attacks/{table.id}/{name}",
                bad=len(varying),
                of=len(table.variants),
                text=f"{name} is stated without an epsilon ({paper.attacks[name].section}), but its column changes with epsilon "
                f"for {len(varying)} of {counted(len(table.variants), 'model')}.",
                implied=f"one number a model under {name}",
            )


def alike_columns(paper: Paper) -> Iterator[Finding]:
    """Each table: two attacks of different kinds whose columns run closely together."""
    for table in paper.tables.values():
        for name, other in product(_unbounded(paper, table), _bounded(paper, table, iterative=False)):
            cells, among = _pairs(table, name, other), "."
            if table.quantity == "attack_success_rate":
                # where neither flips an image, nothing tells them apart
                cells, among = [cell for cell in cells if any(cell[1:])], " in which either succeeds."
            if not cells:
                continue
            close = [where for where, a, b in cells if abs(a - b) <= 1]
            yield _about_a_table(
                table,
                f"alike_columns/{table.id}/{name}/{other}",
                bad=len(close),
                of=len(cells),
                worth=2 * len(close) >= len(cells),
                text=f"{name}, whose budget is a number of values, is within one point of {other}, which "
                f"changes every value, in {len(close)} of {counted(len(cells), 'cell')}{among}",
                implied="attacks of different kinds that differ in strength",
            )


def readings_of_a_column(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table, and each iterative attack with a twin: is its column accuracy, or a success rate?

    As an accuracy, a number is at most that of the single step and of clean images, and near that of the twin with
    the same steps; as a success rate, what it leaves of the clean accuracy is.
    """
    for table in paper.tables_of("accuracy"):
        for name, twin in combinations(_bounded(paper, table, iterative=True), 2):
            bases = _bounded(paper, table, iterative=False)
            if not bases or not paper.attacks[name].same_steps(paper.attacks[twin]):
                continue
            good: dict[str, list[str]] = {"accuracy": [], "attack success rate": []}
            cells = 0
            for variant, position in product(table.variants, table.positions):
                row = table.row(variant, position)
                if not {name, twin, bases[0], "clean"} <= set(row):
                    continue
                cells += 1
                clean = row["clean"]
                for reading, left in zip(good, (row[name], clean * (1 - row[name] / 100)), strict=True):
                    if left <= min(row[bases[0]], clean) + LITTLE and abs(left - row[twin]) <= FAR_APART:
                        good[reading].append(variant)
            if not cells:
                continue
            shown = "; ".join(f"read as {reading}, {len(fits)} of {cells}" for reading, fits in good.items())
            throughout = any(len(fits) == cells for fits in good.values())
            mixed = sum(max(fits.count(variant) for fits in good.values()) for variant in table.variants)
            yield _about_a_table(
                table,
                f"readings_of_a_column/{table.id}/{name}",
                bad=cells - max(map(len, good.values())),
                of=cells,
                text=f"cells in which {name} is at least as strong as {bases[0]}, within {FAR_APART:.0f} points of {twin} and "
                f"not above clean images: {shown}; each model read as suits it better, {mixed}"
                + ("." if throughout else "; no reading holds throughout."),
                implied=f"one reading of {name} for every row",
            )


def _bounded(paper: Paper, table: PrintedTable, *, iterative: bool) -> list[str]:
    """The attacks of a table that have an epsilon, iterative ones or single steps."""
    known = paper.attacks_in(table).items()
    return [name for name, facts in known if (facts.budget, facts.iterative) == ("eps", iterative)]


def _unbounded(paper: Paper, table: PrintedTable) -> list[str]:
    """The attacks of a table that have no epsilon."""
    return [name for name, facts in paper.attacks_in(table).items() if facts.budget != "eps"]


def _pairs(table: PrintedTable, one: str, other: str) -> list[tuple[str, float, float]]:
    """Every row that prints both columns: where, and the two numbers."""
    return [
        (" at ".join(filter(None, (variant, table.place(position)))), row[one], row[other])
        for variant, position in product(table.variants, table.positions)
        if {one, other} <= (row := table.row(variant, position)).keys()
    ]


def _by_attack(
    table: PrintedTable,
    check: str,
    cells: Mapping[str, list[tuple[str, bool]]],
    *,
    unit: str,
    text: str,
    implied: str,
) -> Iterator[Finding]:
    """One finding about a table with `cells`, by attack: where each is, and whether something is so there."""
    found = {name: [where for where, bad in of_attack if bad] for name, of_attack in cells.items()}
    bad, of = sum(map(len, found.values())), sum(map(len, cells.values()))
    if not of:
        return
    by_attack = ", ".join(f"{name} {len(where)} of {len(cells[name])}" for name, where in found.items())
    examples = [f"{name}: {where[0]}" for name, where in found.items() if where]
    such_as = f", such as {'; '.join(examples)}" if examples else ""
    yield Finding(
        id=f"{check}/{table.id}",
        section=table.section,
        grade="unusual" if bad else "consistent",
        printed=f"{bad} of {counted(of, unit)} of {table.name}",
        implied=implied,
        text=f"{table.name}: {text} in {bad} of {counted(of, unit)} ({by_attack}){such_as}.",
    )


def _about_a_table(
    table: PrintedTable,
    id: str,
    *,
    bad: int,
    of: int,
    text: str,
    implied: str,
    worth: bool | None = None,
) -> Finding:
    """One finding about a table; `worth` says whether its cells are worth a question (None: if any is bad)."""
    return Finding(
        id=id,
        section=table.section,
        grade="unusual" if (bad if worth is None else worth) else "consistent",
        printed=f"{bad} of {of} cells of {table.name}",
        implied=implied,
        text=f"{table.name}: {text}",
    )
