"""Hashes of files, each remembered by path, size and modification time in a small SQLite file in the store.

Below the store a path is remembered as it lies there, so that a store may be moved or copied.
"""

import os
import re
import sqlite3
import stat
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from meddef_lib.engine.files import StoreError, file_hash
from meddef_lib.engine.leases import memory_of
from meddef_lib.engine.limits import reached
from meddef_lib.engine.recipe import Progress, silent

MEMORY = "hashes.sqlite"
# what a new file does not mend
OF_THE_DISK = re.compile("|".join(("locked", "locking", "readonly", "unable to open", "disk I/O")))
NOT_OURS = re.compile("readonly|unable to open")  # a file that somebody else owns: it is only a memory
ELSEWHERE = "name a folder of your own on a local disk with MEDDEF_STORE"
UNREADABLE = "unreadable"  # in the place of a hash; the file is a problem for whoever reads it
FRESH_NS = 2_000_000_000  # a file this young may change again within one tick of its clock: not remembered
THREADS = 4  # hashing waits for the disk
BATCH = 256

T = TypeVar("T")
Stamp = tuple[int, int]  # size in bytes, modification time in nanoseconds
Known = dict[str, tuple[Stamp, str]]  # by path relative to a folder: stamp and hash


def hashes(
    folder: Path,
    files: Sequence[str],
    *,
    store_root: Path,
    progress: Progress = silent,
    known: Known | None = None,
    afresh: bool = False,
) -> dict[str, str]:
    """sha256 of the bytes of each file under `folder` by its relative path, or `UNREADABLE`.

    Only files that are new, or differ in size or modification time from what is remembered, are read; with
    `afresh` all of them. `known` is what is `remembered` of the folder, where the caller has it already: new
    hashes go into it. A damaged memory is begun anew. Raises StoreError where there can be none.
    """
    folder = folder.resolve()
    known = remembered(folder, store_root=store_root) if known is None else known
    found: dict[str, str] = {}
    changed: list[tuple[str, Stamp]] = []
    for path in files:
        stamp = _stamp(f"{folder}/{path}")
        entry = known.get(path)
        if stamp is None:
            found[path] = UNREADABLE
        elif entry is not None and entry[0] == stamp and not afresh:
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
            new: Known = {}
            for (path, stamp), digest in zip(batch, digests, strict=True):
                found[path] = digest
                if digest != UNREADABLE and stamp[1] < young:
                    new[path] = (stamp, digest)
            known |= new
            _remember(folder, new, store_root)
    return found


def remembered(folder: Path, *, store_root: Path) -> Known:
    """What is known of the files under `folder`, without a look at them. Raises StoreError as `hashes`."""
    prefix = _name(folder.resolve(), store_root) + b"/"

    def read(memory: sqlite3.Connection) -> Known:
        end = prefix[:-1] + b"0"  # the character after "/"
        wanted = "SELECT path, size, mtime_ns, sha256 FROM hashes WHERE path > ? AND path < ?"
        rows = memory.execute(wanted, (prefix, end))
        return {
            os.fsdecode(path[len(prefix) :]): ((size, mtime), told[:64])
            for path, size, mtime, told in rows
            if told[64:] in ("", _checksum(path, (size, mtime), told[:64]))
        }

    if not memory_of(store_root, MEMORY).exists():
        return {}
    return _with_memory(store_root, read, {})


def _remember(folder: Path, new: Known, store_root: Path) -> None:
    names = {path: _name(folder / path, store_root) for path in new}
    rows = [
        (names[path], *stamp, digest + _checksum(names[path], stamp, digest))
        for path, (stamp, digest) in new.items()
    ]

    def write(memory: sqlite3.Connection) -> None:
        memory.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", rows)
        memory.commit()

    if rows:
        store_root.mkdir(parents=True, exist_ok=True)
        _with_memory(store_root, write, None)


def _name(path: Path, store_root: Path) -> bytes:
    root = store_root.resolve()
    return os.fsencode(path.relative_to(root) if path.is_relative_to(root) else path)


def _checksum(name: bytes, stamp: Stamp, digest: str) -> str:
    """What is written down behind a hash: SQLite has no checksums of its own."""
    return f"{zlib.crc32(name + repr((*stamp, digest)).encode()):08x}"


def _with_memory(store_root: Path, use: Callable[[sqlite3.Connection], T], nothing: T) -> T:
    """What `use` makes of the memory; `nothing` where it or the store may be read and not written.

    A damaged memory is begun anew. Raises StoreError where there can be none.
    """
    file = memory_of(store_root, MEMORY)
    for last_try in (False, True):
        try:
            with closing(sqlite3.connect(file, timeout=60)) as memory:
                memory.execute(
                    "CREATE TABLE IF NOT EXISTS hashes "
                    "(path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)"
                )
                return use(memory)
        except (sqlite3.DatabaseError, TypeError) as error:  # TypeError: a damaged row
            if reached(error):
                raise
            foreign = file.is_file() and NOT_OURS.search(str(error))
            if foreign or not os.access(store_root, os.W_OK):
                break
            if last_try or OF_THE_DISK.search(str(error)):
                if file.name != MEMORY:  # shared by machines, on a file system without locks
                    break
                raise StoreError(f"{file} cannot be used ({error}); {ELSEWHERE}") from error
        for damaged in store_root.glob(f"{file.name}*"):
            damaged.unlink(missing_ok=True)
    return nothing


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
