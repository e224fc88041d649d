"""Can the printed percentages be k of n images? The GRIM test (Brown and Heathers 2017), for accuracies.

A share of n images has n + 1 possible values. With two decimals and n below 10,000, most percentages are none
of them, so a column of percentages tells the size of the test set that it was computed on.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from meddef_lib.paper.audit.finding import Finding, counted, listed, model
from meddef_lib.paper.printed_tables import PrintedTable, TableCell
from meddef_lib.paper.published import Paper

LARGEST = 2  # sizes are searched from half the stated one up to this many times it
CHANCE = 0.05  # sizes that may be expected to fit by chance where one that fits is taken for the real one
RUNS = range(2, 6)  # a mean over r runs on n images is some k of r * n


def counts_fitting(printed: float, decimals: int, n: int) -> range:
    """The numbers of images k, 0 <= k <= n, for which 100 k / n is printed so, rounded half up or half even.

    Exact: a tie counts where one of the two ways of rounding gives the printed number.
    """
    # in units of the last printed digit, k stands for 100 * 10^decimals * k / n = units * k / n
    units = 100 * 10**decimals
    value = round(printed * 10**decimals)
    low = ceil_divide((2 * value - 1) * n, 2 * units)  # ties below round up to it
    high = (2 * value + 1) * n // (2 * units)
    upper_tie = (2 * value + 1) * n == 2 * units * high
    if upper_tie and value % 2:  # an odd last digit is not what a tie above rounds down to
        high -= 1
    return range(max(low, 0), min(high, n) + 1)


def ceil_divide(numerator: int, denominator: int) -> int:
    """Exact integer ceiling of a quotient."""
    return -(-numerator // denominator)


def fits(printed: float, decimals: int, n: int) -> bool:
    """Whether some k of n images is printed so."""
    return bool(counts_fitting(printed, decimals, n))


def sizes_fitting(printed: Iterable[float], decimals: int, sizes: Iterable[int]) -> list[int]:
    """The sizes n for which every one of the percentages is some k of n."""
    values = list(dict.fromkeys(printed))
    return [n for n in sizes if all(fits(value, decimals, n) for value in values)]


def best_sizes(printed: Sequence[float], decimals: int, sizes: Iterable[int]) -> tuple[int, list[int]]:
    """The most percentages that one size fits, and the sizes that fit so many."""
    scores = {n: sum(fits(value, decimals, n) for value in printed) for n in sizes}
    most = max(scores.values())
    return most, [n for n, score in scores.items() if score == most]


def sizes_by_chance(printed: Iterable[float], decimals: int, sizes: Iterable[int]) -> float:
    """How many of the sizes one expects to fit as many percentages drawn at random (0 and 100 fit all)."""
    units = 100 * 10**decimals
    informative = len({value for value in printed if 0 < value < 100})
    return sum(min(1.0, n / units) ** informative for n in sizes)


# --- checks ---------------------------------------------------------------------------------------


def percentages_of_stated_size(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table: are its percentages k of the stated test images, model by model?

    An accuracy is a share of the images. A mean over batches of which the last is smaller would not be one,
    and has finer steps.
    """
    for table in paper.tables_of("accuracy"):
        of = _by_variant(table)
        wrong = {
            name: [cell for cell in own if not _fits(table, cell.printed, table.n)]
            for name, own in of.items()
        }
        bad, cells = sum(map(len, wrong.values())), sum(map(len, of.values()))
        by_model = ", ".join(f"{variant} {len(wrong[variant])} of {len(own)}" for variant, own in of.items())
        shown = [cell for own in (wrong if bad else of).values() for cell in own]
        yield Finding(
            id=f"granularity/{table.id}",
            section=table.section,
            check="percentage_of_stated_size",
            grade="impossible" if bad else "consistent",
            printed=_shown(shown, table),
            implied=f"shares of the {table.n:,} test images of {table.n_source.split(':')[0]}",
            text=f"{table.name}: {bad} of {counted(cells, 'percentage')} cannot be k/{table.n}, rounded half "
            f"up or half to even ({by_model}).",
        )


def one_size_for_a_model(paper: Paper) -> Iterator[Finding]:
    """Each model of an accuracy table: is there any size that all its percentages are shares of?

    Averages over batches of one size are shares of a size in the range too; averages over runs are looked for.
    """
    for table in paper.tables_of("accuracy"):
        for variant, cells in _by_variant(table).items():
            printed = [cell.printed for cell in cells]
            sizes = sizes_fitting(printed, table.decimals, _sizes(table))
            means = sizes_fitting(printed, table.decimals, [table.n * runs for runs in RUNS])
            stated = table.n in sizes
            yield Finding(
                id=f"model_size/{table.id}/{variant}",
                section=table.section,
                check="one_size_for_a_model",
                grade="consistent"
                if stated
                else "contradiction"
                if sizes and sizes_by_chance(printed, table.decimals, _sizes(table)) < CHANCE
                else "unusual"
                if sizes or means
                else "impossible",
                printed=_shown(cells, table),
                implied=f"n = {sizes[0]:,}" if sizes else "no n",
                text=f"{model(paper, table, variant)}: " + _size_sentence(table, printed, sizes, means),
            )


def _size_sentence(table: PrintedTable, printed: list[float], sizes: list[int], means: list[int]) -> str:
    its = f"its {counted(len(set(printed)), 'different percentage')}"
    searched = f"from {_sizes(table)[0]:,} to {_sizes(table)[-1]:,}"
    if table.n in sizes:
        return f"{its} are all shares of {table.n:,} images, as stated."
    if sizes:
        which = listed([f"{n:,}" for n in sizes])
        return f"{its} are all shares of {which} images, and of no other number {searched}; {table.n:,} is stated."
    if means:
        runs = means[0] // table.n
        values = sorted({value for value in printed if not _fits(table, value, table.n)})
        shown = listed([f"{value:.{table.decimals}f}" for value in values])
        return (
            f"no number of images {searched} gives all of {its}. {shown} {'is' if len(values) == 1 else 'are'} no "
            f"share of {table.n}; a mean of {runs} runs on {table.n} could be."
        )
    most, best = best_sizes(printed, table.decimals, _sizes(table))
    return (
        f"no number of images {searched} gives all of {its}, nor do means of {RUNS[0]} to {RUNS[-1]} runs "
        f"on {table.n:,}; the best, {best[0]:,}, gives {most} of {len(printed)}."
    )


def size_of_a_table(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table, and each of its columns: which size fits most percentages?"""
    for table in paper.tables_of("accuracy"):
        cells = list(table.percentages())
        stated = sum(_fits(table, cell.printed, table.n) for cell in cells)
        most, best = _best(table, cells)
        columns = []
        for column in table.rates:
            of_column = [cell for cell in cells if cell.column == column]
            share, sizes = _best(table, of_column)
            own = table.n if table.n in sizes else sizes[0]
            columns.append(f"{column} {own:,} ({share} of {len(of_column)})")
        yield Finding(
            id=f"table_size/{table.id}",
            section=table.section,
            check="size_of_a_table",
            grade="consistent"
            if table.n in best
            else "contradiction"
            if len(best) == 1 and 2 * most > len(cells)
            else "unusual",
            printed=f"{len(cells)} percentages, {table.n:,} test images stated",
            implied=f"n = {best[0]:,}",
            text=(
                f"{table.name}: of all numbers of images from {_sizes(table)[0]:,} to {_sizes(table)[-1]:,}, "
                f"{best[0]:,} explains "
                f"the most percentages, {most} of {len(cells)}; the stated {table.n:,} explains {stated}. "
                f"The best by column: {'; '.join(columns)}."
            ),
        )


def rows_of_two_sizes(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table: rows in which some cells fit only the stated size and others only the best one."""
    for table in paper.tables_of("accuracy"):
        best = _best(table, list(table.percentages()))[1]
        if table.n in best:
            continue
        mixed = [
            f"{variant} at {table.position_text(position)}: {one} is a share of {table.n} only, "
            f"{other} of {best[0]} only"
            for variant in table.variants
            for position in table.positions
            for one in _only(table, variant, position, table.n, best[0])[:1]
            for other in _only(table, variant, position, best[0], table.n)[:1]
        ]
        if mixed:
            rows = counted(len(mixed), "row")
            yield Finding(
                id=f"two_sizes/{table.id}",
                section=table.section,
                check="rows_of_two_sizes",
                grade="contradiction",
                printed=mixed[0],
                implied=f"{rows} with numbers of {table.n:,} and of {best[0]:,} images",
                text=(
                    f"{table.name}: {rows} cannot come from one test set of either size: "
                    f"{'; '.join(mixed[:3])}."
                ),
            )


def _only(table: PrintedTable, variant: str, position: float, n: int, other: int) -> list[str]:
    """The percentages of a row that are some k of n, but no k of another size."""
    return [
        f"{column} {printed:.{table.decimals}f}"
        for column, printed in table.row(variant, position).items()
        if column in table.rates and _fits(table, printed, n) and not _fits(table, printed, other)
    ]


def quoted_percentages(paper: Paper) -> Iterator[Finding]:
    """Percentages of the text that no table has: are they k of the stated test images?"""
    for id, extra in paper.extras.items():
        if extra.unit != "percent" or extra.n is None or extra.decimals < 2:
            continue
        good = fits(extra.printed, extra.decimals, extra.n)
        best = best_of_tables(paper, extra.address.dataset if extra.address else "")
        others = [n for n in best if n != extra.n and fits(extra.printed, extra.decimals, n)]
        printed = f"{extra.printed:.{extra.decimals}f} %"
        yield Finding(
            id=f"granularity/{id}",
            section=extra.section,
            check="percentage_of_stated_size",
            grade="consistent" if good else "impossible",
            printed=printed,
            implied=f"a share of {extra.n:,} test images",
            text=f"{printed} {'is some' if good else 'cannot be'} k/{extra.n}"
            + (f"; it is some k/{others[0]}, the size that the data set's table fits." if others else "."),
        )


def best_of_tables(paper: Paper, dataset: str) -> list[int]:
    """The size that explains most of each accuracy table of a data set."""
    return [
        _best(table, list(table.percentages()))[1][0]
        for table in paper.tables_of("accuracy")
        if table.dataset == dataset
    ]


def differences_of_few_images(paper: Paper) -> Iterator[Finding]:
    """Each table with clean accuracies: which differences are too few images to be told from chance?

    Two models that differ by k images in accuracy differ on at least k images, so the smallest p-value that
    McNemar's exact test can give is 2^(1 - k): above 5 % for fewer than six images.
    """
    for table in paper.tables_of("accuracy"):
        known = {name: value for name in table.variants if (value := table.clean(name)) is not None}
        size = max(table.n, *best_of_tables(paper, table.dataset))  # of two, the one with more images
        apart = {
            f"{one} and {other}": round(abs(known[one] - known[other]) * size / 100)
            for one, other in combinations(known, 2)
        }
        if not apart:
            continue
        close = [f"{pair}: {images}" for pair, images in apart.items() if 2.0 ** (1 - images) > 0.05]
        share = f"{len(close)} of {counted(len(apart), 'pair')}"
        yield Finding(
            id=f"few_images/{table.id}",
            section=table.section,
            check="differences_of_few_images",
            grade="unsupported" if close else "consistent",
            printed=f"clean accuracies of {counted(len(known), 'model')}",
            implied=f"{share} differ by fewer than 6 of {size:,} images",
            text=(
                f"{table.name}, clean accuracy: {share} of models differ by fewer than six of {size:,} images, which "
                f"McNemar's exact test cannot tell from chance at the 5 % level"
                + (f" ({listed(close, 3)})." if close else ".")
            ),
        )


# --- helpers of this module -----------------------------------------------------------------------


def _by_variant(table: PrintedTable) -> dict[str, list[TableCell]]:
    return {name: [cell for cell in table.percentages() if cell.variant == name] for name in table.variants}


def _fits(table: PrintedTable, printed: float, n: int) -> bool:
    return fits(printed, table.decimals, n)


def _best(table: PrintedTable, cells: Sequence[TableCell]) -> tuple[int, list[int]]:
    return best_sizes([cell.printed for cell in cells], table.decimals, _sizes(table))


def _sizes(table: PrintedTable) -> range:
    # below half the stated size, few distinct percentages fit by chance and nothing follows
    return range(table.n // 2, LARGEST * table.n + 1)


def _shown(cells: Sequence[TableCell], table: PrintedTable) -> str:
    return listed(list(dict.fromkeys(f"{cell.printed:.{table.decimals}f}" for cell in cells)))
