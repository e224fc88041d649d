"""Where cells are computed: worker processes on this machine, each with a keeper, one thread each on a CPU.

A keeper asks its process for cells one by one, and replaces it when it dies. Only recipes travel to a worker
and only events come back; results lie in the store, which both can see.
"""

import contextlib
import json
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from meddef_lib import paths
from meddef_lib.engine.devices import available_cores, gpus_of
from meddef_lib.engine.limits import advice
from meddef_lib.engine.processes import SECONDS_TO_END, kill_family
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
BYTES_OF_A_LOG = 10_000  # its end, where a process that dies says why


@dataclass(frozen=True)
class Event:
    """What a worker tells of a cell: `kind` is "progress", "said", "done" or "failed"."""

    id: str
    kind: str
    done: int = 0
    total: int = 0
    text: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Keeper:
    """Has cells made, one at a time, by a worker process with these `options`.

    Where the process dies (a kill, the system out of memory) a new one takes its place and tries its cell
    once more; if that dies, too, the cell has failed, with the signal's name. What a cell prints is in
    `<store>/logs/<id>.log`. News of a cell go to `tell`. `variables` are added to the process's environment.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        tell: Callable[[Event], None],
        variables: Mapping[str, str],
    ) -> None:
        self._options = dict(options)
        self._tell = tell
        self._variables = dict(variables)
        if options["device"] == "cpu":
            self._variables |= dict.fromkeys(THREAD_VARIABLES, str(options["threads"]))
        elif options["device"] == "cuda":
            self._variables["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what deterministic products need
        self._temporary = ""  # the folder of what the process and kernels leave behind when they are killed
        self._lock = threading.Lock()  # between starting a process and ending it
        self._cancelled = False
        self.process: subprocess.Popen[str] | None = None

    def make(self, order: Mapping[str, Any]) -> Event:
        """Have a cell made (`recipe` and `key` of the order); how it ended, "done" or "failed"."""
        name = order["recipe"]["id"]
        log = Path(self._options["store"]) / "logs" / f"{name}.log"
        outcome = self._tried(order, log)
        if "exit_code" in outcome.details and not self._cancelled:
            self._tell(Event(name, "said", text=f"{outcome.text}; it is tried once more"))
            outcome = self._tried(order, log)
        return outcome

    def cancel(self) -> None:
        """End the process, whatever it makes, and start no other one."""
        with self._lock:
            self._cancelled = True
            if self.process is not None and self.process.returncode is None:
                kill_family(self.process.pid)

    def close(self) -> None:
        """End the process, which has nothing to do; nothing of it stays behind."""
        if self.process is not None:
            assert self.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()  # a worker ends when nobody can ask it anything
            self._end()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _tried(self, order: Mapping[str, Any], log: Path) -> Event:
        """Have a cell made by the process that lives, or by a new one."""
        try:
            begin = log.stat().st_size if log.is_file() else 0
            if self.process is not None and self.process.poll() is not None:
                self._end()  # it died while it had nothing to do
            return _ask(self.process or self._start(log), order, log, begin, self._tell)
        except Exception as error:  # a keeper that ended here would leave the run waiting for ever
            said = f"the worker could not be asked: {type(error).__name__}: {error}{advice(str(error))}"
            self._end()
            return Event(order["recipe"]["id"], "failed", text=said, details={"log": str(log)})

    def _end(self) -> None:
        if self.process is not None:
            _ended(self.process)
            self.process = None

    def _start(self, log: Path) -> subprocess.Popen[str]:
        """Start a process; what it says before its first cell goes to that cell's `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, log.open("ab") as errors:
            if self._cancelled:
                raise RuntimeError("the run was cancelled")
            if not self._temporary:
                self._temporary = tempfile.mkdtemp(prefix="meddef-")
            options = self._options | {"temporary": self._temporary}
            self.process = subprocess.Popen(
                [sys.executable, "-m", "meddef_lib.engine.worker", json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                cwd=paths.ROOT,
                env=paths.environment() | self._variables | {"TMPDIR": self._temporary},
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
            return self.process


def _ask(
    worker: subprocess.Popen[str],
    order: Mapping[str, Any],
    log: Path,
    begin: int,
    tell: Callable[[Event], None],
) -> Event:
    """Have a worker make a cell; its news go to `tell`, the last one is returned.

    What the worker wrote to its log stands from the byte `begin` on.
    """
    assert worker.stdin is not None
    assert worker.stdout is not None
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(BrokenPipeError):  # it died before it could be asked; its exit code tells why
        worker.stdin.write(json.dumps({**order, "log": str(log)}) + "\n")
        worker.stdin.flush()
    for line in worker.stdout:
        event = Event(**json.loads(line))
        if event.kind in ("done", "failed"):
            return event
        tell(event)
    code = _ended(worker)
    why = _cause_of_death(code) + (advice(_written(log, begin)) if code != -signal.SIGKILL else "")
    return Event(order["recipe"]["id"], "failed", text=why, details={"log": str(log), "exit_code": code})


def _ended(worker: subprocess.Popen[str]) -> int:
    """Wait for a worker that ends, and end what is left of its group; returns its exit code."""
    with contextlib.suppress(subprocess.TimeoutExpired):  # it closes its pipe a little before it ends
        worker.wait(SECONDS_TO_END)
    kill_family(worker.pid)
    code = worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):  # of an order that nobody took
            pipe.close()
    return code


def _cause_of_death(code: int) -> str:
    if code == -signal.SIGKILL:
        return (
            "the worker process was killed (SIGKILL), most likely by the system when memory ran out; "
            "try a smaller evaluation.batch_size or training.batch_size, or fewer --workers"
        )
    if code < 0:
        ended = f"{signal.strsignal(-code)} (signal {-code})"  # one of real time has no name of its own
        return f"the worker process was ended by {ended}; its log may tell more"
    return f"the worker process ended with exit code {code}; its log tells more"


def _written(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - BYTES_OF_A_LOG))
        return file.read().decode(errors="replace")


class Engine(Protocol):
    """What the scheduler asks of whoever computes cells."""

    @property
    def slots(self) -> int:
        """How many cells are computed at once."""

    def submit(self, recipe: Recipe, rank: float = 0.0) -> None:
        """Have a cell computed whose inputs are all there; a higher `rank` goes first where some wait."""

    def as_completed(self) -> Iterator[Event]:
        """Events of submitted cells, as they come, until each is done or failed."""

    def cancel(self) -> None:
        """Give up what is running; results that are whole stay."""

    def close(self) -> None:
        """End every worker."""


class LocalEngine:
    """Worker processes on this machine, each with these `options` (see `engine.worker`).

    Fewer workers than GPUs divide them: training one network on several takes a worker that sees several.
    """

    def __init__(self, store: Store, options: Mapping[str, Any], workers: int) -> None:
        processes = max(1, available_cores() // workers)
        options = {**options, "store": str(store.root), "processes": processes}
        self._store = store
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._idle: queue.LifoQueue[Keeper] = queue.LifoQueue()  # who was last at work has all imported
        self._open: set[str] = set()
        self._keepers = [
            Keeper(options, self._events.put, _of_slot(slot, workers, options["device"]))
            for slot in range(workers)
        ]
        for keeper in self._keepers:
            self._idle.put(keeper)
        self._threads = ThreadPoolExecutor(workers)

    @property
    def slots(self) -> int:
        return len(self._keepers)

    def submit(self, recipe: Recipe, rank: float = 0.0) -> None:
        self._open.add(recipe.id)
        self._threads.submit(self._make, recipe)

    def as_completed(self) -> Iterator[Event]:
        while self._open:
            event = self._events.get()
            if event.kind in ("done", "failed"):
                self._open.discard(event.id)
            yield event

    def cancel(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for keeper in self._keepers:
            keeper.close()
        self._store.sweep()  # what killed workers left

    def _make(self, recipe: Recipe) -> None:
        keeper = self._idle.get()
        self._events.put(keeper.make(recipe.order()))
        self._idle.put(keeper)


def _of_slot(slot: int, workers: int, device: str) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus_of(slot, workers))} if device == "cuda" else {}
