"""Where cells are computed: worker processes on this machine, side by side, one thread each on a CPU.

An engine has four methods, so that a cluster can stand in its place: `submit`, `as_completed`, `cancel` and
`close`.
Only recipes travel to a worker and only events come back; results lie in the store, which both can see.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from meddef_lib import paths
from meddef_lib.engine.devices import available_cores, gpus_of
from meddef_lib.engine.limits import advice
from meddef_lib.engine.processes import kill_family
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SECONDS_TO_END = 5.0
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

    Fewer workers than GPUs divide them: training one network on several takes a worker that sees several.
    Where a worker dies (a kill, the system out of memory) a new one takes its place and tries its cell once
    more; if that dies, too, the cell has failed, with the signal's name. What a cell prints is in
    `<store>/logs/<id>.log`.
    """

    def __init__(
        self,
        *,
        workers: int,
        threads: int,
        device: str,
        deterministic: bool,
        store: Store,
        prepare: str = "",
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = {
            "device": device,
            "threads": threads,
            "processes": max(1, available_cores() // workers),
            "deterministic": deterministic,
            "store": str(store.root),
            "context": store.context | dict(context or {}),
            "prepare": prepare,
        }
        self._store = store
        self._temporary = ""  # a folder for whatever workers and kernels leave behind when they are killed
        self._logs = store.root / "logs"
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[Recipe | None] = queue.SimpleQueue()
        self._open: set[str] = set()
        self._lock = threading.Lock()  # between starting a worker and cancelling all of them
        self._cancelled = False
        self._running: dict[int, subprocess.Popen[str]] = {}
        self._keepers = [
            threading.Thread(target=self._keep, args=(slot,), daemon=True) for slot in range(workers)
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
        with self._lock:
            self._cancelled = True
            for worker in self._running.values():
                if worker.returncode is None:
                    kill_family(worker.pid)

    def close(self) -> None:
        for _ in self._keepers:
            self._waiting.put(None)
        for keeper in self._keepers:
            keeper.join()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._store.sweep()  # what killed workers left

    def _keep(self, slot: int) -> None:
        """Feed one worker with cells, and replace it when it dies."""
        worker: subprocess.Popen[str] | None = None
        while (recipe := self._waiting.get()) is not None:
            worker, outcome = self._made_by(worker, slot, recipe)
            if "exit_code" in outcome.details and not self._cancelled:
                self._events.put(Event(recipe.id, "said", text=f"{outcome.text}; it is tried once more"))
                worker, outcome = self._made_by(worker, slot, recipe)
            self._events.put(outcome)
        if worker is not None:
            assert worker.stdin is not None
            worker.stdin.close()  # a worker ends when nobody can ask it anything
            _ended(worker)

    def _made_by(
        self, worker: subprocess.Popen[str] | None, slot: int, recipe: Recipe
    ) -> tuple[subprocess.Popen[str] | None, Event]:
        """Have a cell made, by `worker` if it lives; the worker that lives then, and how the cell ended."""
        log = self._logs / f"{recipe.id}.log"
        try:
            begin = log.stat().st_size if log.is_file() else 0
            if worker is not None and worker.poll() is not None:  # it died while it had nothing to do
                _ended(worker)
                worker = None
            if worker is None:
                worker = self._start(slot, log)
            outcome = _ask(worker, recipe, log, begin, self._events.put)
        except Exception as error:  # a keeper that ended here would leave the run waiting for ever
            said = f"the worker could not be asked: {type(error).__name__}: {error}{advice(str(error))}"
            outcome = Event(recipe.id, "failed", text=said, details={"log": str(log)})
            if worker is not None:
                _ended(worker)
        return worker if worker is not None and worker.returncode is None else None, outcome

    def _start(self, slot: int, log: Path) -> subprocess.Popen[str]:
        """Start a worker; what it says before its first cell goes to that cell's `log`."""
        environment = paths.environment()
        if self._options["device"] == "cpu":
            environment |= dict.fromkeys(THREAD_VARIABLES, str(self._options["threads"]))
        elif self._options["device"] == "cuda":
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus_of(slot, self.slots))
            environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what deterministic products need
        log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, log.open("ab") as errors:
            if self._cancelled:
                raise RuntimeError("the run was cancelled")
            if not self._temporary:
                self._temporary = tempfile.mkdtemp(prefix="meddef-")
            environment["TMPDIR"] = self._temporary
            options = self._options | {"temporary": self._temporary}
            self._running[slot] = subprocess.Popen(
                [sys.executable, "-m", "meddef_lib.engine.worker", json.dumps(options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                cwd=paths.ROOT,
                env=environment,
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
            return self._running[slot]


def _ask(
    worker: subprocess.Popen[str], recipe: Recipe, log: Path, begin: int, tell: Callable[[Event], None]
) -> Event:
    """Have a worker make a cell; its news go to `tell`, the last one is returned.

    What the worker wrote to its log stands from the byte `begin` on.
    """
    assert worker.stdin is not None
    assert worker.stdout is not None
    log.parent.mkdir(parents=True, exist_ok=True)
    order = {"recipe": recipe.as_json(), "key": recipe.key, "log": str(log)}
    with contextlib.suppress(BrokenPipeError):  # it died before it could be asked; its exit code tells why
        worker.stdin.write(json.dumps(order) + "\n")
        worker.stdin.flush()
    for line in worker.stdout:
        event = Event(**json.loads(line))
        if event.kind in ("done", "failed"):
            return event
        tell(event)
    code = _ended(worker)
    why = _cause_of_death(code) + (advice(_written(log, begin)) if code != -signal.SIGKILL else "")
    return Event(recipe.id, "failed", text=why, details={"log": str(log), "exit_code": code})


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
        return f"the worker process was ended by {_signal_name(-code)}; its log may tell more"
    return f"the worker process ended with exit code {code}; its log tells more"


def _written(log: Path, begin: int) -> str:
    """The end of what was written to a log from a byte on."""
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - BYTES_OF_A_LOG))
        return file.read().decode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
