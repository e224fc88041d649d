"""Sentences against the tables that they speak of: figures, directions, superlatives and quantifiers.

Each sentence is one finding, of the gravest grade that any part of it has.
"""

from collections.abc import Iterator

from meddef_lib.paper.audit.finding import GRADES, Finding, Grade, counted, listed
from meddef_lib.paper.audit.shares import counts_fitting, grade_of, sizes_of
from meddef_lib.paper.claims import comparisons
from meddef_lib.paper.conclusions import decide
from meddef_lib.paper.published import Paper
from meddef_lib.paper.statements import Quote, StatedNumber

LEAST = 0.005  # two percentages with two decimals are the same below this
Remark = tuple[Grade, str]  # of a sentence: what it amounts to, and what is to be said


def quoted_figures(paper: Paper) -> Iterator[Finding]:
    """Each sentence: do its figures, directions and quantifiers follow from what is printed?"""
    for quote in paper.quotes:
        parts = [
            *_figures(quote, paper),
            *_without_source(quote, paper),
            *_shares(quote, paper),
            *_directions(quote, paper),
            *_tested(quote, paper),
            *(("unsupported", f"nothing printed gives {listed(list(quote.lacks))}") for _ in quote.lacks[:1]),
        ]
        grade: Grade = min((grade for grade, _ in parts), key=list(GRADES).index, default="consistent")
        compared = [figure for figure in quote.figures if figure.is_ is not None]
        said = [text for _, text in parts]
        agreed = []
        if compared and not list(_figures(quote, paper)):
            agreed.append(f"{counted(len(compared), 'figure')} as in the tables")
        about = f" ({quote.about})" if quote.about else ""
        yield Finding(
            id=f"quoted_figures/{quote.id}",
            section=quote.section,
            grade=grade,
            printed=", ".join(map(_printed, quote.figures)) or quote.text,
            implied=listed([text for part, text in parts if part == grade], 2) or "the same in the tables",
            text=f"“{quote.text}”{about}: {'; '.join([*agreed, *said]) or 'as in the tables'}.",
        )


def _figures(quote: Quote, paper: Paper) -> Iterator[Remark]:
    """Figures that are not what stands in the cells that they name, or are called what those are not."""
    for figure in quote.figures:
        value = _meant(figure, paper)
        rounded = 0.5 * 10.0**-figure.decimals + 1e-9
        if value is not None and abs(figure.printed - value) > rounded:
            yield "contradiction", f"{_printed(figure)} is quoted where {value:.2f} stands"
        found = paper.values.get(figure.is_) if isinstance(figure.is_, str) else None
        if figure.called and found and found.address and found.address.quantity != figure.called:
            called, prints = figure.called.replace("_", " "), found.address.quantity.replace("_", " ")
            yield "contradiction", f"{_printed(figure)} is called {called}; the table prints it as {prints}"


def _without_source(quote: Quote, paper: Paper) -> Iterator[Remark]:
    """Figures that no table of rates, matrix or class metric has, with what repeats or completes them."""
    every = list(paper.values.values())
    tables = {round(value.value, 2) for value in every if not value.id.startswith(("text/", "table5/"))}
    compared = [value for value in every if value.id.startswith("table5/") and value.unit == "percent"]
    free = [f for f in quote.figures if f.is_ is None and round(f.printed, 2) not in tables]
    if not free:
        return
    echoes = []
    for figure in free:
        for value in compared:
            if abs(value.value - figure.printed) < LEAST:
                echoes.append(f"{value.source} repeats {_printed(figure)}")
            elif abs(value.value + figure.printed - 100) < LEAST:
                echoes.append(f"with the {value.value:.2f} of {value.source} it adds up to 100")
    names = ", ".join(table.name for table in paper.tables.values())
    shown = listed(list(map(_printed, free)))
    also = f" ({listed(list(dict.fromkeys(echoes)))})" if echoes else ""
    verb = "is" if len(free) == 1 else "are"
    yield "unsupported", f"{shown} {verb} in none of {names}, nor in a confusion matrix or class metric{also}"


def _shares(quote: Quote, paper: Paper) -> Iterator[Remark]:
    """Figures against the test images that they would be shares of, all of them or those classified correctly."""
    for figure in quote.figures:
        table = next((table for table in paper.tables_of("accuracy") if table.n == figure.n), None)
        sizes = table and sizes_of(table)
        if not table or not sizes or figure.n is None:
            continue
        sets = [figure.n, *([sizes.other] if sizes.other else [])]
        of = {n: counts_fitting(figure.printed, figure.decimals, n) for n in sets}
        fits = [f"{of[n][0]:,} of {n:,}" for n in sets if of[n]]
        others = [f"{n:,} ({of[n][0]:,} of them)" for n in sets[1:] if of[n]]
        grade = grade_of(table, sizes, [figure.printed])
        if grade != "consistent":
            but = f", but of {others[0]}" if others else ""
            yield grade, f"{_printed(figure)} % is no share of {figure.n:,} images{but}"
        clean = paper.values.get(figure.of or "")
        if clean is not None:
            right = [k for n in sets for k in counts_fitting(clean.value, clean.decimals, n)]
            if not any(counts_fitting(figure.printed, figure.decimals, k) for k in right):
                yield (
                    "unsupported",
                    f"{_printed(figure)} % is {' or '.join(fits) or 'no share'} of all images, and no share of the "
                    f"{' or '.join(f'{k:,}' for k in right)} that {clean.value:.2f} % are right on",
                )


def _directions(quote: Quote, paper: Paper) -> Iterator[Remark]:
    """Words such as drops or increasing, where the numbers that they are said of do not go that way."""
    for change in quote.changes:
        before, after = (
            paper.values[end].value if isinstance(end, str) else end for end in (change.from_, change.to)
        )
        if (after - before) * change.sign <= 0:
            way = "rises" if after > before else "falls" if after < before else "stays"
            yield (
                "contradiction",
                f"“{change.word}” is said of a number that {way}, from {before:.2f} to {after:.2f}",
            )


def _tested(quote: Quote, paper: Paper) -> Iterator[Remark]:
    """Superlatives and quantifiers: how many of the comparisons that they stand for go the other way.

    Where each of these is so few images apart that no test would tell, they contradict nothing.
    """
    for test in quote.tests:
        decided, _ = decide(comparisons(test), paper)
        against = [one for one in decided if one.decision != "for"]
        if against:
            alone = all(one.decision == "undecided" for one in against)
            go = "goes" if len(against) == 1 else "go"
            yield (
                "unsupported" if alone else "contradiction",
                f"{len(against)} of {counted(len(decided), 'comparison')} {go} the other way"
                f"{', by no more than noise' if alone else ''} ({against[0].comparison.text}: {against[0].detail})",
            )


def _meant(figure: StatedNumber, paper: Paper) -> float | None:
    """What stands where a figure is taken from, in its unit: a printed value, or the difference of two."""
    ids = (figure.is_,) if isinstance(figure.is_, str) else figure.is_ or ()
    found = [paper.values[id] for id in ids]
    if not found:
        return None
    in_percent = found[0].unit == "share" and figure.unit == "percent"  # shares of a matrix are quoted so
    return (100 if in_percent else 1) * (found[0].value - sum(value.value for value in found[1:]))


def _printed(figure: StatedNumber) -> str:
    """The figure with the decimals that the sentence gives it."""
    return f"{figure.printed:.{figure.decimals}f}"
