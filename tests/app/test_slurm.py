"""The batch script for SLURM: what it asks for, and that it runs; with a real SLURM behind a marker."""

import os
import re
import shutil
import subprocess
import time

import pytest

from meddef_lib.app import slurm
from meddef_lib.engine.processes import kill_family
from tests.test_workbook import left_behind, made_once, measured, results

SECONDS, SECONDS_IN_A_QUEUE = 400, 3600  # that no job of these tests takes
REAL_PROFILE = os.environ.get("MEDDEF_SLURM_PROFILE", "mini")  # of `pytest -m slurm`
JOB = {"tasks": 2, "hours": 1, "gpu": False, "device": "cpu", "cpus": 1, "memory": 4000}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """One whole mini run."""
    return made_once(tmp_path_factory, "mini", "--profile", "mini")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A store and reports with a blank and a quote in their names."""
    home = tmp_path / "it's here"
    monkeypatch.setenv("MEDDEF_STORE", str(home / "store"))
    monkeypatch.setenv("MEDDEF_REPORTS", str(home / "reports"))
    monkeypatch.delenv("MEDDEF_DATA", raising=False)
    (home / "temporary").mkdir(parents=True)
    return home


def lacking_some(reference, home):
    """The store of a finished run without a training and some records."""
    shutil.copytree(reference / "store", home / "store")
    for name in ("train/chest_xray/resnet18_cbam", "attack/chest_xray/resnet18"):
        shutil.rmtree(home / "store/cells" / name)


def test_the_script_asks_for_what_was_said(places, capsys):
    assert slurm.slurm(profile="mini", gpus="8", hours="24", set=["training.epochs=2"]) == 0
    text = capsys.readouterr().out
    for line in ("--array=0-7", "--gres=gpu:1", "--time=24:00:00", "--requeue", "--signal=B:TERM@120"):
        assert f"#SBATCH {line}\n" in text
    assert re.search(r"invoke reproduce --profile mini --set training.epochs=2 --device cuda", text)
    assert text.count("--device cuda") == 3
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    assert slurm.slurm(profile="paper", gpus="0", workers="3") == 0
    text = capsys.readouterr().out
    assert "#SBATCH --gres" not in text
    assert "--array=0-2" in text
    assert re.search(r"invoke reproduce --profile paper --yes --device cpu", text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gpus": "0"}, "say with --workers"),
        ({"gpus": "two"}, "--gpus is 'two'"),
        ({"gpus": "-1"}, "--gpus is '-1'; expected a whole number from 0 (0: workers on CPUs)"),
        ({"hours": "0"}, "--hours is '0'"),
        ({"workers": "3"}, "a worker has one GPU"),
        ({"device": "mps"}, "a cluster computes on auto, cpu or cuda"),
    ],
)
def test_what_cannot_be_is_refused(places, capsys, options, said):
    assert slurm.slurm(profile="mini", **options) == 2
    assert said in capsys.readouterr().err


def test_mini_on_two_workers_of_the_script_is_the_serial_one(undisturbed, places, tmp_path):
    """The tasks of the script's array, started side by side as SLURM would."""
    lacking_some(undisturbed, places)
    (places / "store/logs").mkdir(exist_ok=True)
    script = tmp_path / "job.sh"
    script.write_text(slurm.script("mini", ["reproduce", "--profile", "mini"], places / "store", **JOB))
    environment = os.environ | {"TMPDIR": str(places / "temporary"), "SLURM_ARRAY_JOB_ID": "7"}
    tasks = [
        subprocess.Popen(
            ["bash", str(script)],
            env=environment | {"SLURM_ARRAY_TASK_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for number in range(2)
    ]
    try:
        said = [task.communicate(timeout=SECONDS)[0] for task in tasks]
    finally:
        for task in tasks:
            kill_family(task.pid)
    assert [task.returncode for task in tasks] == [0, 0], "\n".join(said)
    assert "a scheduler at tls://" in said[0]
    assert all("a worker of" in text for text in said)
    assert re.search(r"\d+ steps? made, \d+ were there, 0 failed", said[0])
    assert measured(places, "mini") == measured(undisturbed, "mini")
    assert {part: results(places, "mini")[part] for part in ("values", "claims")} == {
        part: results(undisturbed, "mini")[part] for part in ("values", "claims")
    }
    assert left_behind(places) == []
    key = places / "store/cluster/7/key.pem"
    assert (key.stat().st_mode & 0o077, key.parent.stat().st_mode & 0o077) == (0, 0)


@pytest.mark.slurm
def test_a_real_slurm_runs_the_script_and_goes_on_after_scancel(tmp_path_factory, places, tmp_path):
    """Needs two GPUs, which may be make-believe: tests/slurm_here.sh sets such a SLURM up, as root."""
    if (
        shutil.which("sbatch") is None
        or subprocess.run(["sinfo"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no SLURM here; tests/slurm_here.sh starts one")
    undisturbed = made_once(tmp_path_factory, REAL_PROFILE, "--profile", REAL_PROFILE)
    (places / "store/logs").mkdir(parents=True)
    script = tmp_path / "job.sh"
    run = ["reproduce", "--profile", REAL_PROFILE]
    script.write_text(slurm.script(REAL_PROFILE, run, places / "store", **JOB | {"gpu": True}))
    first = _submit(script, places)
    _until(lambda: _log(places, first, 0).count("done in") > 5 or not _queued(first), places)
    assert "a worker of" in _log(places, first, 1)
    finished = {path: path.stat().st_mtime_ns for path in (places / "store/cells").rglob("receipt.json")}
    subprocess.run(["scancel", f"{first}_1"], check=True)  # a worker
    time.sleep(3)
    subprocess.run(["scancel", first], check=True)  # and the whole job
    _until(lambda: not _queued(first), places)
    second = _submit(script, places)
    _until(lambda: not _queued(second), places)
    assert "0 failed" in _log(places, second, 0)
    assert measured(places, REAL_PROFILE) == measured(undisturbed, REAL_PROFILE)
    found, expected = results(places, REAL_PROFILE), results(undisturbed, REAL_PROFILE)
    assert all(found[part] == expected[part] for part in ("values", "claims"))
    assert finished
    assert all(path.stat().st_mtime_ns == when for path, when in finished.items()), "nothing was lost"


def _submit(script, places):
    said = subprocess.run(
        ["sbatch", "--parsable", str(script)],
        env=os.environ | {"TMPDIR": str(places / "temporary")},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.strip()


def _queued(job):
    done = subprocess.run(["squeue", "-h", "-j", job], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _log(places, job, task):
    file = places / f"store/logs/slurm-{job}_{task}.log"
    return file.read_text() if file.is_file() else ""


def _until(happened, places):
    deadline = time.monotonic() + SECONDS_IN_A_QUEUE
    while not happened():
        logs = "\n".join(file.read_text() for file in (places / "store/logs").glob("slurm-*.log"))
        assert time.monotonic() < deadline, logs[-4000:]
        time.sleep(0.5)
