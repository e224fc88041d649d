"""What a person sees while cells are computed: bars in a terminal, plain lines in a log or a notebook."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from meddef_lib.durations import duration
from meddef_lib.engine import store
from meddef_lib.engine.workers import Event

SECONDS_BETWEEN_LINES = 15.0


class Watcher(Protocol):
    """Told of every event of a run."""

    def __call__(self, event: Event) -> None: ...


@contextmanager
def shown(total: int, seconds: Mapping[str, float], stream: TextIO | None = None) -> Iterator[Watcher]:
    """Show a run of `total` cells; `seconds` are the estimates behind the time that is left."""
    stream = stream or sys.stdout
    console = Console(file=stream, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        with _Bars(total, seconds, console) as bars:
            yield bars
    else:
        yield _Lines(total, seconds, stream)


@contextmanager
def steps(stream: TextIO | None = None) -> Iterator[store.Progress]:
    """Show the steps of one long task on stderr: a bar in a terminal, a line now and then in a log."""
    stream = stream or sys.stderr
    console = Console(file=stream, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _StepLines(stream)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # what is printed meanwhile goes where it should, and not to this stream
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bars:
        bar = bars.add_task("", total=None)

        def told(done: int, total: int, text: str = "") -> None:
            bars.update(bar, completed=done, total=total, description=text)

        yield told


class _StepLines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told = time.monotonic()

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            print(f"{text}: {done:,} of {total:,}".removeprefix(": "), file=self._stream, flush=True)


class _Clock:
    """Time left: the estimates of what is not done yet, corrected by how they have held so far."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = seconds
        self._share: dict[str, float] = {}  # of each cell that was begun, how much of it is done
        self._started = time.monotonic()

    def note(self, event: Event) -> None:
        if event.kind == "progress":
            self._share[event.id] = min(1.0, event.done / event.total) if event.total else 0.0
        elif event.kind != "said":
            self._share[event.id] = 1.0

    def left(self) -> str:
        done = sum(self._seconds.get(cell, 0.0) * share for cell, share in self._share.items())
        if not done:
            return ""
        elapsed = time.monotonic() - self._started
        return f"about {duration(elapsed * max(0.0, sum(self._seconds.values()) - done) / done)} left"


class _Lines:
    def __init__(self, total: int, seconds: Mapping[str, float], stream: TextIO) -> None:
        self._total = total
        self._count = 0
        self._stream = stream
        self._clock = _Clock(seconds)
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        self._clock.note(event)
        if event.kind == "progress":
            now = time.monotonic()
            if now - self._told.setdefault(event.id, now) >= SECONDS_BETWEEN_LINES:
                self._told[event.id] = now
                steps = f"{event.done} of {event.total} {event.text}".rstrip()
                self._say(f"        {event.id}: {steps}  {self._clock.left()}".rstrip())
        elif event.kind == "said":
            self._say(f"        {event.text}")
        else:
            self._count += 1
            took = duration(event.details.get("seconds", 0.0)) if event.kind == "done" else event.text
            words = "done in" if event.kind == "done" else "FAILED:"
            self._say(
                f"[{self._count}/{self._total}] {event.id} {words} {took}  {self._clock.left()}".rstrip()
            )

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class _Bars:
    def __init__(self, total: int, seconds: Mapping[str, float], console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),  # brackets in an id or a note are meant
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._progress = Progress(*columns, console=console)
        self._clock = _Clock(seconds)
        self._bars: dict[str, TaskID] = {}
        self._all = self._progress.add_task("all cells", total=total, note="")

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        self._clock.note(event)
        if event.kind == "progress":
            if event.id not in self._bars:
                self._bars[event.id] = self._progress.add_task(event.id, total=event.total, note="")
            self._progress.update(
                self._bars[event.id], completed=event.done, total=event.total, note=event.text
            )
            self._progress.update(self._all, note=self._clock.left())
        elif event.kind == "said":
            self._progress.console.print(event.text, markup=False)
        else:
            if event.id in self._bars:
                self._progress.remove_task(self._bars.pop(event.id))
            if event.kind == "failed":
                self._progress.console.print(Text.assemble(("failed ", "red"), f"{event.id}: {event.text}"))
            self._progress.update(self._all, advance=1, note=self._clock.left())
