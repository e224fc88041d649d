"""Where cells are computed: worker processes on this machine, side by side, one thread each on a CPU.

An engine has four methods, so that a cluster can stand in its place: `submit`, `as_completed`, `cancel` and
`close`.
Only recipes travel to a worker and only events come back; results lie in the store, which both can see.
"""

import contextlib
import json
import os
import platform
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from meddef_lib import paths
from meddef_lib.store import Recipe

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Event:
    """What a worker tells of a cell: `kind` is "progress", "said", "done" or "failed"."""

    id: str
    kind: str
    done: int = 0
    total: int = 0
    text: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """What the scheduler asks of whoever computes cells."""

    @property
    def slots(self) -> int:
        """How many cells are computed at once."""
        ...

    def submit(self, recipe: Recipe) -> None:
        """Have a cell computed whose inputs are all there."""
        ...

    def as_completed(self) -> Iterator[Event]:
        """Events of submitted cells, as they come, until each is done or failed."""
        ...

    def cancel(self) -> None:
        """Give up what is running; results that are whole stay."""
        ...

    def close(self) -> None:
        """End every worker."""
        ...


class LocalEngine:
    """Worker processes on this machine: one a GPU, or several on a CPU with `threads` each.

    A worker that dies (a kill, the system out of memory) fails its cell with the signal's name, and a new
    worker takes its place.
    """

    def __init__(
        self, *, workers: int, threads: int, device: str, deterministic: bool, store_root: Path
    ) -> None:
        self.device = device
        self._options = {"deterministic": deterministic, "store": str(store_root)}
        self._threads = threads
        self._logs = store_root / "logs"
        self._events: queue.Queue[Event] = queue.Queue()
        self._waiting: queue.SimpleQueue[Recipe | None] = queue.SimpleQueue()
        self._open: set[str] = set()
        self._closing = False
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._keepers = [
            threading.Thread(target=self._keep, args=(slot, workers), daemon=True) for slot in range(workers)
        ]
        for keeper in self._keepers:
            keeper.start()

    @property
    def slots(self) -> int:
        return len(self._keepers)

    def submit(self, recipe: Recipe) -> None:
        self._open.add(recipe.id)
        self._waiting.put(recipe)

    def as_completed(self) -> Iterator[Event]:
        while self._open:
            event = self._events.get()
            if event.kind in ("done", "failed"):
                self._open.discard(event.id)
            yield event

    def cancel(self) -> None:
        self._closing = True
        for process in list(self._running.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started

    def close(self) -> None:
        for _ in self._keepers:
            self._waiting.put(None)
        for keeper in self._keepers:
            keeper.join()

    def _keep(self, slot: int, workers: int) -> None:
        """Feed one worker with cells, and replace it when it dies."""
        process: subprocess.Popen[str] | None = None
        while (recipe := self._waiting.get()) is not None:
            if self._closing:
                continue
            if process is None or process.poll() is not None:
                process = self._start(slot, workers)
            outcome = self._compute(process, recipe)
            self._events.put(outcome)
        if process is not None and process.stdin is not None:
            process.stdin.close()  # a worker ends when nobody can ask it anything
            process.wait()
        self._running.pop(slot, None)

    def _compute(self, process: subprocess.Popen[str], recipe: Recipe) -> Event:
        assert process.stdin is not None
        assert process.stdout is not None
        log = self._logs / f"{recipe.id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            process.stdin.write(json.dumps({"recipe": recipe.as_json(), "log": str(log)}) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                event = Event(**json.loads(line))
                if event.kind in ("done", "failed"):
                    return event
                self._events.put(event)
        except BrokenPipeError:
            pass  # it died before it could be asked; the exit code tells why
        code = process.wait()
        return Event(
            recipe.id, "failed", text=_cause_of_death(code), details={"log": str(log), "exit_code": code}
        )

    def _start(self, slot: int, workers: int) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        if self.device == "cpu":
            environment |= dict.fromkeys(THREAD_VARIABLES, str(self._threads))
        elif self.device == "cuda":
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            gpus = visible.split(",") if visible else [str(gpu) for gpu in range(cuda_devices())]
            environment["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
            environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what deterministic products need
        processes = max(1, (os.cpu_count() or 1) // workers)
        options = {**self._options, "device": self.device, "processes": processes, "threads": self._threads}
        process = subprocess.Popen(
            [sys.executable, "-m", "meddef_lib.workbook.worker", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=paths.ROOT,
            env=environment,
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        self._running[slot] = process
        return process


def resolve_device(wanted: str) -> str:
    """Say what "auto" is here: cuda, mps or cpu; without torch, whose import costs seconds."""
    if wanted != "auto":
        return wanted
    if cuda_devices():
        return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


def default_workers(device: str, threads: int) -> int:
    """One worker a GPU; on a CPU as many as its cores hold with `threads` each."""
    if device == "cuda":
        return max(1, cuda_devices())
    if device == "mps":
        return 1
    return max(1, available_cores() // threads)


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cuda_devices() -> int:
    """How many NVIDIA GPUs the driver lists (0 without a driver), or `CUDA_VISIBLE_DEVICES` names."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([gpu for gpu in visible.split(",") if gpu.strip() not in ("", "-1")])
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _cause_of_death(code: int) -> str:
    if code == -9:
        return (
            "the worker process was killed (SIGKILL), most likely by the system when memory ran out; "
            "try a smaller evaluation.batch_size or training.batch_size, or fewer --workers"
        )
    if code < 0:
        return f"the worker process was ended by signal {-code}"
    return f"the worker process ended with exit code {code}; its log tells more"
