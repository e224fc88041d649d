"""The archive of `invoke export`: what lies where in it, and what it must say of itself.

    archive.json                     the format, what was asked for, and what stands here in part
    cells/<id>/@<key>/...            every finished cell with its receipt
    report/results.json, pictures/   what the page is drawn from

Of images only their manifests travel and the beginning of their file, which says how many there are; networks
travel where they are asked for.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from meddef_lib.data.unpack import Limits
from meddef_lib.engine.receipts import RECEIPT
from meddef_lib.engine.store import Store
from meddef_lib.errors import UserError
from meddef_lib.report import page

FORMAT = 1
SAID = "archive.json"
CELLS, REPORT, PICTURES = "cells", "report", "report/pictures"
NETWORK, IMAGES = "model.safetensors", "images.npy"
KINDS_OF_NETWORKS = ("train", "distilled", "given")
LIMITS = Limits(entries=100_000)
FIELDS = {
    "format": int, "profile": str, "datasets": list, "overrides": dict, "cells": list, "in_part": dict,
    "manifests": dict,
}  # fmt: skip


class Refused(UserError):
    """An archive of which nothing was kept; the message says what is wrong with it."""


def travels(kind: str, name: str) -> bool:
    """Whether a file of a cell is packed whole whatever is asked for: no images, no networks."""
    if name == RECEIPT:
        return True
    in_part = {"prepared": IMAGES, "examined": "thumbnails.npy"} | dict.fromkeys(KINDS_OF_NETWORKS, NETWORK)
    return kind != "phantoms" and in_part.get(kind) != name


def require_known_places(names: Collection[str]) -> None:
    """Raise Refused for an archive that holds anything that none has."""
    for name in names:
        known = name in (SAID, f"{REPORT}/{page.NUMBERS}") or name.startswith((f"{CELLS}/", f"{PICTURES}/"))
        if not known:
            raise Refused(f"the archive holds {name!r}, which is no part of one that `invoke export` wrote")


def said_of(archive: Path, staging: Path) -> dict[str, Any]:
    """What the archive says of itself, each field of its type."""
    found = object_in(archive, staging / SAID)
    if isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise Refused(f"{archive} was written by a newer version (format {found['format']}); update this one")
    if any(not isinstance(found.get(name), kind) for name, kind in FIELDS.items()):
        raise Refused(f"{archive} is no archive of results: its {SAID} lacks what one says of itself")
    texts = [*found["datasets"], *found["cells"], *found["manifests"].values()]
    sizes = found["in_part"].values()
    if not all(isinstance(text, str) for text in texts) or not all(
        isinstance(size, int) and 0 <= size <= LIMITS.total_bytes for size in sizes
    ):
        raise Refused(f"{archive} is no archive of results: its {SAID} does not fit together")
    for place in found["in_part"]:
        kind, _, name = place.removeprefix(f"{CELLS}/").partition("/")
        if not place.startswith(f"{CELLS}/") or travels(kind, Path(name).name) or ".." in Path(place).parts:
            raise Refused(f"{archive} leaves out {place}, which every archive holds whole")
    return found


def object_in(archive: Path, file: Path) -> dict[str, Any]:
    if not file.is_file() or file.stat().st_size > page.LARGEST:
        raise Refused(f"{archive} is no archive of results: it has no {file.name}, or one that is too large")
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"{archive} is no archive of results: its {file.name} cannot be read ({error})"
        ) from error
    if not isinstance(found, dict):
        raise Refused(f"{archive} is no archive of results: its {file.name} holds no object")
    return found


class Light(Store):
    """The unpacked archive as a store: files that do not travel are no damage."""

    def __init__(self, root: Path, in_part: Mapping[str, int]) -> None:
        super().__init__(root)
        self._in_part = in_part
        for place, size in in_part.items():
            if (self.root / place).is_file():
                with (self.root / place).open("r+b") as stream:
                    stream.truncate(size)  # takes no room on the disk

    def lacks(self, folder: Path) -> set[str]:
        """The files of a result that did not travel."""
        places = (Path(place) for place in self._in_part)
        below = folder.relative_to(self.root)
        return {str(place.relative_to(below)) for place in places if place.is_relative_to(below)}

    def damage(self, folder: Path, *, in_full: bool = False) -> tuple[str, ...]:
        lacking = self.lacks(folder)
        found = super().damage(folder, in_full=in_full)
        return tuple(each for each in found if not any(each.startswith(f"{name} ") for name in lacking))
