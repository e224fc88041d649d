"""The one place where whatever goes wrong in a command becomes a sentence and an exit code.

0 all done; 1 something failed, and the rest is kept; 2 refused before any work; 130 after Ctrl-C, 143 after
SIGTERM (which a scheduler sends when the time is up), 129 after SIGHUP (a closed terminal), 141 where whoever
read the output has gone: 128 and the signal's number, as shells count. An exception that is none of these is
a mistake of this program and ends in its traceback.
"""

import errno
import getpass
import io
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import ParamSpec, TextIO

from meddef_lib import paths
from meddef_lib.engine.limits import within_limits
from meddef_lib.errors import FAILED, HUNG_UP, INTERRUPTED, READER_GONE, REFUSED, TERMINATED, UserError
from meddef_lib.visible import visible

P = ParamSpec("P")
GOES_ON = "What is finished is kept; this goes on from here"
ANEW = "Nothing half done is left; this begins anew"
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
ENDING = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGHUP: HUNG_UP}
SECONDS_TO_END = 20.0  # while a run ends, more of these signals change nothing; a run that hangs hears them
SECONDS_TO_SEND_AGAIN = 0.05  # a signal whose exception Python dropped


class Ended(KeyboardInterrupt):
    """A signal asked the command to end; travels as Ctrl-C does, which is one of them."""

    def __init__(self, number: signal.Signals = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


def command(function: Callable[P, int], *, after: str = GOES_ON) -> Callable[P, int]:
    """A command that returns an exit code however it ends; `after` a signal it says what it does when it is
    called again.
    """

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> int:
        _open_what_is_closed()
        _write_what_the_terminal_cannot()
        out, err = redirect_stdout(Terminal(sys.stdout)), redirect_stderr(Terminal(sys.stderr))
        with out, err, _ended_by_signals() as heard, _without_torchs_folder():
            return run_to_the_end(heard, *arguments, **options)

    def run_to_the_end(heard: "list[signal.Signals]", /, *arguments: P.args, **options: P.kwargs) -> int:
        try:
            where = f"under {paths.store_root()} or {paths.reports_root()}, or for what is printed"
            with within_limits(where):
                code = function(*arguments, **options)
                sys.stdout.flush()  # what is still to be written may be refused, too
            return code
        except KeyboardInterrupt as end:
            return interrupted(end, typed(sys.argv[1:]), after)
        except BrokenPipeError:
            _print_no_more()
            return ENDING[heard[0]] if heard else READER_GONE
        except UserError as error:
            return say(str(error), error.exit_code)
        except OSError as error:
            if heard:  # a terminal that was closed refuses what is said while the run ends
                return interrupted(Ended(heard[0]), typed(sys.argv[1:]), after)
            return say(sentence(error), REFUSED if error.errno in NOT_ALLOWED else FAILED)

    return run


class Terminal(io.TextIOBase):
    """A standard stream through which no name or title moves the cursor; who draws writes to `stream`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def write(self, text: str) -> int:
        self.stream.write(visible(text))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()


def say(text: str, code: int) -> int:
    """Print a sentence on stderr; returns the exit code. Nothing is said where stderr is gone as well."""
    try:
        sys.stdout.flush()
    except OSError:
        _print_no_more()
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
    return code


def sentence(error: OSError) -> str:
    """What the system refused: on which file, why, and what to do."""
    where = str(error.filename or "")
    why = error.strerror or str(error)
    if error.errno in NOT_ALLOWED:
        return (
            f"the system does not allow what is needed on {where or 'a file'} ({why}); look at who owns it, "
            "or name other folders with MEDDEF_STORE, MEDDEF_REPORTS or --data-root"
        )
    return f"the system refused: {why}{f' ({where})' if where else ''}"


def agreed(question: str) -> bool:
    """Ask at the keyboard; no where nobody is there to answer."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def interrupted(end: KeyboardInterrupt, command: str, after: str = GOES_ON) -> int:
    """Say after a signal how to go on, or begin anew; returns the exit code."""
    number = end.number if isinstance(end, Ended) else signal.SIGINT
    how = "Interrupted" if number == signal.SIGINT else f"Ended by {number.name}"
    try:
        print(f"\n{how}. {after}:\n    {command}", flush=True)
    except OSError:  # of a terminal that was closed
        _print_no_more()
    return ENDING[number]


def typed(words: Sequence[str]) -> str:
    """What was typed, for the one who goes on with it."""
    return shlex.join(["invoke", *words])


@contextmanager
def _ended_by_signals() -> Iterator[list[signal.Signals]]:
    """Raise Ended at a signal that asks this process to end; yields the list of those that were heard.

    What the process was started to ignore (by `nohup`, or in the background) it goes on to ignore. Where
    Python drops what is raised (in a `__del__`, or when a weak reference dies), the signal is sent again.
    """
    heard: list[signal.Signals] = []
    deaf_until = 0.0

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        nonlocal deaf_until
        if not isinstance(dropped.exc_value, Ended):
            drops(dropped)
            return
        heard.clear()
        deaf_until = 0.0
        later = threading.Timer(SECONDS_TO_SEND_AGAIN, os.kill, (os.getpid(), dropped.exc_value.number))
        later.daemon = True
        later.start()

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal deaf_until
        if time.monotonic() >= deaf_until:
            deaf_until = time.monotonic() + SECONDS_TO_END
            heard.append(signal.Signals(number))
            raise Ended(heard[-1])

    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in ours:
        signal.signal(number, end)
    drops, sys.unraisablehook = sys.unraisablehook, again
    try:
        yield heard
    finally:
        sys.unraisablehook = drops
        for number in ours:  # one that ends need not hear it again
            signal.signal(number, signal.SIG_IGN if heard else before[number])


@contextmanager
def _without_torchs_folder() -> Iterator[None]:
    """Remove at the end the folder that torch makes among temporary files when it is imported, if empty."""
    yield
    if "torch" in sys.modules:
        with suppress(OSError):
            (Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}").rmdir()


def _open_what_is_closed() -> None:
    """Give a program that was started without a standard stream one that leads nowhere, and so its children.

    The next file to be opened would otherwise take its number, and whatever a child prints.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _write_what_the_terminal_cannot() -> None:
    """Let a terminal of few characters show a name with others escaped, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _print_no_more() -> None:
    """Point standard output at nothing: Python would otherwise complain of it once more when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
