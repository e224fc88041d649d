"""StatedNumbers and directions in sentences against the tables that they speak of."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from meddef_lib.paper.audit.finding import Finding, counted, listed, tally
from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.printed_values import PrintedValue
from meddef_lib.paper.published import Paper
from meddef_lib.paper.sentences import StatedNumber

LEAST = 0.005  # two percentages with two decimals are the same below this


def quoted_figures(paper: Paper) -> Iterator[Finding]:
    """Each sentence: are its figures those of the cells that it names?"""
    for quote in paper.quotes:
        compared = [(figure, _meant(figure, paper)) for figure in quote.figures if figure.is_ is not None]
        if not compared:
            continue
        shown = ", ".join(_printed(figure) for figure, _ in compared)
        implied = ", ".join("nothing" if value is None else f"{value:.2f}" for _, value in compared)
        said = [
            f"{_printed(figure)} is quoted where {value:.2f} stands"
            for figure, value in compared
            if value is not None and not _same(figure, value)
        ]
        said += [
            f"{_printed(figure)} is called {figure.called.replace('_', ' ')}; the table prints it as {quantity}"
            for figure, _ in compared
            if figure.called and figure.called != (quantity := _quantity(figure, paper))
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
    """Each sentence: figures of the paper's own results that no table of rates, matrix or class metric has.

    Where a comparison with other work (Table 5) repeats such a figure, or prints what it leaves of 100, the
    finding says so.
    """
    every, tables = paper.values.values(), ", ".join(table.name for table in paper.tables.values())
    compared = [value for value in every if value.id.startswith("table5/")]
    printed = {round(value.value, 2) for value in every if not value.id.startswith(("text/", "table5/"))}
    for quote in paper.quotes:
        free = [f.printed for f in quote.figures if f.is_ is None and round(f.printed, 2) not in printed]
        if not free:
            continue
        shown = listed([f"{figure:.2f}" for figure in free])
        echoes = list(dict.fromkeys(text for figure in free for text in _echoes(figure, compared)))
        yield Finding(
            id=f"figures_without_source/{quote.id}",
            section=quote.section,
            check="figures_without_source",
            grade="unsupported",
            printed=shown,
            implied=listed([f"no cell of {tables}", *echoes]),
            text=f"“{quote.text}”: {shown} {'is' if len(free) == 1 else 'are'} in none of "
            f"{tables}, nor in a confusion matrix or class metric"
            + (f" ({listed(echoes)})." if echoes else "."),
        )


def _echoes(figure: float, values: list[PrintedValue]) -> list[str]:
    """Where else a percentage, or what it leaves of 100, is printed."""
    found = []
    for value in values:
        if value.unit == "percent" and abs(value.value - figure) < LEAST:
            found.append(f"{value.source} repeats {figure:.2f}")
        elif value.unit == "percent" and abs(value.value + figure - 100) < LEAST:
            found.append(f"with the {value.value:.2f} of {value.source} it adds up to 100")
    return found


def directions(paper: Paper) -> Iterator[Finding]:
    """Each direction in a sentence (drops, increasing): do the numbers that it names go that way?"""
    for quote in paper.quotes:
        for number, change in enumerate(quote.changes):
            before, after = (_end(end, paper) for end in (change.from_, change.to))
            if before is None or after is None:
                continue
            way = "rises" if after > before else "falls" if after < before else "stays"
            yield Finding(
                id=f"directions/{quote.id}/{number}",
                section=quote.section,
                check="directions",
                grade="consistent" if (after - before) * change.sign > 0 else "contradiction",
                printed=change.word,
                implied=f"from {before:.2f} to {after:.2f}",
                text=f"“{quote.text}”: “{change.word}”; the printed number {way}, from {before:.2f} to {after:.2f}.",
            )


def superlatives(paper: Paper) -> Iterator[Finding]:
    """Each table: how often the full model is surpassed by another, column by column.

    Sections 4 and 4.2 to 4.4 say “superior performance across all metrics”, “highest”, “consistently”.
    """
    full = list(paper.variants)[-1] if paper.variants else ""
    for table in paper.tables.values():
        if full not in table.variants:
            continue
        found = {
            column: [
                (f"{variant}{where}", values[full], values[variant])
                for where, values in _cells(table, column)
                for variant in table.variants
                if variant != full
            ]
            for column in table.rates
        }
        yield _counted(
            table,
            "superlatives",
            found,
            section="4, 4.2 to 4.4",
            printed="the full model is the best of all variants",
            said="the full model is surpassed by another",
            unit="comparison",
        )


def progressive(paper: Paper) -> Iterator[Finding]:
    """Each table: does every added component improve on the variant before it (4.2, 4.3)?"""
    order = paper.components.rising if paper.components else []
    for table in paper.tables.values():
        if not set(order) <= set(table.variants) or len(order) < 2:
            continue
        found = {
            column: [
                (f"{one} to {other}{where}", values[other], values[one])
                for where, values in _cells(table, column)
                for one, other in pairwise(order)
            ]
            for column in table.rates
        }
        yield _counted(
            table,
            "progressive",
            found,
            section="4.2, 4.3",
            printed="progressive improvement as components are added",
            said="adding a component makes it worse",
            unit="step",
        )


Compared = tuple[str, float, float]  # where; the number that should be better; the one it is compared with


def _counted(
    table: PrintedTable,
    check: str,
    compared: Mapping[str, list[Compared]],
    *,
    section: str,
    printed: str,
    said: str,
    unit: str,
) -> Finding:
    """One finding about a table: in how many cells the number that should be better is worse."""
    worse = {
        column: [
            where
            for where, better, other in cells
            if (better < other if table.quantity == "accuracy" or column == "clean" else better > other)
        ]
        for column, cells in compared.items()
    }
    of = {column: len(cells) for column, cells in compared.items()}
    bad, cells, sentence = tally(table, said, worse, of, unit)
    return Finding(
        id=f"{check}/{table.id}",
        section=f"{section}, {table.name}",
        check=check,
        grade="contradiction" if bad else "consistent",
        printed=printed,
        implied=f"not so in {bad} of {cells} cells",
        text=sentence,
    )


def _cells(table: PrintedTable, column: str) -> Iterator[tuple[str, dict[str, float]]]:
    """A column's numbers by variant, with where they stand; a repeated column comes once."""
    for position in table.positions[:1] if column in table.repeated else table.positions:
        where = "" if column in table.repeated else f" at {table.position_text(position)}"
        yield where, {variant: table.row(variant, position)[column] for variant in table.variants}


def _meant(figure: StatedNumber, paper: Paper) -> float | None:
    """What stands where a figure is taken from, in its unit: a printed value, or the difference of two."""
    ids = (figure.is_,) if isinstance(figure.is_, str) else figure.is_ or ()
    found = [paper.values[id] for id in ids if id in paper.values]
    if not found or len(found) < len(ids):
        return None
    in_percent = found[0].unit == "share" and figure.unit == "percent"  # shares of a matrix are quoted so
    return (100 if in_percent else 1) * (found[0].value - sum(value.value for value in found[1:]))


def _printed(figure: StatedNumber) -> str:
    """The figure with the decimals that the sentence gives it."""
    return f"{figure.printed:.{figure.decimals}f}"


def _same(figure: StatedNumber, value: float) -> bool:
    return abs(figure.printed - value) <= 0.5 * 10.0**-figure.decimals + 1e-9


def _quantity(figure: StatedNumber, paper: Paper) -> str | None:
    found = paper.values.get(figure.is_) if isinstance(figure.is_, str) else None
    return found.address.quantity if found and found.address else None


def _end(end: str | float, paper: Paper) -> float | None:
    if not isinstance(end, str):
        return float(end)
    found = paper.values.get(end)
    return found.value if found else None
