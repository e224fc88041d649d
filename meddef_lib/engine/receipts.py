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
from meddef_lib.engine import sealed

RECEIPT = "receipt.json"
FIELDS = {
    "id": str,
    "key": str,
    "recipe": dict,
    "finished": str,
    "seconds": int | float,
    "device": str,
    "environment": dict,
    "context": dict,
    "files": dict,
}  # that a receipt has at least
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


def read(file: Path) -> dict[str, Any] | None:
    """The receipt that a file holds; None where it is absent, damaged, or something else."""
    found = sealed.read(file, without=True)  # as those of older stores are
    if found is None or not all(isinstance(found.get(name), kind) for name, kind in FIELDS.items()):
        return None
    of_recipe = (found["recipe"].get(name) for name in ("settings", "inputs"))
    return found if all(isinstance(part, dict) for part in of_recipe) else None


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
