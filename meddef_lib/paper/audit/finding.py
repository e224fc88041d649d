"""A finding: one check at one place, with the cells it looked at counted inside."""

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
    check: str = ""  # the name of its check, which `audit` fills in
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
