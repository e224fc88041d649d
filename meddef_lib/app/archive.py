"""The archive of `invoke export`: what lies where in it, what it must say of itself, and how it is written.

    archive.json                     the format, what was asked for, and what stands here in part
    cells/<id>/@<key>/...            every finished cell with its receipt
    report/results.json, pictures/   what the page is drawn from

Of images only their manifests travel and the beginning of their file, which says how many there are; networks
travel where they are asked for.
"""

import json
import shutil
import uuid
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from meddef_lib.app import freshness, report_files
from meddef_lib.data.unpack import Limits
from meddef_lib.engine.files import PART
from meddef_lib.engine.receipts import RECEIPT
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.errors import UserError
from meddef_lib.report import page
from meddef_lib.report.page import NUMBERS
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import kind_of
from meddef_lib.workbook.notebooks import cells_and_pages

FORMAT = 1
SAID = "archive.json"
CELLS, REPORT, PICTURES = "cells", "report", "report/pictures"
NETWORK, IMAGES = "model.safetensors", "images.npy"
KINDS_OF_NETWORKS = ("train", "distilled", "given")
LIMITS = Limits(entries=100_000)
TIME = (1980, 1, 1, 0, 0, 0)  # of every entry: the same results are the same archive
HEADER_OF_AN_ARRAY = 128  # bytes, as numpy writes it


class Said(BaseModel):
    """What an archive says of itself, in its `archive.json`."""

    model_config = ConfigDict(strict=True)
    format: int
    profile: str
    datasets: list[str]
    overrides: dict[str, Any]
    cells: list[str]  # by id
    in_part: dict[str, Annotated[int, Field(ge=0, le=LIMITS.total_bytes)]]  # bytes of a place left out
    manifests: dict[str, str]


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


def said_of(archive: Path, staging: Path) -> Said:
    """What the archive says of itself. Raises Refused, and other errors where it says something else."""
    found = object_in(archive, staging / SAID)
    if found["format"] > FORMAT:
        raise Refused(f"{archive} was written by a newer version (format {found['format']}); update this one")
    said = Said.model_validate(found)
    for place in said.in_part:
        kind, _, name = place.removeprefix(f"{CELLS}/").partition("/")
        if not place.startswith(f"{CELLS}/") or travels(kind, Path(name).name) or ".." in Path(place).parts:
            raise Refused(f"{archive} leaves out {place}, which every archive holds whole")
    return said


def object_in(archive: Path, file: Path) -> dict[str, Any]:
    """The object of a JSON file of an archive. Raises Refused where there is none, ValueError for no JSON."""
    if not file.is_file() or file.stat().st_size > page.LARGEST:
        raise Refused(f"{archive} is no archive of results: it has no {file.name}, or one that is too large")
    found: dict[str, Any] = json.loads(file.read_bytes())
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


def export(book: Workbook, file: Path, *, models: bool) -> str:
    """Write the archive, whole or not at all; returns what is in it, in words.

    Raises UserError where there is nothing to export, or a file of that name.
    """
    if file.exists():
        raise UserError(f"{file} is there already; name another file, or move it away")
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent} to write {file.name} into; make it first")
    every = cells_and_pages(book)
    cells = {name: recipe for name, recipe in every.items() if book.store.has(recipe)}
    if not cells:
        raise UserError(f"nothing of {book.report_name} is finished; make it with: {book.command}")
    report = freshness.folder_of(book)
    if not freshness.is_current(book):
        report_files.write(book, {})
    in_part: dict[str, int] = {}
    part = file.with_name(f"{file.name}.{uuid.uuid4().hex}{PART}")  # two exports at once write two
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, recipe in cells.items():
                folder = book.store.folder(recipe)
                for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                    place = f"{CELLS}/{path.relative_to(book.store.root / CELLS)}"
                    if travels(kind_of(name), path.name) or (models and path.name == NETWORK):
                        _add(archive, place, path)
                        continue
                    in_part[place] = path.stat().st_size
                    if path.name == IMAGES:  # what tells the shape of their array
                        with path.open("rb") as stream:
                            archive.writestr(_entry(place), stream.read(HEADER_OF_AN_ARRAY))
            for path in (report / NUMBERS, *sorted((report / "pictures").glob("*.webp"))):
                _add(archive, f"{REPORT}/{path.relative_to(report)}", path)
            of_itself = _said(book, every, list(cells), in_part)
            archive.writestr(_entry(SAID), of_itself.model_dump_json(indent=1))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    lacking = len(every) - len(cells)
    return (
        f"{len(cells)} results and the report, {file.stat().st_size / 2**20:,.1f} MiB"
        + ("" if models else ", without networks (--models)")
        + (f"; {lacking} are not finished" if lacking else "")
    )


def _said(book: Workbook, every: Mapping[str, Recipe], cells: list[str], in_part: dict[str, int]) -> Said:
    """What the archive says of itself: of `every` cell of the workbook, by id, it holds those of `cells`."""
    prepared = [recipe.settings for recipe in every.values() if "manifest" in recipe.settings]
    return Said(
        format=FORMAT,
        profile=book.profile.name,
        datasets=list(book.datasets),
        overrides=dict(book.overrides),
        cells=cells,
        in_part=in_part,
        manifests={
            book.of_images(settings["dataset"]["id"], settings["image_size"]): settings["manifest"]
            for settings in prepared
            if "image_size" in settings
        },
    )


def _entry(place: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(place, TIME)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _add(archive: zipfile.ZipFile, place: str, path: Path) -> None:
    with path.open("rb") as source, archive.open(_entry(place), "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target)  # a network may be larger than memory should hold
