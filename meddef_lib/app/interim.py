"""The page while a run goes on: rendered anew now and then by a process beside the run.

    python -m meddef_lib.app.interim < the workbook as JSON

renders it once. That process gives way to all others, writes whole files only, and ends with the run; where
it fails, the run says so and goes on.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from meddef_lib import paths
from meddef_lib.app import running
from meddef_lib.app.progress import Watcher
from meddef_lib.app.running import Announcement, Running
from meddef_lib.engine.processes import SECONDS_TO_END, kill_family
from meddef_lib.engine.workers import THREAD_VARIABLES
from meddef_lib.visible import one_line
from meddef_lib.workbook import book as workbooks
from meddef_lib.workbook.book import Workbook

SECONDS_BETWEEN_PAGES = 300
SECONDS_TO_THE_FIRST = 60.0
SECONDS_BETWEEN_NOTES = 5.0
REST = 4  # times what a page took: at most a fifth of the time is spent on pages
NICENESS = 15


@contextmanager
def pages(book: Workbook, every: float, seconds: Mapping[str, float]) -> Iterator[Watcher]:
    """Tell of a run of these cells (id -> estimated seconds), and render its page `every` so many seconds.

    With 0 no page is rendered. Yields what is to be told of the run's events.
    """
    with running.announced(book, seconds) as announcement:
        if announcement is None:  # another run of this workbook does all this
            yield lambda event: None
            return
        beside = _Beside(book, announcement, every)
        try:
            yield announcement.watch
        finally:
            beside.end()


class _Beside:
    """The thread that renews a run's note and has its page rendered, one at a time."""

    def __init__(self, book: Workbook, announcement: Announcement, every: float) -> None:
        self._book, self._announcement, self._every = book, announcement, every
        self._log = book.store.root / "logs/page" / f"{book.report_name}.log"
        self._ended = threading.Event()
        self._lock = threading.Lock()  # between starting a process and ending it
        self._process: subprocess.Popen[bytes] | None = None
        self._said = ""
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Render no more; a process that renders is ended, and leaves nothing half written."""
        with self._lock:
            self._ended.set()
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                kill_family(process.pid)
        self._thread.join()

    def _go_on(self) -> None:
        due = time.monotonic() + min(SECONDS_TO_THE_FIRST, self._every)
        while not self._ended.wait(min(SECONDS_BETWEEN_NOTES, self._every or SECONDS_BETWEEN_NOTES)):
            try:
                self._announcement.tell()
                if self._every and time.monotonic() >= due:
                    began = time.monotonic()
                    self._render()
                    due = time.monotonic() + max(self._every, REST * (time.monotonic() - began))
            except OSError as error:
                self._say(str(error))

    def _render(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self._log.open("wb") as log:
            if self._ended.is_set():
                return
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "meddef_lib.app.interim"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=paths.ROOT,
                env=paths.environment() | dict.fromkeys(THREAD_VARIABLES, "1"),
                start_new_session=True,  # Ctrl-C is the run's to handle
            )
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once: its exit code tells
            process.stdin.write(json.dumps(self._book.as_json()).encode() + b"\n")
            process.stdin.flush()
        code = process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        with self._lock:
            self._process = None  # its number may soon be another's
        if code and not self._ended.is_set():
            self._say(_last_line(self._log) or f"its process ended with exit code {code}")

    def _say(self, why: str) -> None:
        """Say once that a page could not be rendered; a run is no worse for it."""
        if why != self._said:
            self._said = why
            with suppress(OSError):
                print(
                    f"the page could not be rendered while the run goes on ({why}; log: {self._log}); the "
                    "run goes on, and renders it at its end",
                    file=sys.stderr,
                    flush=True,
                )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return one_line(lines[-1]) if lines else ""


# --- the process that renders ---------------------------------------------------------------------


def main() -> None:
    """Render the page of the workbook that the first line of the input says, while its run goes on."""
    os.nice(NICENESS)
    # takes seconds, with all that draws; what raises in the middle of that may come out as another error
    from meddef_lib.app import report_files

    signal.signal(signal.SIGTERM, _end)
    book = workbooks.from_json(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    report_files.write(book, {}, running=lambda: _still_running(book))


def _still_running(book: Workbook) -> Running:
    """The run; where it has ended the page is its own to write."""
    found = running.told(book)
    if found is None:
        raise SystemExit
    return found


def _end(number: int, frame: FrameType | None) -> Any:
    raise SystemExit(128 + number)  # files that are half written are removed on the way


def _end_with_the_run() -> None:
    while os.read(0, 1024):  # until whoever started this process closes the pipe, or is gone
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
