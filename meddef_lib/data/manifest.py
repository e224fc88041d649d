"""The hash of a data set's files, so that changed data are another recipe; quick when nothing changed.

A file's own hash is remembered by path, size and modification time in a small SQLite file in the store.
"""

import hashlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from meddef_lib.engine.files import StoreError, file_hash
from meddef_lib.engine.limits import reached
from meddef_lib.engine.recipe import Progress, silent

MEMORY = "hashes.sqlite"
# what a new file does not mend
OF_THE_DISK = re.compile("|".join(("locked", "locking", "readonly", "unable to open", "disk I/O")))
ELSEWHERE = "name a folder of your own on a local disk with MEDDEF_STORE"
UNREADABLE = "unreadable"  # in the place of a hash; the file is a problem for whoever decodes it
FRESH_NS = 2_000_000_000  # a file this young may change again within one tick of its clock: not remembered
THREADS = 4  # hashing waits for the disk
BATCH = 256

Stamp = tuple[int, int]  # size in bytes, modification time in nanoseconds


def manifest(
    folder: Path,
    files: Sequence[str],
    *,
    store_root: Path,
    notes: Iterable[str] = (),
    progress: Progress = silent,
) -> str:
    """sha256 over the relative paths of `files` and the sha256 of their bytes, whatever their order.

    `notes` count as well: what was left out of the data set and why (as codes: no wording counts).
    """
    whole = hashlib.sha256()
    for path, digest in sorted(hashes(folder, files, store_root=store_root, progress=progress).items()):
        whole.update(f"{path}\0{digest}\n".encode(errors="surrogateescape"))
    for note in sorted(notes):
        whole.update(f"\0{note}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def hashes(
    folder: Path, files: Sequence[str], *, store_root: Path, progress: Progress = silent
) -> dict[str, str]:
    """sha256 of the bytes of each file under `folder` by its relative path, or `UNREADABLE`.

    Only files that are new, or differ in size or modification time from what is remembered, are read. A
    damaged memory is begun anew. Raises StoreError where there can be none.
    """
    store_root.mkdir(parents=True, exist_ok=True)
    try:
        return _hashes(folder.resolve(), files, store_root / MEMORY, progress)
    except sqlite3.DatabaseError as error:
        if reached(error):
            raise
        if OF_THE_DISK.search(str(error)):
            raise StoreError(f"{store_root / MEMORY} cannot be used ({error}); {ELSEWHERE}") from error
    for damaged in store_root.glob(f"{MEMORY}*"):
        damaged.unlink(missing_ok=True)
    return _hashes(folder.resolve(), files, store_root / MEMORY, progress)


def _hashes(folder: Path, files: Sequence[str], file: Path, progress: Progress) -> dict[str, str]:
    found: dict[str, str] = {}
    changed: list[tuple[str, Stamp]] = []
    with closing(sqlite3.connect(file, timeout=60)) as memory:
        memory.execute(
            "CREATE TABLE IF NOT EXISTS hashes "
            "(path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
        )
        known = _remembered(memory, folder)
        for path in files:
            stamp = _stamp(f"{folder}/{path}")
            entry = known.get(path)
            if stamp is None:
                found[path] = UNREADABLE
            elif entry is not None and entry[0] == stamp:
                found[path] = entry[1]
            else:
                changed.append((path, stamp))
        with ThreadPoolExecutor(THREADS) as threads:
            for first in range(0, len(changed), BATCH):
                progress(first, len(changed), "hashing files")
                batch = changed[first : first + BATCH]
                young = time.time_ns() - FRESH_NS
                # all of them before the first is written down: who writes keeps other processes from it
                digests = list(threads.map(lambda entry: _hash(folder / entry[0]), batch))
                rows = []
                for (path, (size, mtime_ns)), digest in zip(batch, digests, strict=True):
                    found[path] = digest
                    if digest != UNREADABLE and mtime_ns < young:
                        rows.append((os.fsencode(folder / path), size, mtime_ns, digest))
                memory.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", rows)
                memory.commit()
    return found


def _remembered(memory: sqlite3.Connection, folder: Path) -> dict[str, tuple[Stamp, str]]:
    """What is known of the files under `folder`: relative path to stamp and hash."""
    prefix = os.fsencode(folder) + b"/"
    rows = memory.execute(
        "SELECT path, size, mtime_ns, sha256 FROM hashes WHERE path > ? AND path < ?",
        (prefix, prefix[:-1] + b"0"),
    )  # "0" is the character after "/"
    return {os.fsdecode(path[len(prefix) :]): ((size, mtime), digest) for path, size, mtime, digest in rows}


def _stamp(file: str) -> Stamp | None:
    try:
        status = os.stat(file)  # noqa: PTH116 (a Path for each of 84,484 files takes longer than the look itself)
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _hash(file: Path) -> str:
    try:
        return file_hash(file)
    except OSError:
        return UNREADABLE
