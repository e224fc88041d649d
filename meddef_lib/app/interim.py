"""The page while a run goes on: rendered anew now and then by `invoke report`, a process beside the run.

That process gives way to all others, writes whole files only, and ends with the run; where it fails, the run
says so and goes on.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from meddef_lib import paths
from meddef_lib.app import running
from meddef_lib.app.progress import Watcher
from meddef_lib.app.running import Announcement
from meddef_lib.engine.processes import end_family
from meddef_lib.engine.workers import THREAD_VARIABLES
from meddef_lib.visible import one_line
from meddef_lib.workbook.book import Workbook

SECONDS_BETWEEN_PAGES = 300
SECONDS_TO_THE_FIRST = 60.0
SECONDS_BETWEEN_NOTES = 5.0
REST = 4  # times what a page took: at most a fifth of the time is spent on pages
NICENESS = 15


@contextmanager
def pages(book: Workbook, every: float, seconds: Mapping[str, float]) -> Iterator[Watcher]:
    """Tell of a run of these cells (id -> estimated seconds), and render its page `every` so many seconds.

    With 0 no page is rendered, nor one of given weights, which no report can be asked for. Yields what is to
    be told of the run's events.
    """
    with running.announced(book, seconds) as announcement:
        if announcement is None:  # another run of this workbook does all this
            yield lambda event: None
            return
        ended = threading.Event()
        told = (book, announcement, 0 if book.given else every, ended)
        beside = threading.Thread(target=_beside, args=told, daemon=True)
        beside.start()
        try:
            yield announcement.watch
        finally:
            ended.set()
            beside.join()


def _beside(book: Workbook, announcement: Announcement, every: float, ended: threading.Event) -> None:
    """Renew a run's note and have its page rendered, one at a time, until the run has ended."""
    log = book.store.root / "logs/page" / f"{book.report_name}.log"
    process: subprocess.Popen[bytes] | None = None
    began = time.monotonic()
    due = began + min(SECONDS_TO_THE_FIRST, every)
    said = ""
    while not ended.wait(min(SECONDS_BETWEEN_NOTES, every or SECONDS_BETWEEN_NOTES)):
        why, now = "", time.monotonic()
        try:
            announcement.tell()
            if process is not None and (code := process.poll()) is not None:
                why = (_last_line(log) or f"its process ended with exit code {code}") if code else ""
                process, due = None, now + max(every, REST * (now - began))
            if process is None and every and now >= due:
                process, began = _render(book, log), now
        except OSError as error:
            why = str(error)
        if why and why != said:
            said = why
            _say(why, log)
    if process is not None:
        end_family(process)


def _render(book: Workbook, log: Path) -> subprocess.Popen[bytes]:
    """Begin to render the page of a workbook; what is said of it goes to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "invoke", "report", *book.options],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=paths.ROOT,
            env=paths.environment() | dict.fromkeys(THREAD_VARIABLES, "1"),
            start_new_session=True,  # Ctrl-C is the run's to handle
        )
    with suppress(psutil.Error):  # it ended at once: its exit code tells
        psutil.Process(process.pid).nice(NICENESS)
    return process


def _say(why: str, log: Path) -> None:
    """Say that a page could not be rendered; a run is no worse for it."""
    with suppress(OSError):
        print(
            f"the page could not be rendered while the run goes on ({why}; log: {log}); the run goes on, and "
            "renders it at its end",
            file=sys.stderr,
            flush=True,
        )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return one_line(lines[-1]) if lines else ""
