"""Whom the files of phantoms show, read from their names without the patterns of the library."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

READINGS = ("number", "kind", "strictest")


def image_paths(folder: Path) -> list[str]:
    """The images of a folder of phantoms, the truncated one among them, relative to it."""
    files = folder.glob("*/*/*.jpeg")
    return sorted(file.relative_to(folder).as_posix() for file in files if not file.name.startswith("."))


def patient(path: str, reading: str) -> str:
    """The patient by a reading of `meddef_lib.data.patients`."""
    name = path.split("/")[-1].removesuffix(".jpeg")
    if "IM-" in name:
        series, number = name[: name.index("IM-")], name.split("IM-")[1].split("-")[0]
        return f"{'' if reading == 'strictest' else series}IM-{number}"
    if name.startswith("person"):
        person, kind, _ = name.split("_")
        return f"{person}_{kind}" if reading == "kind" else person
    kind, number, _ = name.split("-")
    return f"{kind}-{number}" if reading == "kind" else number


def mixed(paths: Iterable[str], reading: str, part: int) -> list[str]:
    """The patients whose images lie in two splits (part 0 of a path) or in two classes (part 1)."""
    found = defaultdict(set)
    for path in paths:
        found[patient(path, reading)].add(path.split("/")[part])
    return sorted(name for name, parts in found.items() if len(parts) > 1)
