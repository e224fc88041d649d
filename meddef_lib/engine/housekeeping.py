"""What lies in a store that nobody needs any more, and what it is called."""

from collections.abc import Iterable
from pathlib import Path

from meddef_lib.engine import hashes, shared
from meddef_lib.engine.receipts import goes_back_to_files
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import KEY_DIGITS, WORK_ID, Store

# all that is ever written under the root, by whichever module
FOLDERS = ("cells", "work", "parts", "locks", "logs", "calibration", "cluster", "running")
ENTRIES = (*FOLDERS, shared.MARK, hashes.MEMORY, f"{hashes.MEMORY}-*")


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


def entries(store: Store) -> list[Path]:
    """Everything that the store wrote under its root; what else lies there is not its own."""
    return sorted(path for name in ENTRIES for path in store.root.glob(name))
