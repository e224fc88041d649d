"""What a person sees while cells are computed: bars in a terminal or a notebook, plain lines in a log."""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from typing import IO, Any

from rich import progress
from rich.console import Console
from rich.progress import TextColumn
from rich.text import Text

from meddef_lib.durations import duration
from meddef_lib.engine.recipe import Progress
from meddef_lib.engine.workers import Event
from meddef_lib.visible import visible

SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_DRAWINGS = 0.5
CELL_WIDTH = 110  # characters of the bars in the output of a notebook
CELL_HTML = '<pre style="white-space:pre;overflow-x:auto;line-height:normal">{}</pre>'

Watcher = Callable[[Event], None]  # told of every event of a run


class Clock:
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

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def seconds_left(self) -> float | None:
        """Seconds by the clock until the last cell ends; None before anything is done."""
        share = self._share.copy()  # which another thread may be adding to
        done = sum(self._seconds.get(cell, 0.0) * part for cell, part in share.items())
        if not done:
            return None
        return self.elapsed() * max(0.0, sum(self._seconds.values()) - done) / done

    def left(self) -> str:
        seconds = self.seconds_left()
        return "" if seconds is None else f"about {duration(seconds)} left"


@contextmanager
def shown(total: int, seconds: Mapping[str, float], stream: IO[str] | None = None) -> Iterator[Watcher]:
    """Show a run of `total` cells; `seconds` are the estimates behind the time that is left."""
    in_cell = stream is None and _in_notebook()
    console = _console(stream or sys.stdout, color_system=None if in_cell else "auto", soft_wrap=in_cell)
    if not (in_cell or _draws(console)):
        yield _of_visible(_lines(total, Clock(seconds), console.file))
        return
    clock, bars = Clock(seconds), progress.Progress(*_columns("note"), console=console)
    whole = bars.add_task("all steps", total=total, note="")
    cells: dict[str, progress.TaskID] = {}

    def watch(event: Event) -> None:
        clock.note(event)
        if event.kind == "progress":
            if event.id not in cells:
                cells[event.id] = bars.add_task(event.id, total=event.total, note="")
            bars.update(cells[event.id], completed=event.done, total=event.total, note=event.text)
            bars.update(whole, note=clock.left())
        elif event.kind == "said":
            bars.console.print(event.text, markup=False)
        else:
            if event.id in cells:
                bars.remove_task(cells.pop(event.id))
            if event.kind == "failed":
                bars.console.print(Text.assemble(("failed ", "red"), f"{event.id}: {event.text}"))
            bars.update(whole, advance=1, note=clock.left())

    with _in_cell(bars) if in_cell else bars:
        try:
            yield _of_visible(watch)
        finally:
            bars.update(whole, note="")  # also where some will never be made


@contextmanager
def steps(stream: IO[str] | None = None) -> Iterator[Progress]:
    """Show the steps of one long task on stderr: a bar in a terminal, a line now and then in a log."""
    console = _console(stream or sys.stderr)
    last = time.monotonic()

    def line(done: int, total: int, text: str = "") -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            said = f"{visible(text)}: {done:,} of {total:,}".removeprefix(": ")
            print(said, file=console.file, flush=True)

    if not _draws(console):
        yield line
        return
    # what is printed meanwhile goes where it should, and not to this stream
    with progress.Progress(*_columns(), console=console, transient=True, redirect_stdout=False) as bars:
        bar = bars.add_task("", total=None)
        yield lambda done, total, text="": bars.update(
            bar, completed=done, total=total, description=visible(text)
        )


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


@contextmanager
def _in_cell(bars: progress.Progress) -> Iterator[None]:
    """Draw bars in a cell's output, again and again: they tell the time, and move while no step ends."""
    from IPython.display import display

    stopped = threading.Event()

    def drawn() -> dict[str, str]:
        # without rich's colours: some cannot be read in a dark theme
        text = io.StringIO()
        _console(text, color_system=None, width=CELL_WIDTH).print(bars.get_renderable())
        return {"text/html": CELL_HTML.format(escape(text.getvalue())), "text/plain": text.getvalue()}

    def tell() -> None:
        while not stopped.wait(SECONDS_BETWEEN_DRAWINGS):
            handle.update(drawn(), raw=True)

    handle = display(drawn(), raw=True, display_id=True)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        stopped.set()
        teller.join()
        handle.update(drawn(), raw=True)


def _console(stream: IO[str], **settings: Any) -> Console:
    """A console on a stream itself, not on `exits.Terminal`, which would show its drawing as escapes.

    Also in a notebook, where rich would put an output of its own for each line.
    """
    return Console(file=getattr(stream, "stream", stream), highlight=False, force_jupyter=False, **settings)


def _of_visible(watch: Watcher) -> Watcher:
    """The watcher, told of what others said as it may be printed."""
    return lambda event: watch(replace(event, text=visible(event.text)))


def _draws(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


def _columns(*fields: str) -> list[progress.ProgressColumn]:
    """What a bar shows; brackets in an id or a note are meant."""
    return [
        TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        *(TextColumn(f"{{task.fields[{field}]}}", markup=False) for field in fields),
    ]


def _lines(total: int, clock: Clock, stream: IO[str]) -> Watcher:
    """A line a finished cell, and now and then one of a cell that takes long."""
    ended = 0
    told: dict[str, float] = {}

    def say(text: str) -> None:
        print(text.rstrip(), file=stream, flush=True)

    def watch(event: Event) -> None:
        nonlocal ended
        clock.note(event)
        if event.kind == "progress":
            now = time.monotonic()
            if now - told.setdefault(event.id, now) >= SECONDS_BETWEEN_LINES:
                told[event.id] = now
                steps = f"{event.done} of {event.total} {event.text}".rstrip()
                say(f"        {event.id}: {steps}  {clock.left()}")
        elif event.kind == "said":
            say(f"        {event.text}")
        else:
            ended += 1
            took = f"done in {duration(event.details.get('seconds', 0.0))}"
            how = took if event.kind == "done" else f"FAILED: {event.text}"
            say(f"[{ended}/{total}] {event.id} {how}  {clock.left()}")

    return watch
