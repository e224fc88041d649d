"""The one place where whatever goes wrong in a command becomes a sentence and an exit code.

0 all done; 1 something failed, and the rest is kept; 2 refused before any work; 130 after Ctrl-C; 141 where
whoever read the output has gone. An exception that is none of these is a mistake of this program and ends in
its traceback.
"""

import errno
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import wraps
from typing import ParamSpec, TextIO

from meddef_lib import paths
from meddef_lib.engine.files import room
from meddef_lib.errors import FAILED, INTERRUPTED, READER_GONE, REFUSED, UserError
from meddef_lib.visible import visible

P = ParamSpec("P")
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def command(function: Callable[P, int]) -> Callable[P, int]:
    """A command that returns an exit code however it ends."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> int:
        _open_what_is_closed()
        _write_what_the_terminal_cannot()
        with redirect_stdout(Terminal(sys.stdout)), redirect_stderr(Terminal(sys.stderr)):
            return _ended(lambda: function(*arguments, **options))

    return run


def _ended(function: Callable[[], int]) -> int:
    try:
        with room(f"under {paths.store_root()} or {paths.reports_root()}, or for what is printed"):
            code = function()
            sys.stdout.flush()  # what is still to be written may be refused, too
        return code
    except KeyboardInterrupt:
        return interrupted(typed(sys.argv[1:]))
    except BrokenPipeError:
        _print_no_more()
        return READER_GONE
    except UserError as error:
        return say(str(error), error.exit_code)
    except OSError as error:
        return say(sentence(error), REFUSED if error.errno in NOT_ALLOWED else FAILED)


class Terminal(io.TextIOBase):
    """A standard stream through which nobody's name or title moves the cursor or colours a line.

    Whoever draws, and cleans what others said by itself, writes to `stream`.
    """

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
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"too many files are open ({why}); raise the limit (ulimit -n 4096) or use fewer --workers"
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


def interrupted(command: str) -> int:
    """Say after Ctrl-C how to go on; returns the exit code."""
    print(f"\nInterrupted. What is finished is kept; this goes on from here:\n    {command}")
    return INTERRUPTED


def typed(words: Sequence[str]) -> str:
    """What was typed, for the one who goes on with it."""
    return shlex.join(["invoke", *words])


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
