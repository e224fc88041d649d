"""`invoke clean`: removes the whole store, or what is stale in it, after asking."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from meddef_lib import params
from meddef_lib.app.boundary import agreed
from meddef_lib.engine import housekeeping
from meddef_lib.engine.store import Store
from meddef_lib.errors import DONE, FAILED, DataError
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.kinds import every_cell
from meddef_lib.workbook.notebooks import cells_and_pages

LISTED = 20  # stale folders that are named before it asks


def remove_all(store: Store, *, yes: bool) -> int:
    """Remove all that the store ever wrote, unless something is being made; returns the exit code."""
    if by := store.locks.holder():
        print(f"{by} is making a result in {store.root}: nothing was removed. End it first.", file=sys.stderr)
        return FAILED
    if _remove(store, "the whole store", housekeeping.entries(store), "Remove it?", yes=yes):
        with suppress(OSError):  # what else lies there is not ours, or a disk is mounted there
            store.root.rmdir()
    return DONE


def remove_stale(store: Store, *, yes: bool) -> int:
    """Remove what no profile asks for, half-done work first; returns the exit code."""
    seen = in_sight()
    folders = housekeeping.stale_folders(
        store,
        [recipe for book in seen for recipe in cells_and_pages(book).values()],
        spare_source_files=len(seen) < len(params.profile_ids()),
    )
    folders.sort(key=lambda folder: folder.parent != store.root / "work")  # may be days: never out of sight
    what = "stale results, also those of other parameters (--set),"
    if len(seen) < len(params.profile_ids()):
        what = "stale results of phantoms (no real images in sight)"
    _remove(store, what, folders, "Remove them?", yes=yes, listed=LISTED)
    return DONE


def in_sight() -> list[Workbook]:
    """The workbooks of all profiles whose images are there."""
    return [book for name in params.profile_ids() if _data_are_there(book := workbook(name))]


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
        print(f"{mib[path]:10,.1f} MiB  {housekeeping.title(store, path)}")
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


def _data_are_there(book: Workbook) -> bool:
    try:
        return bool(every_cell(book))
    except DataError:
        return False
