"""`invoke doctor`: whether this machine can run the workbook, and what to do where it cannot."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from meddef_lib import params, paths
from meddef_lib.data.folders import DataError, list_folder

LEAST_PYTHON = (3, 11)
LEAST_FREE_GIB = 5.0  # models and records of a smoke run take one; of the paper's setting some ten


class Look(NamedTuple):
    """One thing looked at: how it is, and what to do where it keeps the workbook from running."""

    what: str
    good: bool
    found: str
    remedy: str = ""


def main() -> int:
    """Print a line a look; returns 1 where something prevents a run, else 0."""
    looks = list(look())
    for one in looks:
        print(f"{'ok ' if one.good else 'BAD'} {one.what}: {one.found}")
        if not one.good:
            print(f"    {one.remedy}")
    return 0 if all(one.good for one in looks) else 1


def look() -> Iterator[Look]:
    """Everything that a run depends on."""
    yield _python()
    yield _torch()
    yield _opencv()
    yield _kernel()
    for name, folder in (("store", paths.store_root()), ("reports", paths.reports_root())):
        yield _folder(name, folder)
    yield _data()


def _python() -> Look:
    needed = ".".join(map(str, LEAST_PYTHON))
    found = ".".join(map(str, sys.version_info[:3]))
    return Look("Python", sys.version_info >= LEAST_PYTHON, found, f"Install Python {needed} or later.")


def _torch() -> Look:
    try:
        import torch
    except ImportError as error:
        return Look("torch", False, str(error), "Install the project: pip install -c constraints.txt -e .")
    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return Look("torch", True, f"{torch.__version__} on {', '.join(devices)}")


def _opencv() -> Look:
    wheels = sorted(opencv_wheels())
    remedy = (
        "Two wheels of cv2 overwrite each other: pip uninstall -y opencv-python opencv-python-headless && "
        "pip install opencv-python-headless"
    )
    return Look("cv2", len(wheels) == 1, ", ".join(wheels) or "not installed", remedy)


def opencv_wheels() -> list[str]:
    """The installed distributions that provide `cv2`."""
    return [
        f"{found.metadata['Name']} {found.version}"
        for found in metadata.distributions()
        if any(str(file).startswith("cv2/") for file in found.files or ())
    ]


def _kernel() -> Look:
    from jupyter_client.kernelspec import KernelSpecManager

    known = KernelSpecManager().find_kernel_specs()
    remedy = "Install it: python -m ipykernel install --sys-prefix"
    return Look("Jupyter kernel", "python3" in known, ", ".join(sorted(known)) or "none", remedy)


def _folder(name: str, folder: Path) -> Look:
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free_gib = shutil.disk_usage(there).free / 2**30
    writable = os.access(there, os.W_OK)
    variable = f"MEDDEF_{name.upper()}"
    remedy = (
        f"Make room or name another folder with {variable}."
        if writable
        else f"Name another one with {variable}."
    )
    found = f"{folder}, {free_gib:.0f} GiB free" + ("" if writable else ", not writable")
    return Look(name, writable and free_gib >= LEAST_FREE_GIB, found, remedy)


def _data() -> Look:
    root = paths.data_root()
    if root is None:
        return Look("data root", True, "none (MEDDEF_DATA is not set): phantoms only")
    if not root.is_dir():
        return Look("data root", False, f"{root} is no folder", "Correct MEDDEF_DATA, or unset it.")
    found = []
    for name in params.DATASET_IDS:
        try:
            images = len(list_folder(root, params.read_dataset(name)).images)
        except DataError:
            continue
        found.append(f"{name} ({images:,} images)")
    return Look(
        "data root", bool(found), f"{root}: {', '.join(found) or 'no data set'}", "See `invoke fetch`."
    )
