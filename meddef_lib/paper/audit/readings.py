"""What a column of numbers is: accuracy, as its table says, or a success rate."""

from collections.abc import Iterator
from itertools import combinations, product

from meddef_lib.paper.audit.finding import Finding
from meddef_lib.paper.audit.orders import FAR_APART, about_a_table, bounded
from meddef_lib.paper.published import Paper

LITTLE = 0.5  # points that random starts may make


def readings_of_a_column(paper: Paper) -> Iterator[Finding]:
    """Each accuracy table, and each iterative attack with a twin: is its column accuracy, or a success rate?

    As an accuracy, a number is at most that of the single step and of clean images, and near that of the twin with
    the same steps; as a success rate, what it leaves of the clean accuracy is.
    """
    for table in paper.tables_of("accuracy"):
        for name, twin in combinations(bounded(paper, table, iterative=True), 2):
            bases = bounded(paper, table, iterative=False)
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
            yield about_a_table(
                table,
                "readings_of_a_column",
                name,
                bad=cells - max(map(len, good.values())),
                of=cells,
                text=f"cells in which {name} is at least as strong as {bases[0]}, within {FAR_APART:.0f} points of {twin} and "
                f"not above clean images: {shown}; each model read as suits it better, {mixed}"
                + ("." if throughout else "; no reading holds throughout."),
                implied=f"one reading of {name} for every row",
            )
