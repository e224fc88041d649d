"""Who is one patient, read from the file names.

The archives say nothing of patients beyond the names of their files, and these can be read in more than one
way: whether `person1_virus_6` and `person1_bacteria_1` are one child, or `IM-0001` and `NORMAL2-IM-0001`, is
not known. Each reading is offered; what must not mix patients uses the strictest, which merges most.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

# OCT scans everywhere; chest films as Mendeley Data names them (BACTERIA, VIRUS, NORMAL)
NUMBERED = re.compile(r"(?P<kind>CNV|DME|DRUSEN|NORMAL|BACTERIA|VIRUS)-(?P<number>\d+)-\d+", re.IGNORECASE)
# chest films as Kaggle names them
PNEUMONIA = re.compile(r"person(?P<number>\d+)_(?P<kind>virus|bacteria)_\d+(_\d+)?", re.IGNORECASE)
NORMAL_FILM = re.compile(r"(?P<series>NORMAL\d*-)?IM-(?P<number>\d+)(-\d+)+", re.IGNORECASE)

UNKNOWN = "file:"  # begins the id of a file whose name says nothing of a patient: one patient a file


@dataclass(frozen=True)
class Reading:
    """One way of telling patients apart; `patient` takes a file's path or name to an id."""

    id: str
    description: str
    patient: Callable[[str], str]


def recognised(path: str) -> bool:
    """Whether the name follows one of the archives' patterns; if not, the file counts as one patient."""
    name = _name(path)
    return any(pattern.fullmatch(name) for pattern in (NUMBERED, PNEUMONIA, NORMAL_FILM))


def by_number(path: str) -> str:
    """`person<k>`, `IM-<k>`, `NORMAL2-IM-<k>`, or the number in `CNV-<number>-<n>` whatever the class."""
    name = _name(path)
    if found := PNEUMONIA.fullmatch(name):
        return f"person{found['number']}"
    if found := NORMAL_FILM.fullmatch(name):
        return f"{(found['series'] or '').upper()}IM-{found['number']}"
    if found := NUMBERED.fullmatch(name):
        return found["number"]
    return UNKNOWN + path  # not the bare name: in another folder it is another file


def by_kind(path: str) -> str:
    """As `by_number`, but virus and bacteria of one number are two, and so are two classes."""
    name = _name(path)
    if found := PNEUMONIA.fullmatch(name):
        return f"person{found['number']}_{found['kind'].lower()}"
    if found := NUMBERED.fullmatch(name):
        return f"{found['kind'].upper()}-{found['number']}"
    return by_number(path)


def strictest(path: str) -> str:
    """As `by_number`, but `IM-<k>` and `NORMAL2-IM-<k>` are one; no reading puts more files together."""
    name = _name(path)
    if found := NORMAL_FILM.fullmatch(name):
        return f"IM-{found['number']}"
    return by_number(path)


READINGS = {
    reading.id: reading
    for reading in (
        Reading("number", "one patient is one person<k>, IM-<k>, NORMAL2-IM-<k> or OCT number", by_number),
        Reading("kind", "the same, with virus and bacteria, or two OCT classes, as two patients", by_kind),
        Reading("strictest", "the same as number, with IM-<k> and NORMAL2-IM-<k> as one patient", strictest),
    )
}


def _name(path: str) -> str:
    return path.rpartition("/")[2].rsplit(".", 1)[0]  # pathlib is six times as slow on 90,000 paths
