"""Receipts: what a finished result was made by, of what, on which machine; and whether it still is that.

The files of a result are held against the hashes in its receipt, by size and modification time at every look;
by content where no hash is remembered for these: so once a file, and once more where a store was copied with
new times.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from meddef_lib import paths
from meddef_lib.engine import hashes, sealed

RECEIPT = "receipt.json"
SECONDS_IN_SILENCE = 3.0  # while files are read
RECORDED_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "opencv-python-headless", "grad-cam", "scipy")


def environment() -> dict[str, Any]:
    """What ran: versions, machine, commit. It goes into receipts, never into keys."""
    return {
        "python": platform.python_version(),
        "packages": _versions(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _processor(),
        "commit": _commit(),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
    }


@cache
def _versions() -> dict[str, str]:
    installed = {}
    for name in RECORDED_PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


@cache
def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


@cache
def _commit() -> str | None:
    """The commit of the checkout, with "+" where the tree has changes; None outside a checkout."""
    if not (head := _git("rev-parse", "HEAD")):
        return None
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*words: str) -> str:
    """What git says of the checkout; "" where there is no git, or no checkout."""
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(["git", *words], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def goes_back_to_files(key: str, recipes: Mapping[str, Mapping[str, Any]]) -> bool:
    recipe = recipes.get(key)
    if recipe is None:  # an input that is gone: it cannot be said
        return True
    return "manifest" in recipe["settings"] or any(
        goes_back_to_files(inner, recipes) for inner in recipe["inputs"].values()
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Dotted names of what differs between two recipes, for `status --why`."""
    flat_old, flat_new = dict(_flat(old)), dict(_flat(new))
    for name in sorted(flat_old.keys() | flat_new.keys()):
        if flat_old.get(name) != flat_new.get(name):
            if name.startswith("settings."):
                yield f"{name}: {flat_old.get(name)!r} -> {flat_new.get(name)!r}"
            else:
                yield name


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            # a module's name has dots of its own and stays whole
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, list(value) if isinstance(value, tuple) else value


class Results:
    """The folders of finished results under a store's `root`, and what was seen of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders = root / "cells"
        self._known: hashes.Known | None = None  # read when it is first needed
        self._began: float | None = None  # to read files
        self._receipts: dict[Path, tuple[tuple[int, int], dict[str, Any] | None]] = {}

    def receipt_in(self, folder: Path) -> dict[str, Any] | None:
        """The receipt of a folder; None where there is none, or what is there is none."""
        file = folder / RECEIPT
        try:
            status = file.stat()
        except OSError:
            return None
        stamp = status.st_size, status.st_mtime_ns
        if folder not in self._receipts or self._receipts[folder][0] != stamp:
            self._receipts[folder] = stamp, sealed.read(file)
        return self._receipts[folder][1]

    def damage(self, folder: Path, *, in_full: bool = False) -> tuple[str, ...]:
        """What is wrong with a finished result, a sentence a file; nothing where it is whole.

        With `in_full` every file is read, also one whose size and time are those of a look before. Raises
        StoreError as `hashes`.
        """
        receipt = self.receipt_in(folder)
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
            *(f"{name} {_how(found[name])}" for name in other if found[name] != listed[name]),
            *(f"{name} does not belong to it" for name in sorted(there - listed.keys())),
        )

    def surplus(self, folder: Path) -> list[Path]:
        """The files of a result that its receipt does not list."""
        receipt = self.receipt_in(folder)
        return [folder / name for name in _files(folder) if receipt and name not in receipt["files"]]

    def _hashes(self, folder: Path, names: list[str], *, afresh: bool) -> dict[str, str]:
        if self._known is None:
            self._known = hashes.remembered(self._folders, store_root=self.root)
        below = folder.relative_to(self._folders)
        found = hashes.hashes(
            self._folders,
            [f"{below}/{name}" for name in names],
            store_root=self.root,
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
            print(f"reading the results in {self.root} once, to see that they are whole", file=sys.stderr)


def _how(digest: str) -> str:
    return "cannot be read" if digest == hashes.UNREADABLE else "is not what was written"


def _files(folder: Path) -> Iterator[str]:
    """The relative paths of all in a folder that is no folder, without the receipt."""
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(above, name), folder)  # noqa: PTH118 (a Path a file is slow)
            if path != RECEIPT:
                yield path
