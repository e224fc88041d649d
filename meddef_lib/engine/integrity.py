"""Whether finished results are what was published: the files of each against the hashes in its receipt.

By size and modification time at every look; by content where no hash is remembered for these: so once a
file, and once more where a store was copied with new times.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meddef_lib.engine import hashes, receipts
from meddef_lib.engine.receipts import RECEIPT

Receipt = dict[str, Any]
SECONDS_IN_SILENCE = 3.0


class Results:
    """Looks at the folders of finished results under a store's `root`, and remembers what it saw."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = root / "cells"
        self._known: hashes.Known | None = None  # read when it is first needed
        self._began: float | None = None  # to read files
        self._receipts: dict[Path, tuple[tuple[int, int], Receipt | None]] = {}

    def receipt(self, folder: Path) -> Receipt | None:
        """The receipt of a folder; None where there is none, or what is there is none."""
        file = folder / RECEIPT
        try:
            status = file.stat()
        except OSError:
            return None
        stamp = status.st_size, status.st_mtime_ns
        if folder not in self._receipts or self._receipts[folder][0] != stamp:
            self._receipts[folder] = stamp, receipts.read(file)
        return self._receipts[folder][1]

    def damage(self, folder: Path, *, in_full: bool = False) -> tuple[str, ...]:
        """What is wrong with a result, a sentence a file; nothing where it is whole.

        With `in_full` every file is read, whatever is remembered of it. Raises StoreError as `hashes`.
        """
        receipt = self.receipt(folder)
        if receipt is None:
            return (f"{RECEIPT} is missing or damaged",)
        if not receipt["key"].startswith(folder.name[1:]):
            return (f"{RECEIPT} is that of another result",)
        listed = receipt["files"]
        there = set(_files(folder))
        shared = sorted(there & listed.keys())
        found = self._hashes(folder, shared, afresh=in_full)
        other = [name for name in shared if found[name] != listed[name]]
        if other and not in_full:  # the memory may be what is wrong
            found = self._hashes(folder, other, afresh=True)
        return (
            *(f"{name} is missing" for name in sorted(listed.keys() - there)),
            *(f"{name} is not what was written" for name in other if found[name] != listed[name]),
            *(f"{name} does not belong to it" for name in sorted(there - listed.keys())),
        )

    def surplus(self, folder: Path) -> list[Path]:
        """The files of a result that its receipt does not list."""
        receipt = self.receipt(folder)
        return [folder / name for name in _files(folder) if receipt and name not in receipt["files"]]

    def _hashes(self, folder: Path, names: list[str], *, afresh: bool) -> dict[str, str]:
        if self._known is None:
            self._known = hashes.remembered(self._folders, store_root=self._root)
        below = folder.relative_to(self._folders)
        found = hashes.hashes(
            self._folders,
            [f"{below}/{name}" for name in names],
            store_root=self._root,
            known=self._known,
            afresh=afresh,
            progress=self._reads,
        )
        return {name: found[f"{below}/{name}"] for name in names}

    def _reads(self, done: int, total: int, text: str = "") -> None:
        """Say once what takes so long, where a store is new to this program or was copied with new times."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        elif 0 < self._began < now - SECONDS_IN_SILENCE:
            self._began = 0
            print(f"reading the results in {self._root} once, to see that they are whole", file=sys.stderr)


def _files(folder: Path) -> Iterator[str]:
    """The relative paths of all in a folder that is no folder, without the receipt."""
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(above, name), folder)  # noqa: PTH118 (a Path a file is slow)
            if path != RECEIPT:
                yield path
