"""What is in a folder, by name: folders, files, clutter to be ignored, and problems with their reasons."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

from meddef_lib.data.reasons import Code, Reason
from meddef_lib.errors import DataError

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")
SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})  # beside all that begins with a dot


class FolderEntry(NamedTuple):
    """One thing in a folder, by name; `reason` says why a problem is one."""

    name: str
    kind: Literal["folder", "file", "clutter", "problem"]
    reason: Reason | None = None


def images_below(folder: Path) -> int:
    names = (name for _, _, files in os.walk(folder) for name in files if not name.startswith("."))
    return sum(name.lower().endswith(IMAGE_SUFFIXES) for name in names)


def folders_of(folder: Path) -> list[str]:
    """The names of the folders in a folder. Raises DataError if it cannot be listed."""
    return [entry.name for entry in entries_of(folder) if entry.kind == "folder"]


def entries_of(folder: Path) -> list[FolderEntry]:
    """What is in a folder, by name. Raises DataError if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [_entry(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be listed: {error.strerror}; make it readable and try again"
        ) from error


def _entry(entry: os.DirEntry[str]) -> FolderEntry:
    name = entry.name
    if name.startswith(".") or plain(name) in SYSTEM_NAMES:
        return FolderEntry(name, "clutter")
    if not name.isprintable():  # also what is not UTF-8, and could not be written to an index or a report
        escaped = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)
        return FolderEntry(escaped, "problem", because("unprintable_name"))
    there = (
        Path(entry.path) if entry.is_symlink() else entry
    )  # of a link that leads nowhere, Path asks quietly
    if there.is_dir():
        return FolderEntry(name, "folder")
    if there.is_file():
        return FolderEntry(name, "file")
    return FolderEntry(name, "problem", because("link_to_nothing" if entry.is_symlink() else "special_file"))


def because(code: Code, **facts: str | int) -> Reason:
    return {"code": code, **facts}


def plain(name: str) -> str:
    """A name as it is compared: the archives have `OCT2017 ` and `Normal`."""
    return name.strip().casefold()
