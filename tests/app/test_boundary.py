"""However the system refuses, a command ends in a sentence and a documented exit code."""

import ctypes
import errno
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from invoke import Collection

import tasks
from meddef_lib import paths
from meddef_lib.app import boundary
from meddef_lib.engine.files import NoRoomLeft, room
from meddef_lib.errors import FAILED, INTERRUPTED, READER_GONE, REFUSED, UserError

# every task of `invoke --list` with what it needs to get to its work; `check` and `lab` start other programs
COMMANDS = {
    "status": ["--profile", "mini"],
    "plan": ["--profile", "mini"],
    "report": ["--profile", "mini"],
    "reproduce": ["--profile", "mini", "--only", "00", "--workers", "1"],
    "accept": ["train", "--profile", "mini", "--reason", "why"],
    "evaluate": ["--weights", "none.safetensors", "--variant", "full", "--dataset", "roct"],
    "clean": ["--stale", "--yes"],
    "doctor": [],
    "audit": ["--dataset", "chest_xray"],
    "audit-paper": [],
    "fetch": ["--dataset", "roct"],
    "bench": ["nothing"],
}
LEFT_OUT = {"check", "lab"}


CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24  # linux/capability.h, linux/prctl.h


def allowed_no_more_than_modes_say():
    """Let a program that root starts be refused what file modes refuse."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def allowed_no_file_of_any_size():
    """As on a full disk: whatever is written to a file is refused."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def invoke(*words, folder, output=subprocess.PIPE, before=None, **environment):
    env = os.environ | {"MEDDEF_STORE": f"{folder}/store", "MEDDEF_REPORTS": f"{folder}/reports"}
    env = env | {"PYTHONPATH": str(paths.ROOT), "PYTHONWARNINGS": "ignore"} | environment
    env.pop("MEDDEF_DATA", None)
    command = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(
        command,
        cwd=paths.ROOT,
        env=env,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=before,
    )


def test_every_task_is_tried():
    assert Collection.from_module(tasks).tasks.keys() == COMMANDS.keys() | LEFT_OUT


@contextmanager
def full_output(folder):
    with Path("/dev/full").open("w") as stream:
        yield {"folder": folder, "output": stream}


@contextmanager
def closed_pipe(folder):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield {"folder": folder, "output": stream}


@contextmanager
def store_that_is_a_file(folder):
    (folder / "store").write_text("")
    yield {"folder": folder}


@contextmanager
def read_only_folders(folder):
    for name in ("store", "reports"):
        (folder / name).mkdir(mode=0o555)
    yield {"folder": folder, "before": allowed_no_more_than_modes_say}


@contextmanager
def full_disk(folder):
    yield {"folder": folder, "before": allowed_no_file_of_any_size}


@contextmanager
def no_home(folder):
    yield {"folder": folder, "HOME": "/nonexistent", "MEDDEF_STORE": "~nobody-at-all/store"}


@contextmanager
def links_in_a_circle(folder):
    (folder / "store").symlink_to("reports")
    (folder / "reports").symlink_to("store")
    yield {"folder": folder}


@contextmanager
def ascii_output(folder):
    yield {"folder": folder / "Köln", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}


@pytest.mark.parametrize(
    "how",
    [
        full_output,
        full_disk,
        closed_pipe,
        read_only_folders,
        store_that_is_a_file,
        no_home,
        links_in_a_circle,
        ascii_output,
    ],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_ends_in_a_traceback(name, how, tmp_path):
    with how(tmp_path) as conditions:
        ended = invoke(name, *COMMANDS[name], **conditions)
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (0, FAILED, REFUSED, READER_GONE), ended.stderr
    if ended.returncode in (FAILED, REFUSED) and name != "doctor":
        assert ended.stderr.strip(), "a refusal says why"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_started_without_a_standard_stream_ends_as_ever(closed, tmp_path):
    """As some schedulers start programs; the files that it opens must not take the stream's place."""
    command = [sys.executable, "-m", "invoke", "status", "--profile", "mini"]
    env = os.environ | {
        "MEDDEF_STORE": str(tmp_path),
        "PYTHONPATH": str(paths.ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    ended = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
        cwd=paths.ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such profile"), REFUSED, "no such profile"),
        (NoRoomLeft("no room left"), FAILED, "no room left"),
        (OSError(errno.ENOSPC, "No space left on device"), FAILED, "no room left under"),
        (OSError("10 requested and 0 written"), FAILED, "no room left under"),
        (
            PermissionError(errno.EACCES, "Permission denied", "records"),
            REFUSED,
            "records (Permission denied)",
        ),
        (OSError(errno.EMFILE, "Too many open files"), FAILED, "ulimit -n"),
        (OSError(errno.EIO, "Input/output error", "disk"), FAILED, "Input/output error (disk)"),
        (KeyboardInterrupt(), INTERRUPTED, ""),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(error, code, said, capsys):
    @boundary.command
    def fail() -> int:
        raise error

    assert fail() == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("where", ["out", "err"])
def test_what_others_call_things_moves_no_cursor(where, capsys):
    @boundary.command
    def tell() -> int:
        if where == "out":
            print("\x1b[2Jname\u202e")
            return 0
        raise UserError("\x1b[2Jname\u202e")

    assert tell() == (0 if where == "out" else REFUSED)
    assert getattr(capsys.readouterr(), where) == "\\u001b[2Jname\\u202e\n"


def test_a_mistake_of_the_program_keeps_its_traceback():
    @boundary.command
    def fail() -> int:
        raise ZeroDivisionError("a mistake")

    with pytest.raises(ZeroDivisionError):
        fail()


@pytest.mark.parametrize(
    "text",
    [
        "database or disk is full",
        "I/O error: No space left on device (os error 28)",
        "9 requested and 0 written",
    ],
)
def test_a_full_disk_is_known_in_every_librarys_words(text):
    with pytest.raises(NoRoomLeft), room("here"):
        raise RuntimeError(text)
