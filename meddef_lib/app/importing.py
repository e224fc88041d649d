"""`invoke import`: verifies an archive of `invoke export`, then renders its page and takes its results over.

Nothing that an archive says is believed. Its results must be those that this checkout asks for under the same
parameters, by keys that are computed here; every file must be what its receipt says; and `results.json` must
say what is computed here from the records. What cannot be verified is what did not travel (networks, images),
and whether somebody made the records up: that takes computing them again.
"""

import json
import math
import shutil
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet

from meddef_lib.app import freshness
from meddef_lib.app.archive import (
    CELLS,
    LIMITS,
    PICTURES,
    REPORT,
    Light,
    Refused,
    object_in,
    require_known_places,
    said_of,
)
from meddef_lib.app.report_files import turn
from meddef_lib.data.unpack import UnpackError, unpack
from meddef_lib.engine.files import name_on_disk, put_on_disk, write_whole
from meddef_lib.engine.receipts import differences
from meddef_lib.engine.recipe import Progress, Recipe, canonical_json
from meddef_lib.engine.store import Store
from meddef_lib.errors import FAILED, REFUSED, UserError
from meddef_lib.report import notebook_page, page
from meddef_lib.report.section import place_of
from meddef_lib.results import changes, results_json
from meddef_lib.visible import one_line
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.kinds import kind_of, name_of
from meddef_lib.workbook.notebooks import COPIED, cells_and_pages

STAGING = "import"  # below a store's parts
MOST_VALUES = 200_000_000  # of a table; a million images under 10 attacks have as many in 20 columns
ALIKE = 1e-9  # of two numbers, relative: another machine adds in another order


def take_over(archive: Path, progress: Progress) -> tuple[Path, str]:
    """Verify an archive, render its page and keep its results; returns the page and what was kept, in words.

    Raises UserError: nothing was kept.
    """
    store = Store()
    staging = store.root / "parts" / f"{STAGING}.{uuid.uuid4().hex}"
    with store.locks.writing(STAGING, f"what is imported from {archive}", print):
        try:
            _unpacked(archive, staging, store, progress)
            return _take_over(archive, staging, store)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _unpacked(archive: Path, staging: Path, store: Store, progress: Progress) -> None:
    """Unpack an archive for a look at it; what is wrong is said as of results, not of images."""
    try:
        unpack(archive, staging, limits=LIMITS, check=require_known_places, progress=progress)
    except UnpackError as error:
        if error.exit_code != REFUSED:  # the system's word, about a folder that nobody knows
            why = getattr(error.__cause__, "strerror", None) or error.__cause__
            raise UnpackError(
                f"{archive} cannot be unpacked in the store {store.root}: {why}",
                "make room there, or name another store with MEDDEF_STORE",
                FAILED,
            ) from error
        raise Refused(
            f"{error.what}; name an archive that `invoke export` wrote, or export it anew where it was made"
        ) from error


def _take_over(archive: Path, staging: Path, store: Store) -> tuple[Path, str]:
    try:
        book, light, there, document = _verified(archive, staging)
    except UserError:
        raise
    except Exception as error:  # whatever the readers of cells and notebooks make of what is forged or old
        why = one_line(f"{type(error).__name__}: {error}")
        raise Refused(f"{archive} is no archive of results of this version: {why}; refused") from error
    folder = freshness.folder_of(book)
    with turn(folder):
        if (folder / page.NUMBERS).exists() and not _results_of(folder) <= _there(document):
            raise Refused(
                f"{folder} holds a report of results that {archive} lacks; move it away, or set "
                "MEDDEF_REPORTS, and try again"
            )
        index = _rendered(staging, folder, _pages(light, there))
    kept = [recipe for recipe in there if _keep(store, recipe, light)]
    return index, f"{len(there)} results verified, {len(kept)} of them whole and new in {store.root}"


def _verified(archive: Path, staging: Path) -> tuple[Workbook, Light, list[Recipe], dict[str, Any]]:
    """The workbook of an archive, its results as a store, the recipes of these, and its document.

    Raises Refused; anything else that is raised says that it is none, too.
    """
    said = said_of(archive, staging)
    light = Light(staging, said.in_part)
    book = workbook(said.profile, datasets=said.datasets, overrides=said.overrides, store=light)
    book = replace(book, manifests=said.manifests)
    recipes = cells_and_pages(book)
    there = _results(archive, said.cells, recipes, light)
    document = object_in(archive, staging / REPORT / page.NUMBERS)
    results_json.check(document)
    _require_pictures(archive, staging, document)
    for name, folder in _pages(light, there).items():
        _require_harmless(archive, name, folder, recipes[name].settings)
    _require_same(archive, document, book)
    return book, light, there, document


def _pages(light: Light, there: Iterable[Recipe]) -> dict[str, Path]:
    return {recipe.id: light.folder(recipe) for recipe in there if kind_of(recipe.id) == "notebook"}


def _results(
    archive: Path, names: Collection[str], recipes: Mapping[str, Recipe], light: Light
) -> list[Recipe]:
    """The recipes of the archive's results, by this checkout; every file of each is what its receipt says."""
    unknown = sorted(set(names) - recipes.keys())
    if unknown:
        raise Refused(f"{archive} holds {unknown[0]}, which these parameters do not ask for")
    there = [recipe for name, recipe in recipes.items() if name in set(names)]
    folders = {light.folder(recipe): recipe for recipe in there}
    strange = [folder for folder in light.folders() if folder not in folders]
    if strange:
        _explain(archive, strange[0], recipes, light)
    for folder, recipe in folders.items():
        if not folder.is_dir():
            raise Refused(f"{archive} lacks {recipe.id}, which it says it holds")
        if damage := light.damage(folder, in_full=True):
            raise Refused(f"{archive}: {recipe.id} is damaged: {'; '.join(damage)}")
        for file in folder.rglob("*.parquet"):
            _require_bounded(archive, file)
        receipt = light.receipt(recipe)
        same = canonical_json(receipt["recipe"]) == canonical_json(recipe.parts())
        if receipt["key"] != recipe.key or receipt["id"] != recipe.id or not same:
            raise Refused(f"{archive}: the receipt of {recipe.id} was not written with its result; refused")
    return there


def _require_bounded(archive: Path, file: Path) -> None:
    """Raise Refused for a table that is small on the disk and fills the memory."""
    said = pyarrow.parquet.read_metadata(file)
    if said.num_rows * said.num_columns > MOST_VALUES:
        raise Refused(f"{archive}: {file.name} has over {MOST_VALUES:,} values; refused as a bomb")


def _explain(archive: Path, folder: Path, recipes: Mapping[str, Recipe], light: Light) -> None:
    """Refuse a result with another key than the one computed here, with what differs."""
    shown = folder.relative_to(light.root / CELLS)
    receipt = light.receipts().get(folder)
    recipe = recipes.get(str(shown.parent))
    if receipt is None or recipe is None:
        raise Refused(f"{archive} holds {shown}, which is no result that these parameters ask for")
    changed = list(differences(receipt["recipe"], recipe.parts()))[:3] or ["its key alone, which is forged"]
    commit = receipt["environment"].get("commit") or "unknown"
    raise Refused(
        f"{archive}: {recipe.id} was made by other code or parameters than these ({', '.join(changed)}); "
        f"import it into a checkout of the commit that made it ({commit})"
    )


def _require_same(archive: Path, document: Mapping[str, Any], book: Workbook) -> None:
    """Raise Refused where `results.json` says otherwise than what its records come to here."""
    foreseen = {cell["key"]: cell["estimated_seconds"] for cell in document["cells"]}
    own = json.loads(json.dumps(results_file.document(book, estimated=foreseen)))
    one, other = (_of_results(each) for each in (document, own))
    if "changes" in document and not changes.fit(document["changes"], document):
        raise Refused(
            f"{archive}: its {page.NUMBERS} says of its changes otherwise than of its numbers; refused"
        )
    if (place := _difference(one, other)) is not None:
        raise Refused(
            f"{archive}: its {page.NUMBERS} says otherwise than its records do, at {place}; refused"
        )


def _of_results(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what it says of the call that wrote it, and of results that did not travel."""
    cells = [{**cell, "state": cell["state"] == "there"} for cell in document["cells"]]
    return {**document, "run": None, "cells": cells, "changes": None}


def _difference(one: Any, other: Any, place: str = "") -> str | None:
    """Where two JSON values differ; None where they are alike."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if name not in one or name not in other:
                return f"{place}.{name}".lstrip(".")
            if (found := _difference(one[name], other[name], f"{place}.{name}")) is not None:
                return found.lstrip(".")
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        numbered = ((f"{place}[{n}]", a, b) for n, (a, b) in enumerate(zip(one, other, strict=True)))
        return next((found for at, a, b in numbered if (found := _difference(a, b, at)) is not None), None)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    alike = math.isclose(one, other, rel_tol=ALIKE, abs_tol=ALIKE) if numbers else one == other
    return None if alike else place or "its top"


def _require_pictures(archive: Path, staging: Path, document: Mapping[str, Any]) -> None:
    """Raise Refused for a picture that is none, or that the document does not name."""
    names = {f"{each['name']}.webp" for listed in document["pictures"].values() for each in listed}
    for file in (staging / PICTURES).glob("*"):
        with file.open("rb") as stream:
            beginning = stream.read(12)
        if file.name not in names or beginning[:4] + beginning[8:] != b"RIFFWEBP":
            raise Refused(f"{archive}: {PICTURES}/{file.name} is no picture of this report; refused")


def _require_harmless(archive: Path, name: str, folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise Refused for a notebook whose page is not that of its copy, or that would run anything."""
    executed = object_in(archive, folder / "executed.ipynb")
    title = f"{settings['notebook']} ({settings['parameters']['dataset']})"
    drawn = notebook_page.render(executed, title=title, section=place_of(settings["sections"]))
    if drawn != (folder / "page.html").read_text(encoding="utf-8"):
        raise Refused(f"{archive}: the page of {name} is not that of its notebook; refused")
    if runs := notebook_page.what_runs(drawn):
        raise Refused(f"{archive}: the page of {name} would run something ({runs[0]}); refused")


def _results_of(folder: Path) -> set[str]:
    """The keys of the results that a report shows; of one that cannot be read, what no archive has."""
    try:
        return _there(json.loads((folder / page.NUMBERS).read_bytes()))
    except (ValueError, LookupError, TypeError, RecursionError):
        return {"unknown"}


def _there(document: Mapping[str, Any]) -> set[str]:
    return {cell["key"] for cell in document["cells"] if cell["state"] == "there"}


def _keep(store: Store, recipe: Recipe, light: Light) -> bool:
    """Move a result that travelled whole to its place in the reader's store, unless one is there."""
    source, target = light.folder(recipe), store.folder(recipe)
    if light.lacks(source):
        return False
    with store.locks.writing(recipe.key, recipe.id, print):
        if store.has(recipe):
            return False
        if target.exists():  # damaged
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        put_on_disk(source)
        name_on_disk(source, target, below=store.root)
    return True


def _rendered(staging: Path, folder: Path, pages: Mapping[str, Path]) -> Path:
    """Write the report's folder, as `report_files` does where its results were made; returns the page."""
    copies = {
        f"notebooks/{name_of(name)}{suffix}": source / made
        for name, source in pages.items()
        for made, suffix in COPIED.items()
    }
    copies |= {f"pictures/{file.name}": file for file in (staging / PICTURES).glob("*")}
    copies[page.NUMBERS] = staging / REPORT / page.NUMBERS
    for name, source in copies.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, source.read_bytes())
    return page.from_folder(folder)
