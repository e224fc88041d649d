"""Can the printed accuracies be those of the stated test images?"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from meddef_lib.paper.audit.finding import Finding, Grade, counted, listed, model
from meddef_lib.paper.audit.shares import PercentageOf, Sizes, fitting, grade_of, sizes_fitting, sizes_of
from meddef_lib.paper.printed_tables import PrintedTable, TableCell
from meddef_lib.paper.published import Paper

TELLING = 0.5  # of any percentages may be shares of a size for it to be searched


def percentages_of_stated_size(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table: are its percentages k of the stated test images, model by model?"""
    for table, sizes in _sized(paper):
        of = _by_variant(table)
        wrong = {
            name: [cell for cell in own if not sizes.stated.fits(cell.printed, table.decimals)]
            for name, own in of.items()
        }
        cells = [cell for own in of.values() for cell in own]
        bad = sum(map(len, wrong.values()))
        by_model = ", ".join(f"{variant} {len(wrong[variant])} of {len(own)}" for variant, own in of.items())
        chance = sizes.stated.chance(table.decimals)
        what = f"k/{table.n}, rounded half up or half to even"
        if sizes.stated.runs > 1:
            what = f"{sizes.stated.text}, each rounded before averaging or not"
        yield Finding(
            id=f"granularity/{table.id}",
            section=table.section,
            check="percentage_of_stated_size",
            grade=grade_of(table, sizes, [cell.printed for cell in cells]),
            printed=_shown([cell for own in (wrong if bad else of).values() for cell in own], table),
            implied=f"{sizes.stated.text}, the test images of {table.n_source.split(':')[0] or 'the table'}",
            text=f"{table.name}: {bad} of {counted(len(cells), 'percentage')} cannot be {what} ({by_model}); "
            f"of percentages drawn at random {_percent(1 - chance)} could not."
            + _readings(paper, table, sizes, cells),
        )


def _readings(paper: Paper, table: PrintedTable, sizes: Sizes, cells: list[TableCell]) -> str:
    """How many percentages fit each other reading, and how many of any percentages would."""
    printed = [cell.printed for cell in cells]
    if sizes.stated.fits(printed, table.decimals).all():
        return ""
    others = [PercentageOf(images=sizes.other)] if sizes.other else []
    facts = paper.datasets.get(table.dataset)
    if facts and facts.batch_size and table.n and table.n % facts.batch_size:
        others.append(PercentageOf(images=table.n, batch=facts.batch_size))
    others += sizes.unsaid
    said = "; ".join(
        f"as {other.text}, {other.fits(printed, table.decimals).sum()} of {len(cells)} "
        f"({_percent(other.chance(table.decimals))} at random)"
        for other in others
    )
    return f" Read otherwise, these can be right: {said}." if said else ""


def one_size_for_a_model(paper: Paper) -> Iterator[Finding]:
    """Each model of an accuracy table: are all its percentages shares of the stated images, or of any others?"""
    for table, sizes in _sized(paper):
        for variant, cells in _by_variant(table).items():
            values = list(dict.fromkeys(cell.printed for cell in cells))
            grade = grade_of(table, sizes, values)
            own = int(sizes.stated.fits(values, table.decimals).sum())
            its = f"of its {counted(len(values), 'different percentage')}"
            of = f"{its}, {own} can be {sizes.stated.text}, as stated"
            implied, said = f"n = {sizes.stated.images:,}", f"all {its} can be {sizes.stated.text}, as stated"
            if grade == "contradiction" and sizes.other:
                shares = int(fitting(values, table.decimals, [sizes.other]).sum())
                beside = f" beside {sizes.stated.images:,}" if shares < len(values) else ""
                implied = f"n = {sizes.other:,}{beside}"
                said = f"{of}, and {shares} {PercentageOf(images=sizes.other).text}, the number that {table.name} fits best"
                said += "; each is one or the other" if beside else ""
            elif grade == "ambiguous" and sizes.means:
                implied = sizes.means.text
                said = (
                    f"{of}; all can be {implied}, as {_percent(sizes.means.chance(table.decimals))} of any percentages "
                    f"can; of runs nothing is said, and in {sizes.means.runs} runs so many shares of {table.n:,} have a chance of {sizes.chance:.2g}"
                )
            elif grade == "impossible":
                implied, said = "no size of a test set fits", f"{of}; {_no_size(table, sizes, values)}"
            yield Finding(
                id=f"model_size/{table.id}/{variant}",
                section=table.section,
                grade=grade,
                printed=_shown(cells, table),
                implied=implied,
                text=f"{model(paper, table, variant)}: {said}.",
            )


def _no_size(table: PrintedTable, sizes: Sizes, values: list[float]) -> str:
    scores = fitting(values, table.decimals, sizes.span).sum(0)
    best = sizes.span[int(scores.argmax())]
    alone = sizes_fitting(values, table.decimals, sizes.span)
    runs = " or ".join(str(means.runs) for means in sizes.unsaid)
    means = f", nor can they be means of {runs} runs on {table.n:,}" if runs else ""
    gives = f"the best, {best:,}, gives {scores.max()} of {len(values)}"
    which = "no number of images" if not alone else f"only {listed([f'{n:,}' for n in alone], 3)}"
    return f"{which} from {sizes.span[0]:,} to {sizes.span[-1]:,} gives all{means}; {gives}"


def size_of_a_table(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table, and each of its columns: which size fits most percentages?

    Nothing follows where most percentages would fit the stated size anyway.
    """
    for table, sizes in _sized(paper):
        if sizes.stated.chance(table.decimals) > TELLING:
            continue
        cells = list(table.percentages())
        fits = sizes.stated.fits([cell.printed for cell in cells], table.decimals)
        fine = bool(fits.all()) or table.n in sizes.best
        best = sizes.stated.images if fine else sizes.best[0]
        ties = [n for n in sizes.best if n != best]
        also = f" (as many as {listed([f'{n:,}' for n in ties], 3)})" if ties else ""
        by_chance = (
            f"; of random percentages one expects {sizes.chance:.0e} such sizes" if sizes.other else ""
        )
        columns = [_best_of_column(table, sizes, column, cells) for column in table.rates]
        explained: Grade = "contradiction" if sizes.other else "ambiguous" if sizes.means else "unusual"
        yield Finding(
            id=f"table_size/{table.id}",
            section=table.section,
            grade="consistent" if fine else explained,
            printed=f"{len(cells)} percentages, {table.n:,} test images stated",
            implied=f"n = {best:,}",
            text=(
                f"{table.name}: of all numbers of images from {sizes.span[0]:,} to {sizes.span[-1]:,}, {sizes.best[0]:,} "
                f"explains the most percentages, {sizes.most} of {len(cells)}{also if best == sizes.best[0] else ''}; "
                f"{sizes.stated.text}, as stated, explain {fits.sum()}{by_chance}. The best by column: {'; '.join(columns)}."
            ),
        )


def _best_of_column(table: PrintedTable, sizes: Sizes, column: str, cells: list[TableCell]) -> str:
    printed = [cell.printed for cell in cells if cell.column == column]
    scores = fitting(printed, table.decimals, sizes.span).sum(0)
    most, first = scores.max(), sizes.span[int(scores.argmax())]
    known = [n for n in (sizes.stated.images, sizes.other) if n and scores[n - sizes.span[0]] == most]
    best = known[0] if known else first
    return f"{column} {best:,} ({most} of {len(printed)})"


def rows_of_two_sizes(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table that fits another size: rows in which cells fit only the stated one and only that one."""
    for table, sizes in _sized(paper):
        if sizes.other is None:
            continue
        stated, best = sizes.stated, PercentageOf(images=sizes.other)
        mixed = [
            f"{variant} at {table.place(position)}: {one} is a share of {sizes.stated.images:,} only, "
            f"{other} of {sizes.other:,} only"
            for variant in table.variants
            for position in table.positions
            for one in _only(table, variant, position, stated, best)[:1]
            for other in _only(table, variant, position, best, stated)[:1]
        ]
        if mixed:
            rows = counted(len(mixed), "row")
            yield Finding(
                id=f"two_sizes/{table.id}",
                section=table.section,
                grade="contradiction",
                printed=mixed[0],
                implied=f"{rows} with numbers of {table.n:,} and of {sizes.other:,} images",
                text=f"{table.name}: {rows} cannot come from one test set of either size: {'; '.join(mixed[:3])}.",
            )


def _only(
    table: PrintedTable, variant: str, position: float, one: PercentageOf, other: PercentageOf
) -> list[str]:
    """The percentages of a row that fit one reading and not another."""
    return [
        f"{column} {printed:.{table.decimals}f}"
        for column, printed in table.row(variant, position).items()
        if column in table.rates
        and one.fits(printed, table.decimals)
        and not other.fits(printed, table.decimals)
    ]


def differences_of_few_images(paper: Paper) -> Iterator[Finding]:
    """Each table with clean accuracies: which differences are too few images to be told from chance?

    Two models that differ by k images in accuracy differ on at least k images, so the smallest p-value that
    McNemar's exact test can give is 2^(1 - k): above 5 % for fewer than six images.
    """
    for table, sizes in _sized(paper):
        known = {name: value for name in table.variants if (value := table.clean(name)) is not None}
        size = max(sizes.stated.images, sizes.other or 0)  # of two, the one with more images
        apart = {
            f"{one} and {other}": round(abs(known[one] - known[other]) * size / 100)
            for one, other in combinations(known, 2)
        }
        if not apart or sizes.stated.runs > 1:  # a mean over runs is no count of images
            continue
        close = [f"{pair}: {images}" for pair, images in apart.items() if 2.0 ** (1 - images) > 0.05]
        share = f"{len(close)} of {counted(len(apart), 'pair')}"
        yield Finding(
            id=f"few_images/{table.id}",
            section=table.section,
            grade="unsupported" if close else "consistent",
            printed=f"clean accuracies of {counted(len(known), 'model')}",
            implied=f"{share} differ by fewer than 6 of {size:,} images",
            text=(
                f"{table.name}, clean accuracy: {share} of models differ by fewer than six of {size:,} images, which "
                f"McNemar's exact test cannot tell from chance at the 5 % level"
                + (f" ({listed(close, 3)})." if close else ".")
            ),
        )


def _sized(paper: Paper) -> Iterator[tuple[PrintedTable, Sizes]]:
    for table in paper.tables_of("accuracy"):
        if (sizes := sizes_of(table)) is not None:
            yield table, sizes


def _by_variant(table: PrintedTable) -> dict[str, list[TableCell]]:
    found: dict[str, list[TableCell]] = {}
    for cell in table.percentages():
        found.setdefault(cell.variant, []).append(cell)
    return found


def _shown(cells: Sequence[TableCell], table: PrintedTable) -> str:
    return listed(list(dict.fromkeys(f"{cell.printed:.{table.decimals}f}" for cell in cells)))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
