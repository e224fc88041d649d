"""A run tells of itself while it goes on: how far it is, what is left and what failed; and who reads it.

It holds a key of its own in the store, which is let go of when its process dies, and renews a note there:
whoever sees the store, on this machine or another, knows that it runs.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meddef_lib.app.exits import command
from meddef_lib.app.options import Texts, workbook_of
from meddef_lib.app.progress import Clock
from meddef_lib.durations import duration
from meddef_lib.engine import sealed
from meddef_lib.engine.locks import process_name
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.scheduler import CellStatus, status_of
from meddef_lib.engine.workers import Event
from meddef_lib.errors import DONE
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.notebooks import cells_and_pages

FOLDER = "running"  # in the store: a note a run
SECONDS_BETWEEN_LOOKS = 10  # of `status --watch`


@dataclass(frozen=True)
class Running:
    """A run that goes on."""

    by: str  # the process, such as "process 12 on host"
    cells: tuple[str, ...]  # the ids of those that it set out to make
    made: int = 0
    left_seconds: float | None = None  # None where nothing is known
    failures: tuple[CellStatus, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {
            "by": self.by,
            "made": self.made,
            "of": len(self.cells),
            "left_seconds": self.left_seconds,
            "rendered": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }

    def to_come(self, book: Workbook) -> set[str]:
        """The cells that it is still to make: what failed and what needs that will not come."""
        failed = {failure.id for failure in self.failures}
        every, mine = cells_and_pages(book), set(self.cells)
        return {
            name
            for name, recipe in every.items()
            if name in mine and not book.store.has(recipe)
            if not failed & {inner.id for inner in recipe.with_inputs()}
        }


class Announcement:
    """What a run says of itself, kept up to date by the events of its cells."""

    def __init__(self, file: Path, cells: Mapping[str, float]) -> None:
        self._file = file
        self._cells = tuple(cells)
        self._clock = Clock(cells)
        self._failures: list[CellStatus] = []
        self._made = 0

    def watch(self, event: Event) -> None:
        """Note what became of a cell."""
        self._clock.note(event)
        self._made += event.kind == "done"
        if event.kind == "failed":
            self._failures.append(status_of(event))

    def tell(self) -> None:
        now = Running(
            process_name(), self._cells, self._made, self._clock.seconds_left(), tuple(self._failures)
        )
        self._file.parent.mkdir(parents=True, exist_ok=True)
        sealed.write(self._file, asdict(now))


@contextmanager
def announced(book: Workbook, cells: Mapping[str, float]) -> Iterator[Announcement | None]:
    """Tell of a run that makes these cells (id -> estimated seconds) until the block ends.

    None where another process tells of a run of the same workbook already.
    """
    file = _file(book)
    with book.store.locks.if_free(_key(book)) as first:
        if not first:
            yield None
            return
        found = Announcement(file, cells)
        found.tell()
        try:
            yield found
        finally:
            with suppress(OSError):  # a note that nobody holds the key of counts for nothing
                file.unlink(missing_ok=True)
                file.parent.rmdir()  # unless another run's note is there


def told(book: Workbook) -> Running | None:
    """The run of this workbook that goes on; None where none does."""
    note = sealed.read(_file(book))
    if note is None or not book.store.locks.is_held(_key(book)):
        return None
    failures = tuple(CellStatus(**failure) for failure in note["failures"])
    return Running(**{**note, "cells": tuple(note["cells"]), "failures": failures})


def _key(book: Workbook) -> str:
    return f"run-{book.report_name}"


def _file(book: Workbook) -> Path:
    return book.store.root / FOLDER / f"{book.report_name}.json"


@command
def status(
    profile: str = "smoke",
    dataset: Texts = None,
    data_root: str | None = None,
    set: Texts = None,
    why: bool = False,
    watch: bool = False,
) -> int:
    """Count which steps are there, damaged, stale or missing, and say it of each; or watch a run."""
    book = workbook_of(profile, dataset, data_root, set)
    if watch:
        _watch(book)
    states = {recipe.id: book.store.state(recipe) for recipe in cells_and_pages(book).values()}
    print(_by_state(state.state for state in states.values()))
    for id, state in states.items():
        print(f"{state.state:8} {id}")
        if why or state.state == "damaged":
            for change in state.changed:
                print(f"         {change}")
    if any(state.state == "damaged" for state in states.values()):
        print(f"What is damaged is made anew by: {book.command}")
    return DONE


def _watch(book: Workbook) -> None:
    """Print the summary every few seconds, until this process is interrupted."""
    cells = cells_and_pages(book)
    while True:
        print(time.strftime("%H:%M:%S "), summary(book, cells), sep="", flush=True)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _by_state(states: Iterable[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(Counter(states).items()))


def summary(book: Workbook, cells: Mapping[str, Recipe]) -> str:
    """Cells by state, the time that is left, and what is made now, by whom: as lines."""
    run = told(book)
    said = _by_state(book.store.state(recipe).state for recipe in cells.values())
    if run is None:
        said += "; no run goes on"
    else:
        said += f"; {run.by} has made {run.made} of {len(run.cells)}"
        said += f", {len(run.failures)} failed" if run.failures else ""
        said += f", about {duration(run.left_seconds)} left" if run.left_seconds is not None else ""
    locks = book.store.locks
    held = locks.keys()
    making = {
        name: by
        for name, recipe in cells.items()
        if recipe.key in held and (by := locks.holder_of(recipe.key)) is not None
    }
    return "\n".join([said, *(f"          {name}, by {by}" for name, by in making.items())])
