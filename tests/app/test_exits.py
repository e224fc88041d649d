"""However the system refuses, a command ends in a sentence and a documented exit code."""

import errno
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from invoke import Collection

import tasks
from meddef_lib import paths
from meddef_lib.app import commands, exits
from meddef_lib.engine.limits import NoRoomLeft
from meddef_lib.errors import FAILED, HUNG_UP, INTERRUPTED, READER_GONE, REFUSED, TERMINATED, UserError
from tests.privileges import allowed_no_more_than_modes_say
from tests.processes import require_gone, wait_for
from tests.toys import LONG_RUN

# every task of `invoke --list` with what it needs to get to its work; `check` and `lab` start other programs
COMMANDS = {
    "status": ["--profile", "mini"],
    "plan": ["--profile", "mini"],
    "report": ["--profile", "mini"],
    "reproduce": ["--profile", "mini", "--only", "00", "--workers", "1"],
    "accept": ["train", "--profile", "mini", "--reason", "why"],
    "evaluate": ["--weights", "none.safetensors", "--variant", "full", "--dataset", "roct"],
    "export": ["mini.zip", "--profile", "mini"],
    "import": ["none.zip"],
    "verify": [],
    "clean": ["--stale", "--yes"],
    "doctor": [],
    "audit": ["--dataset", "chest_xray"],
    "audit-paper": [],
    "fetch": ["--dataset", "roct"],
    "bench": ["nothing"],
    "slurm": ["--profile", "mini", "--gpus", "2"],
    "worker": [
        "--device",
        "cpu",
    ],  # these two would run on: what else they come to, the tests of a cluster try
    "scheduler": ["--port", "none"],
}
LEFT_OUT = {"check", "lab"}


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


CONDITIONS = (full_output, full_disk, closed_pipe, read_only_folders)
# met before a command begins its work: one command shows what all do, and `-m exhaustive` tries them all
BEFORE_ANY_WORK = (store_that_is_a_file, no_home, links_in_a_circle, ascii_output)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in COMMANDS for how in CONDITIONS),
        *(("status", how) for how in BEFORE_ANY_WORK),
        *(
            pytest.param(name, how, marks=pytest.mark.exhaustive)
            for name in sorted(COMMANDS.keys() - {"status"})
            for how in BEFORE_ANY_WORK
        ),
    ],
)
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
        (OSError(errno.EFBIG, "File too large"), FAILED, "ulimit -f"),
        (MemoryError(), FAILED, "no more memory"),
        (OSError(errno.EIO, "Input/output error", "disk"), FAILED, "Input/output error (disk)"),
        (KeyboardInterrupt(), INTERRUPTED, ""),
        (exits.Ended(signal.SIGTERM), TERMINATED, ""),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(error, code, said, capsys):
    @exits.command
    def fail() -> int:
        raise error

    assert fail() == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("where", ["out", "err"])
def test_what_others_call_things_moves_no_cursor(where, capsys):
    @exits.command
    def tell() -> int:
        if where == "out":
            print("\x1b[2Jname\u202e")
            return 0
        raise UserError("\x1b[2Jname\u202e")

    assert tell() == (0 if where == "out" else REFUSED)
    assert getattr(capsys.readouterr(), where) == "\\u001b[2Jname\\u202e\n"


@pytest.mark.parametrize(("name", "again"), [("export", "begins anew"), ("reproduce", "goes on from here")])
def test_an_interrupted_command_says_what_it_does_when_it_is_called_again(name, again, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "workbook_of", interrupt)
    assert getattr(commands, name)(**({"file": "a.zip"} if name == "export" else {})) == INTERRUPTED
    assert again in capsys.readouterr().out


def test_a_mistake_of_the_program_keeps_its_traceback():
    @exits.command
    def fail() -> int:
        raise ZeroDivisionError("a mistake")

    with pytest.raises(ZeroDivisionError):
        fail()


# --- signals --------------------------------------------------------------------------------------

RUN = f"""{LONG_RUN}
from meddef_lib.app import exits
sys.exit(exits.command(run)())
"""


@pytest.fixture
def run_at_work(toy, tmp_path):
    """Starts a run of two cells that take long; once they are at work: the run and its processes."""
    (tmp_path / "temporary").mkdir()
    pids = [tmp_path / "pids.0", tmp_path / "pids.1"]
    started = []

    def start(output=subprocess.PIPE, before=None):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "store"), str(tmp_path / "pids")],
            cwd=paths.ROOT,
            env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=before or hears_every_signal,
        )
        started.append(process)

        def begun():
            assert process.poll() is None, process.stdout and process.stdout.read()
            return all(file.is_file() for file in pids)

        wait_for(begun)
        return process, [pid for file in pids for pid in json.loads(file.read_text())]

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def hears_every_signal():
    """Tests that were started in the background have SIGINT ignored, and hand that on."""
    for number in exits.ENDING:
        signal.signal(number, signal.SIG_DFL)


def nothing_is_left(folder, processes):
    require_gone(processes)
    for where in ("temporary", "store/locks", "store/parts", "store/work", "store/cells"):
        found = list((folder / where).glob("*")) if (folder / where).exists() else []
        assert found == [], f"{where} is not empty"


@pytest.mark.parametrize(
    ("numbers", "code", "said"),
    [
        ([signal.SIGINT], INTERRUPTED, "Interrupted. What is finished is kept"),
        ([signal.SIGTERM], TERMINATED, "Ended by SIGTERM. What is finished is kept"),
        ([signal.SIGHUP], HUNG_UP, "Ended by SIGHUP. What is finished is kept"),
        ([signal.SIGINT, signal.SIGINT, signal.SIGTERM], INTERRUPTED, "Interrupted."),
        ([signal.SIGTERM, signal.SIGHUP, signal.SIGINT], TERMINATED, "Ended by SIGTERM."),
        ([signal.SIGTSTP, signal.SIGCONT, signal.SIGTERM], TERMINATED, "Ended by SIGTERM."),
    ],
)
def test_a_signal_ends_a_run_and_leaves_nothing_behind(numbers, code, said, run_at_work, tmp_path):
    process, processes = run_at_work()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.01)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert said in output
    assert "this goes on from here" in output
    assert "Traceback" not in output
    nothing_is_left(tmp_path, processes)


def test_a_signal_that_comes_where_python_drops_exceptions_ends_a_run_too():
    code = """
import os, signal, time
from meddef_lib.app import exits

class Dies:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

try:
    with exits._ended_by_signals() as heard:
        Dies()
        time.sleep(30)
        print("went on")
except exits.Ended as end:
    print(end.number.name, [number.name for number in heard])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=paths.ROOT,
        preexec_fn=hears_every_signal,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "SIGTERM ['SIGTERM']"), done.stderr


def test_a_closed_terminal_ends_a_run_and_leaves_nothing_behind(run_at_work, tmp_path):
    terminal, end = os.openpty()

    def sit_at_it():
        hears_every_signal()
        fcntl.ioctl(end, termios.TIOCSCTTY, 0)

    process, processes = run_at_work(output=end, before=sit_at_it)
    os.close(end)
    os.close(terminal)
    assert process.wait(timeout=60) == HUNG_UP
    nothing_is_left(tmp_path, processes)


def test_what_a_run_was_started_to_ignore_does_not_end_it(run_at_work, tmp_path):
    def as_nohup_does():
        hears_every_signal()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process, processes = run_at_work(before=as_nohup_does)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == TERMINATED, "it was the other one"
    assert "SIGHUP" not in output
    nothing_is_left(tmp_path, processes)


def test_what_a_killed_run_began_ends_by_itself(run_at_work, tmp_path):
    process, processes = run_at_work()
    process.kill()
    process.communicate()
    require_gone(processes)
    assert list((tmp_path / "temporary").glob("*")) == []


def test_a_benchmark_ends_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    nap = f"""
import subprocess, sys
p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
open({str(pids)!r}, "w").write(str(p.pid))
p.wait()
"""
    program = f"""
import sys
from meddef_lib.app import exits
from meddef_lib.engine.processes import run_family
run = exits.command(lambda: run_family([sys.executable, "-c", {nap!r}]))
sys.exit(run())
"""
    command, output = [sys.executable, "-c", program], subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=paths.ROOT, stdout=output, preexec_fn=hears_every_signal)
    wait_for(lambda: pids.is_file() and pids.read_text())
    process.terminate()
    assert process.wait(timeout=60) == TERMINATED
    nothing_is_left(tmp_path, [int(pids.read_text())])
