"""Who is one patient, read from the file names.

The archives say nothing of patients beyond the names of their files, and these can be read in more than one
way: whether `person1_virus_6` and `person1_bacteria_1` are one child, or `IM-0001` and `NORMAL2-IM-0001`, is
not known. Each reading is offered; what must not mix patients uses the strictest, which merges most.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

# OCT scans everywhere; chest films as Mendeley Data names them (BACTERIA, VIRUS, NORMAL)
NUMBERED = re.compile(r"(?P<kind>CNV|DME|DRUSEN|NORMAL|BACTERIA|VIRUS)-(?P<number>\d+)-\d+", re.IGNORECASE)
# chest films as Kaggle names them
PNEUMONIA = re.compile(r"person(?P<number>\d+)_(?P<kind>virus|bacteria)_\d+(_\d+)?", re.IGNORECASE)
NORMAL_FILM = re.compile(r"(?P<series>NORMAL\d*-)?IM-(?P<number>\d+)(-\d+)+", re.IGNORECASE)

UNKNOWN = "file:"  # begins the id of a file whose name says nothing of a patient: one patient a file


@dataclass(frozen=True)
class Naming:
    """How the files of a data set are named after patients, and the ways in which that can be read.

    Each of `readings` takes a file's path or name to the id of a patient; `finest` tells most patients apart,
    `strictest` merges most of them.
    """

    readings: Mapping[str, Callable[[str], str]]
    finest: str
    strictest: str

    def patient(self, path: str) -> str:
        """The patient of a file by the strictest reading; `unknown` where its name says nothing."""
        return self.readings[self.strictest](path)


def naming(rule: str) -> Naming:
    """The naming that a data set's `patients` names: none, kermany, or a regular expression for names."""
    if rule == "kermany":
        readings: dict[str, Callable[[str], str]] = {
            "number": _kermany,
            "kind": partial(_kermany, kinds=True),
            "strictest": partial(_kermany, series=False),
        }
        return Naming(readings, finest="kind", strictest="strictest")
    if rule == "none":
        return Naming({"file": unknown}, finest="file", strictest="file")

    def by_name(path: str) -> str:
        found = re.fullmatch(rule, _name(path))
        return found["patient"] if found else unknown(path)

    return Naming({"name": by_name}, finest="name", strictest="name")


def descriptions(rule: str) -> dict[str, str]:
    """Each reading of a naming in words."""
    words = {
        "number": "one patient is one person<k>, IM-<k>, NORMAL2-IM-<k> or OCT number",
        "kind": "the same, with virus and bacteria, or two OCT classes, as two patients",
        "strictest": "the same as number, with IM-<k> and NORMAL2-IM-<k> as one patient",
        "file": "one patient is one file, for file names say nothing of patients",
        "name": f"one patient is one (?P<patient>...) of {rule}",
    }
    return {reading: words[reading] for reading in naming(rule).readings}


def unknown(path: str) -> str:
    """The id of a file that nothing says the patient of."""
    return UNKNOWN + path  # not the bare name: in another folder it is another file


def _kermany(path: str, *, kinds: bool = False, series: bool = True) -> str:
    """`person<k>`, `IM-<k>`, `NORMAL2-IM-<k>`, or the number in `CNV-<number>-<n>` whatever the class.

    With `kinds` virus and bacteria of one number are two, and so are two classes; without `series` `IM-<k>`
    and `NORMAL2-IM-<k>` are one, and no reading puts more files together.
    """
    name = _name(path)
    if found := PNEUMONIA.fullmatch(name):
        return f"person{found['number']}" + (f"_{found['kind'].lower()}" if kinds else "")
    if found := NORMAL_FILM.fullmatch(name):
        return f"{(found['series'] or '').upper() if series else ''}IM-{found['number']}"
    if found := NUMBERED.fullmatch(name):
        return (f"{found['kind'].upper()}-" if kinds else "") + found["number"]
    return unknown(path)


def _name(path: str) -> str:
    return path.rpartition("/")[2].rsplit(".", 1)[0]  # pathlib is six times as slow on 90,000 paths
