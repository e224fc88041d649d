"""`invoke verify` and `invoke clean`: what of a store is damaged, and what nobody needs any more."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from meddef_lib import params
from meddef_lib.app import estimates, progress, runner
from meddef_lib.app.exits import agreed, command
from meddef_lib.engine import hashes, leases
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.receipts import goes_back_to_files
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import KEY_DIGITS, WORK_ID, Store
from meddef_lib.errors import DONE, FAILED, DataError
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.kinds import every_cell
from meddef_lib.workbook.notebooks import cells_and_pages

LISTED = 20  # stale folders that are named before it asks
# all that is ever written under the root, by whichever module
FOLDERS = ("cells", "work", "parts", "locks", "logs", "calibration", "cluster", "running")
ENTRIES = (*FOLDERS, leases.MARK, hashes.MEMORY, f"{hashes.MEMORY}-*")


def _remove_all(store: Store, *, yes: bool) -> int:
    """Remove all that the store ever wrote, unless something is being made; returns the exit code."""
    if by := store.locks.holder():
        print(f"{by} is making a result in {store.root}: nothing was removed. End it first.", file=sys.stderr)
        return FAILED
    written = sorted(path for name in ENTRIES for path in store.root.glob(name))
    if _remove(store, "the whole store", written, "Remove it?", yes=yes):
        with suppress(OSError):  # what else lies there is not ours, or a disk is mounted there
            store.root.rmdir()
    return DONE


def _remove_stale(store: Store, *, yes: bool) -> int:
    """Remove what no profile asks for, half-done work first; returns the exit code."""
    seen = in_sight()
    wanted = [recipe for book in seen for recipe in cells_and_pages(book).values()]
    only_phantoms = len(seen) < len(params.profile_ids())
    folders = stale_folders(store, wanted, spare_source_files=only_phantoms)
    folders.sort(key=lambda folder: folder.parent != store.root / "work")  # may be days: never out of sight
    what = "stale results, also those of other parameters (--set),"
    if only_phantoms:
        what = "stale results of phantoms (no real images in sight)"
    _remove(store, what, folders, "Remove them?", yes=yes, listed=LISTED)
    return DONE


def in_sight() -> list[Workbook]:
    """The workbooks of all profiles whose images are there."""
    found = []
    for name in params.profile_ids():
        book = workbook(name)
        with suppress(DataError):
            if every_cell(book):
                found.append(book)
    return found


def _remove(
    store: Store, what: str, paths: Sequence[Path], question: str, *, yes: bool, listed: int = 0
) -> bool:
    """Say how much `paths` are, name the first `listed` of them, ask, and remove them; whether it did."""
    if not paths:
        print(f"Nothing to remove under {store.root}.")
        return False
    mib = {path: _bytes(path) / 2**20 for path in paths}
    print(f"{what} under {store.root}: {sum(mib.values()):,.0f} MiB")
    for path in paths[:listed]:
        print(f"{mib[path]:10,.1f} MiB  {title(store, path)}")
    if 0 < listed < len(paths):
        print(f"and {len(paths) - listed} more")
    if not yes and not agreed(question):
        print("Nothing was removed.")
        return False
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    print("Removed.")
    return True


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def stale_folders(store: Store, wanted: Iterable[Recipe], *, spare_source_files: bool = False) -> list[Path]:
    """Folders of results that nobody of `wanted` asks for, and of work that nobody goes on with.

    What a process is working on is left alone. So is, with `spare_source_files`, whatever goes back to
    files outside the store (a recipe with a `manifest`): where those files are not to be seen, nobody
    can tell whether it is wanted.
    """
    wanted = list(wanted)
    keep = {store.folder(recipe) for recipe in wanted}
    working = {recipe.key for recipe in wanted if not store.has(recipe)}
    receipts = store.receipts()
    spared: set[str] = set()
    if spare_source_files:
        by_key = {receipt["key"]: receipt["recipe"] for receipt in receipts.values()}
        spared = {key for key in by_key if goes_back_to_files(key, by_key)}
    stale = [
        path
        for path in store.folders()
        if path not in keep and (receipts[path]["key"] not in spared if path in receipts else not spared)
    ]
    left = list((store.root / "parts").glob("*"))  # half written: of no use to whoever starts again
    if not spare_source_files:
        left += [path for path in (store.root / "work").glob("*") if path.name not in working]
    return sorted(stale + [path for path in left if not store.locks.is_held(path.name.partition(".")[0])])


def title(store: Store, folder: Path) -> str:
    """What one of the `stale_folders` is, for a person: its id and key, and whether it is only begun."""
    if folder.is_relative_to(store.root / "cells"):
        return str(folder.relative_to(store.root / "cells"))
    told = folder / WORK_ID
    of = told.read_text(encoding="utf-8", errors="replace") if told.is_file() else ""
    return f"{of}/@{folder.name[:KEY_DIGITS]}, half done".lstrip("/")


@command
def verify(repair: bool = False, yes: bool = False) -> int:
    """Read every file of the store, and name the results that are damaged."""
    store = Store()
    folders = store.folders()
    bad: dict[Path, str] = {}
    with progress.steps() as told:
        for number, folder in enumerate(folders):
            told(number, len(folders), "reading results")
            if damage := store.damage(folder, in_full=True):
                bad[folder] = "; ".join(damage)
        told(len(folders), len(folders), "reading results")
    for folder, what in bad.items():
        print(f"damaged: {title(store, folder)}: {what}")
    print(f"{len(folders)} results read, {len(bad)} damaged")
    if not bad or not repair:
        if bad:
            print("`--repair` makes them anew.")
        return FAILED if bad else DONE
    return _repair(bad, yes=yes)


@command
def clean(stale: bool = False, yes: bool = False) -> int:
    """Remove the whole store, or what is stale in it; asks first and says how much."""
    return _remove_stale(Store(), yes=yes) if stale else _remove_all(Store(), yes=yes)


def _repair(bad: dict[Path, str], *, yes: bool) -> int:
    runner.require_folders()
    device, code = resolve_device("auto"), DONE
    left = dict(bad)
    for book in in_sight():
        damaged = [each for each in cells_and_pages(book).values() if left.pop(book.store.folder(each), "")]
        if not damaged:
            continue
        runner.require_images(book, damaged)
        if runner.needs_yes(book, device) and not yes:
            code = runner.ask_for_yes(book, estimates.estimate(book, damaged, device))
            continue
        for recipe in damaged:
            book.store.remove_damaged(recipe)
        outcomes = runner.compute(book, damaged, device=device)
        for recipe in damaged:
            ended = outcomes[recipe.id]
            made = ended.state in ("made", "there")
            print(f"{'whole again' if made else ended.state}: {recipe.id} {ended.text}".rstrip())
            code = code if made else FAILED
    for folder in left:
        print(f"damaged still: {folder}")
    if left:
        print(
            "No profile whose images are in sight asks for these. `invoke reproduce` with the --set of their "
            "run makes them anew; `invoke clean --stale` removes them."
        )
    return FAILED if left else code
