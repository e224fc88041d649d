"""Receipts: what a finished result was made by, of what, on which machine."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from meddef_lib import paths

RECEIPT = "receipt.json"
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


def is_whole(receipt: Path) -> bool:
    """Whether a receipt is there to its end; after a power cut it may be empty. Cheaper than to parse it."""
    try:
        return receipt.read_bytes().rstrip().endswith(b"}")
    except (FileNotFoundError, NotADirectoryError):
        return False


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
