"""`invoke export`: the results of a workbook as one archive, which `invoke import` verifies elsewhere."""

import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from meddef_lib.app import freshness, report_files
from meddef_lib.app.archive import CELLS, FORMAT, IMAGES, NETWORK, REPORT, SAID, travels
from meddef_lib.engine.files import PART
from meddef_lib.engine.recipe import Recipe
from meddef_lib.errors import UserError
from meddef_lib.report.page import NUMBERS
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import kind_of
from meddef_lib.workbook.notebooks import cells_and_pages

TIME = (1980, 1, 1, 0, 0, 0)  # of every entry: the same results are the same archive
HEADER_OF_AN_ARRAY = 128  # bytes, as numpy writes it


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
                    if said := _beginning(path):
                        archive.writestr(_entry(place), said)
            for path in _of_report(report):
                _add(archive, f"{REPORT}/{path.relative_to(report)}", path)
            archive.writestr(_entry(SAID), json.dumps(_said(book, every, list(cells), in_part), indent=1))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    lacking = len(every) - len(cells)
    return (
        f"{len(cells)} results and the report, {file.stat().st_size / 2**20:,.1f} MiB"
        + ("" if models else ", without networks (--models)")
        + (f"; {lacking} are not finished" if lacking else "")
    )


def _said(
    book: Workbook, every: Mapping[str, Recipe], cells: list[str], in_part: dict[str, int]
) -> dict[str, Any]:
    """What the archive says of itself: of `every` cell of the workbook, by id, it holds those of `cells`."""
    prepared = [recipe.settings for recipe in every.values() if "manifest" in recipe.settings]
    return {
        "format": FORMAT,
        "profile": book.profile.name,
        "datasets": list(book.datasets),
        "overrides": dict(book.overrides),
        "cells": cells,
        "in_part": in_part,
        "manifests": {
            book.of_images(settings["dataset"]["id"], settings["image_size"]): settings["manifest"]
            for settings in prepared
            if "image_size" in settings
        },
    }


def _beginning(path: Path) -> bytes:
    """Of images, which do not travel, what tells the shape of their array; of any other file nothing."""
    if path.name != IMAGES:
        return b""
    with path.open("rb") as stream:
        return stream.read(HEADER_OF_AN_ARRAY)


def _of_report(folder: Path) -> Iterator[Path]:
    yield folder / NUMBERS
    yield from sorted((folder / "pictures").glob("*.webp"))


def _entry(place: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(place, TIME)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _add(archive: zipfile.ZipFile, place: str, path: Path) -> None:
    """Add a file a piece at a time: a network may be larger than memory should hold."""
    with path.open("rb") as source, archive.open(_entry(place), "w", force_zip64=True) as target:
        while piece := source.read(2**20):
            target.write(piece)
