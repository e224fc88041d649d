"""Ending a process so that nothing it started stays behind."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

import psutil

SECONDS_TO_END = 5.0


def kill_family(pid: int) -> None:
    """Kill the descendants of `pid`, and `pid` itself with the rest of the group that it leads.

    Descendants first: a notebook's kernel leads a group of its own and is found only through its parents.
    """
    kill_descendants(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a zombie
        os.killpg(pid, signal.SIGKILL)


def kill_descendants(pid: int) -> None:
    """Kill what `pid` started, and what that started."""
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        descendants = []
    for process in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def run_family(words: Sequence[str], **options: Any) -> int:
    """Run a program to its end; returns its exit code.

    Where this process is interrupted, the program is asked to end, and then ended with all that it started.
    """
    process = subprocess.Popen(words, start_new_session=True, **options)
    try:
        return process.wait()
    except BaseException:
        end_family(process)
        raise


def end_family(process: "subprocess.Popen[Any]") -> None:
    """Ask a process that leads a group to end, and then end it with all that it started."""
    started: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.poll() is None:
            started = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_END)
    for left in started:  # found before their parent was gone
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    kill_family(process.pid)
    process.wait()
