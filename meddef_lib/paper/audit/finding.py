"""A finding: one check at one place, with the cells it looked at counted inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from meddef_lib.paper.printed_tables import PrintedTable
from meddef_lib.paper.published import Paper

Grade = Literal["impossible", "contradiction", "unusual", "ambiguous", "unsupported", "consistent"]

GRADES: dict[Grade, str] = {
    "impossible": "no experiment as described can give this number, under the reading that is named",
    "contradiction": "two places of the paper cannot both be right",
    "unusual": "possible, but not what the method or the literature leads one to expect",
    "ambiguous": "can be read in several ways, and the reading matters",
    "unsupported": "nothing that is printed bears it out",
    "consistent": "fits",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found at a place: what is printed there, what follows, and what that amounts to."""

    id: str
    section: str
    check: str
    grade: Grade
    printed: str
    implied: str
    text: str


def listed(items: list[str], most: int = 6) -> str:
    """Items in a sentence, the rest of a long list as a number."""
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def counted(number: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def model(paper: Paper, table: PrintedTable, variant: str) -> str:
    """`Table 1, ResNet18`."""
    return f"{table.name}, {paper.variants.get(variant, variant)}"


def tally(
    table: PrintedTable, said: str, places: Mapping[str, list[str]], of: Mapping[str, int], unit: str
) -> tuple[int, int, str]:
    """In how many of a table's cells something is so, of how many, and the sentence that counts them by column.

    `places` are where it is so, `of` how many cells there are, both by column.
    """
    bad, cells = sum(map(len, places.values())), sum(of.values())
    by_column = ", ".join(f"{column} {len(where)} of {of[column]}" for column, where in places.items())
    examples = [f"{column}: {where[0]}" for column, where in places.items() if where]
    such_as = f", such as {'; '.join(examples)}" if examples else ""
    return bad, cells, f"{table.name}: {said} in {bad} of {counted(cells, unit)} ({by_column}){such_as}."
