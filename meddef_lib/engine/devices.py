"""Which devices and how many cores this machine computes with, found without importing torch."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from itertools import takewhile
from pathlib import Path

from meddef_lib.errors import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")


class DeviceError(UserError):
    """A device that there is none of; the message says what was looked for and what to do."""


def resolve_device(wanted: str) -> str:
    """Say what "auto" is here: cuda, mps or cpu; without torch, whose import costs seconds.

    Raises DeviceError for a device that is none, or that this machine does not have.
    """
    if wanted not in DEVICES:
        raise DeviceError(f"--device is {wanted!r}; expected one of {', '.join(DEVICES)}")
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    if wanted == "cuda" and not cuda_devices():
        raise DeviceError(
            "the device is cuda, but the NVIDIA driver lists no GPU (nvidia-smi -L) that "
            "CUDA_VISIBLE_DEVICES leaves visible; `invoke doctor` tells more, and --device cpu computes "
            "without"
        )
    if wanted == "mps" and not apple:
        raise DeviceError("the device is mps, but this is no Mac with Apple silicon; expected cpu or cuda")
    if wanted != "auto":
        return wanted
    if cuda_devices() and torch_cuda() is not None:
        return "cuda"
    return "mps" if apple else "cpu"


def default_workers(device: str, threads: int) -> int:
    """One worker a GPU; on a CPU as many as its cores hold with `threads` each."""
    if device == "cuda":
        return max(1, len(cuda_devices()))
    if device == "mps":
        return 1
    return max(1, available_cores() // threads)


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus_of(slot: int, slots: int) -> list[str]:
    """The GPUs that the worker in this slot sees: an even share, or one that it shares with others."""
    gpus = cuda_devices()
    return gpus[slot % len(gpus) :: slots]


def cuda_devices() -> list[str]:
    """The NVIDIA GPUs that the driver lists, by number; of them, those that CUDA_VISIBLE_DEVICES names.

    As for CUDA itself, what follows a name that fits none is not seen either.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False).stdout
    numbers = [str(gpu) for gpu in range(sum(line.startswith("GPU ") for line in listed.splitlines()))]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return numbers
    names = re.findall(r"UUID: ((?:GPU|MIG)-[^\s)]+)", listed)
    wanted = [gpu.strip() for gpu in visible.split(",")]
    seen = takewhile(lambda gpu: gpu in numbers or (gpu and any(n.startswith(gpu) for n in names)), wanted)
    return list(seen)


def torch_cuda() -> str | None:
    """The CUDA version that the installed torch was built for; None for a build without CUDA.

    Read from the file that torch keeps it in: importing torch would cost seconds.
    """
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    version = re.search(r"^cuda\b.*= '([^']+)'", text, flags=re.MULTILINE)
    return version[1] if version else None
