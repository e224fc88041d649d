"""Whether a rendered report still says what the store holds, found out without rendering it again.

A call with nothing to do then takes the time of a look at the store. Beside the report lies a note of what it
was rendered from; it is removed before the report is written and comes back last.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from meddef_lib import params, paths
from meddef_lib.engine import fingerprint, sealed
from meddef_lib.engine.files import PART, file_hash
from meddef_lib.engine.receipts import RECEIPT, environment
from meddef_lib.engine.recipe import canonical_json
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import every_cell

NOTE = ".rendered.json"


def folder_of(book: Workbook) -> Path:
    return paths.reports_root() / book.report_name


def is_current(book: Workbook) -> bool:
    """Whether the report is whole and rendered from exactly what is there now."""
    folder = folder_of(book)
    told = sealed.read(folder / NOTE)
    return told is not None and told == _told(book, folder)


def forget(folder: Path) -> None:
    """Say that the report in `folder` is about to change."""
    (folder / NOTE).unlink(missing_ok=True)


def note(book: Workbook, folder: Path) -> None:
    """Say that the report in `folder` was rendered from what is there."""
    sealed.write(folder / NOTE, _told(book, folder))


def _told(book: Workbook, folder: Path) -> dict[str, Any]:
    return {"from": _state(book), "files": dict(_files(folder))}


def _state(book: Workbook) -> str:
    """A hash of all that a report is made of: receipts, parameters, code, templates, versions."""
    pages = notebooks.recipes(book, notebooks.every_notebook())
    cells = {}
    for recipe in (*every_cell(book).values(), *pages.values()):
        receipt = book.store.folder(recipe) / RECEIPT
        cells[recipe.key] = receipt.stat().st_mtime_ns if receipt.is_file() else None
    of_report = fingerprint.SOURCES / "report"
    looks = sorted(file for suffix in ("css", "js", "json") for file in of_report.rglob(f"*.{suffix}"))
    return sha256(
        canonical_json(
            {
                "cells": cells,
                "library": notebooks.library(book.profile.name),
                "looks": [sha256(file.read_bytes()).hexdigest() for file in looks],
                "overrides": params.overrides_text(book.overrides),
                "datasets": list(book.datasets),
                "environment": environment(),
            }
        ).encode()
    ).hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    found = (file for below in (".", "notebooks", "pictures") for file in (folder / below).glob("[!.]*.*"))
    for file in sorted(found):
        if file.is_file() and file.suffix != PART:  # a part is another call's, gone in a moment
            yield str(file.relative_to(folder)), file_hash(file)
