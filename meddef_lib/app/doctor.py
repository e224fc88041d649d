"""`invoke doctor`: whether this machine can run the workbook, and what to do where it cannot."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from meddef_lib import params, paths
from meddef_lib.app.exits import command
from meddef_lib.data.sources.folders import list_folder
from meddef_lib.engine import devices
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.store import Store
from meddef_lib.errors import DataError

INSTALL = "Install the project into this Python: pip install -c constraints.txt -e ."
LEAST_FREE_GIB = 5.0  # models and records of a smoke run take one; of the paper's setting some ten


TROUBLES = "docs/troubleshooting.md"


class Condition(NamedTuple):
    """One thing looked at: how it is, and what to do where it keeps the workbook from running.

    `finding` is what is wrong where it is not good: a paragraph of TROUBLES.
    """

    what: str
    good: bool
    found: str
    remedy: str = ""
    finding: str = ""


@command
def doctor() -> int:
    """Look at this machine: Python, torch, device, cv2, disk, locks, data root, kernel."""
    found = list(conditions())
    for one in found:
        print(f"{'ok ' if one.good else 'BAD'} {one.what}: {one.found}")
        if not one.good:
            print(f"    {one.remedy}\n    More: {TROUBLES}#{one.finding}")
    return 0 if all(one.good for one in found) else 1


def conditions() -> Iterator[Condition]:
    """Everything that a run depends on."""
    yield Condition("Python", True, ".".join(map(str, sys.version_info[:3])))
    yield _torch()
    yield _opencv()
    yield _kernel()
    for name, folder in (("store", paths.store_root()), ("reports", paths.reports_root())):
        yield _folder(name, folder)
    yield _data()


def _torch() -> Condition:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that torch needs
        return Condition("torch", False, str(error), INSTALL, "torch-cannot-be-imported")
    found = f"{torch.__version__} on cpu"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        found = f"{torch.__version__} on {', '.join(['cpu', *names])}"
    elif torch.backends.mps.is_available():
        found = f"{torch.__version__} on cpu, mps"
    elif gpus := devices.cuda_devices():
        found += f"; {len(gpus)} NVIDIA GPU(s) that this torch does not see"
    # with a torch for CUDA, the device "auto" is then a GPU on which every cell would fail
    usable = devices.resolve_device("auto") != "cuda" or torch.cuda.is_available()
    remedy = "Install a torch that fits the driver (nvidia-smi names its CUDA version), or use --device cpu."
    return Condition("torch", usable, found, remedy, "torch-does-not-see-the-gpu")


def _opencv() -> Condition:
    wheels = sorted(opencv_wheels())
    if len(wheels) > 1:
        names = " ".join(wheel.split()[0] for wheel in wheels)
        remedy = f"Keep one: pip uninstall -y {names} && pip install opencv-python-headless"
        return Condition("cv2", False, ", ".join(wheels), remedy, "opencv-is-installed-twice")
    try:
        import cv2
    except ImportError as error:
        return Condition("cv2", False, str(error), INSTALL, "opencv-cannot-be-imported")
    return Condition("cv2", True, wheels[0] if wheels else f"{cv2.__version__}, not installed by pip")


def opencv_wheels() -> list[str]:
    """The installed distributions that provide `cv2`."""
    return [
        f"{found.metadata['Name']} {found.version}"
        for found in metadata.distributions()
        if any(str(file).startswith("cv2/") for file in found.files or ())
    ]


def _kernel() -> Condition:
    """Notebooks run in `python3`; one that a reader installed elsewhere may be another Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    remedy = f"Make it this one: {sys.executable} -m ipykernel install --sys-prefix"
    try:
        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Condition("Jupyter kernel", False, "there is no python3", remedy, "there-is-no-jupyter-kernel")
    own = os.sep not in command or Path(command).parent == Path(sys.executable).parent
    found = f"python3 is {command}"
    return Condition("Jupyter kernel", own, found, remedy, "the-jupyter-kernel-is-another-python")


def _folder(name: str, folder: Path) -> Condition:
    variable = f"MEDDEF_{name.upper()}"
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        wrong = "cannot be written to" if there.is_dir() else "is no folder"
        found, remedy = f"{folder} ({there} {wrong})", f"Name another folder with {variable}."
        return Condition(name, False, found, remedy, "a-folder-cannot-be-written-to")
    if name == "store" and folder.is_dir():
        try:
            Store(folder).locks.require()
        except StoreError as error:
            remedy = f"Name another folder with {variable}."
            return Condition(name, False, str(error), remedy, "the-store-has-no-locks")
    free_gib = shutil.disk_usage(there).free / 2**30
    remedy = f"Make room for {LEAST_FREE_GIB:.0f} GiB, or name another folder with {variable}."
    found = f"{folder}, {free_gib:.0f} GiB free"
    return Condition(name, free_gib >= LEAST_FREE_GIB, found, remedy, "the-disk-is-nearly-full")


def _data() -> Condition:
    root = paths.data_root()
    if root is None:
        return Condition("data root", True, "none (MEDDEF_DATA is not set): phantoms only")
    if not root.is_dir():
        remedy = "Correct MEDDEF_DATA, or unset it."
        return Condition("data root", False, f"{root} is no folder", remedy, "the-data-root-is-no-folder")
    found, problems = [], []
    for name in params.dataset_ids():
        try:
            images = len(list_folder(root, params.read_dataset(name)).images)
            found.append(f"{name} ({images:,} images)")
        except DataError as error:
            found.append(f"no {name}")
            problems.append(str(error))
    some = len(problems) < len(params.dataset_ids())
    said, remedy = f"{root}: {', '.join(found)}", "\n    ".join(problems)
    return Condition("data root", some, said, remedy, "the-data-root-has-no-data-set")
