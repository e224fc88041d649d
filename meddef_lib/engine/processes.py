"""Ending a process so that nothing it started stays behind."""

import contextlib
import os
import signal

import psutil


def kill_family(pid: int) -> None:
    """Kill the descendants of `pid`, and `pid` itself with the rest of the group that it leads.

    Descendants first: a notebook's kernel leads a group of its own and is found only through its parents.
    """
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        descendants = []
    for process in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a zombie
        os.killpg(pid, signal.SIGKILL)
