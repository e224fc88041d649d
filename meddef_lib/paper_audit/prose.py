"""Figures and directions in sentences against the tables that they speak of."""

from collections.abc import Iterator
from itertools import pairwise

from meddef_lib.paper_audit.finding import Finding, counted, listed
from meddef_lib.published import Change, Figure, Paper, Quote


def quoted_figures(paper: Paper) -> Iterator[Finding]:
    """Each sentence: are its figures those of the cells that it names?"""
    for quote in paper.quotes:
        compared = [(figure, _meant(figure, paper)) for figure in quote.figures if figure.is_ is not None]
        if not compared:
            continue
        wrong = [(figure, value) for figure, value in compared if not _same(figure, value)]
        misnamed = [
            figure
            for figure, _ in compared
            if figure.called is not None and _quantity(figure, paper) != figure.called
        ]
        shown = ", ".join(_printed(figure) for figure, _ in compared)
        implied = ", ".join("nothing" if value is None else f"{value:.2f}" for _, value in compared)
        said = [
            f"{_printed(figure)} is quoted where {value:.2f} stands"
            for figure, value in wrong
            if value is not None
        ]
        said += [
            f"{_printed(figure)} is called {str(figure.called).replace('_', ' ')}; the table prints it as "
            f"{_quantity(figure, paper)}"
            for figure in misnamed
        ]
        yield Finding(
            id=f"quoted_figures/{quote.id}",
            section=quote.section,
            check="quoted_figures",
            grade="contradiction" if said else "consistent",
            printed=shown,
            implied=implied,
            text=f"“{quote.text}”: "
            + (f"{listed(said)}." if said else f"{counted(len(compared), 'figure')} as in the tables."),
        )


def figures_without_source(paper: Paper) -> Iterator[Finding]:
    """Each sentence: figures of the paper's own results that no table has."""
    printed = {
        round(value.value, 2)
        for value in paper.values.values()
        if not value.id.startswith(("text/", "table5/"))
    }
    for quote in paper.quotes:
        free = [f.printed for f in quote.figures if f.is_ is None and round(f.printed, 2) not in printed]
        if free:
            yield Finding(
                id=f"figures_without_source/{quote.id}",
                section=quote.section,
                check="figures_without_source",
                grade="unsupported",
                printed=", ".join(f"{value:.2f}" for value in free),
                implied="no cell of any table, and no combination that is named",
                text=f"“{quote.text}”: {listed([f'{value:.2f}' for value in free])} "
                f"{'stands' if len(free) == 1 else 'stand'} in no table.",
            )


def directions(paper: Paper) -> Iterator[Finding]:
    """Each direction in a sentence (drops, increasing): do the numbers that it names go that way?"""
    for quote in paper.quotes:
        for number, change in enumerate(quote.changes):
            before, after = (_end(end, paper) for end in (change.from_, change.to))
            if before is None or after is None:
                continue
            good = (after - before) * change.sign > 0
            yield Finding(
                id=f"directions/{quote.id}/{number}",
                section=quote.section,
                check="directions",
                grade="consistent" if good else "contradiction",
                printed=change.word,
                implied=f"from {before:.2f} to {after:.2f}",
                text=f"“{quote.text}”: {_direction(quote, change, before, after)}",
            )


def superlatives(paper: Paper) -> Iterator[Finding]:
    """Each table and column: how often the full model is the best of all, and of its ablations.

    Sections 4.2 to 4.4 say “highest”, “consistently outperforms all partial variants”, “superior … across all”.
    """
    full = list(paper.variants)[-1] if paper.variants else ""
    for table_id, table in paper.tables.items():
        if full not in table.variants:
            continue
        for column in (name for name in table.columns[2:] if name != "parameters"):
            sign = 1 if table.quantity == "accuracy" or column == "clean" else -1
            positions = table.positions[:1] if column in table.repeated else table.positions
            lost = [
                f"{variant} at {table.position_text(position)}" if column not in table.repeated else variant
                for position in positions
                for variant in table.variants
                if variant != full
                and sign * table.row(variant, position)[column] > sign * table.row(full, position)[column]
            ]
            of = len(positions) * (len(table.variants) - 1)
            title = f"Table {table_id.removeprefix('table')}"
            yield Finding(
                id=f"superlatives/{table_id}/{column}",
                section=f"4.2 to 4.4, {title}",
                check="superlatives",
                grade="contradiction" if lost else "consistent",
                printed="the full model is the best of all variants",
                implied=f"surpassed in {len(lost)} of {of} comparisons",
                text=f"{title}, {column}: the full model is surpassed in {len(lost)} of "
                f"{counted(of, 'comparison')}" + (f" ({listed(lost, 3)})." if lost else "."),
            )


def progressive(paper: Paper) -> Iterator[Finding]:
    """Each table and attack: does every added component improve on the variant before it (4.2, 4.3)?"""
    of_parts = paper.components.of if paper.components else {}
    order = sorted(of_parts, key=lambda name: len(of_parts[name]))
    for table_id, table in paper.tables.items():
        if not set(order) <= set(table.variants) or len(order) < 2:
            continue
        for column in (name for name in table.columns[2:] if name != "parameters"):
            sign = 1 if table.quantity == "accuracy" or column == "clean" else -1
            positions = table.positions[:1] if column in table.repeated else table.positions
            steps = [
                (
                    f"{one} to {other} at {table.position_text(p)}",
                    table.row(one, p)[column],
                    table.row(other, p)[column],
                )
                for p in positions
                for one, other in pairwise(order)
            ]
            worse = [where for where, before, after in steps if sign * after < sign * before]
            title = f"Table {table_id.removeprefix('table')}"
            yield Finding(
                id=f"progressive/{table_id}/{column}",
                section=f"4.2, 4.3, {title}",
                check="progressive",
                grade="contradiction" if worse else "consistent",
                printed="progressive improvement as components are added",
                implied=f"worse in {len(worse)} of {len(steps)} steps",
                text=f"{title}, {column}: adding a component makes it worse in {len(worse)} of "
                f"{counted(len(steps), 'step')}" + (f" ({listed(worse, 3)})." if worse else "."),
            )


def _meant(figure: Figure, paper: Paper) -> float | None:
    if isinstance(figure.is_, tuple):
        first, second = (_end(name, paper) for name in figure.is_)
        return None if first is None or second is None else first - second
    value = _end(figure.is_, paper) if figure.is_ else None
    found = paper.values.get(figure.is_) if figure.is_ else None
    # shares of a matrix are quoted in percent
    return (
        100 * value
        if value is not None and found and found.unit == "share" and figure.unit == "percent"
        else value
    )


def _printed(figure: Figure) -> str:
    """The figure with the decimals that the sentence gives it."""
    return f"{figure.printed:.{figure.decimals}f}"


def _same(figure: Figure, value: float | None) -> bool:
    return value is not None and abs(figure.printed - value) <= 0.5 * 10.0**-figure.decimals + 1e-9


def _quantity(figure: Figure, paper: Paper) -> str | None:
    found = paper.values.get(figure.is_) if isinstance(figure.is_, str) else None
    return found.address.quantity if found and found.address else None


def _end(end: str | float, paper: Paper) -> float | None:
    if not isinstance(end, str):
        return float(end)
    found = paper.values.get(end)
    return found.value if found else None


def _direction(quote: Quote, change: Change, before: float, after: float) -> str:
    way = "rises" if after > before else "falls" if after < before else "stays"
    return f"“{change.word}”; the printed number {way}, from {before:.2f} to {after:.2f}."
