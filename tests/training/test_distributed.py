"""The launcher, with small stand-ins for the processes that train (those are in test_cell.py)."""

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest
import torch

from meddef_lib.engine.recipe import Workspace
from meddef_lib.training import distributed
from meddef_lib.training.distributed import Group, RankFailed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Let `launch` start this code instead; `job` is the job."""

    def use(code):
        head = "import json, os, sys, time\njob = json.loads(sys.argv[1])\n"
        (tmp_path / "stand_in.py").write_text(head + textwrap.dedent(code))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(distributed, "RANK_MODULE", "stand_in")

    return use


def space(folder, told=None, device="cpu"):
    return Workspace(
        {"seed": 3},
        {"data": Path("somewhere")},
        folder,
        folder / "work",
        device,
        progress=lambda *news: told.append(news),
    )


def test_each_process_gets_the_job_and_the_first_tells_of_progress(tmp_path, stand_in):
    stand_in("""
        open(os.path.join(job["folder"], f"{job['rank']}.json"), "w").write(json.dumps(job))
        if job["rank"] == 0:
            print(json.dumps({"done": 1, "total": 2, "text": "half"}), flush=True)
    """)
    told = []

    distributed.launch(space(tmp_path, told), 3)

    jobs = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert told == [(1, 2, "half")]
    assert [job["rank"] for job in jobs] == [0, 1, 2]
    assert all(job["size"] == 3 and job["settings"] == {"seed": 3} for job in jobs)
    assert len({job["meeting"] for job in jobs}) == 1


@pytest.mark.parametrize("deterministic", [True, False])
def test_each_process_computes_as_its_parent_would(tmp_path, stand_in, deterministic):
    """The first process tells its number of threads, and whether its algorithms are deterministic."""
    stand_in("""
        import torch
        from meddef_lib.training import cell
        cell.train_cell = lambda space, group: space.progress(
            torch.get_num_threads(), 1 + torch.are_deterministic_algorithms_enabled()
        )
        sys.exit(cell.main(job))
    """)
    told, threads = [], torch.get_num_threads()
    torch.set_num_threads(3)
    torch.use_deterministic_algorithms(deterministic)
    try:
        distributed.launch(space(tmp_path, told), 1)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)

    assert told == [(3, 1 + deterministic, "")]


def test_processes_meet_wherever_temporary_files_are(tmp_path, stand_in, monkeypatch):
    stand_in("""
        import torch
        from meddef_lib.training import cell
        def train_cell(space, group):
            ranks = torch.tensor([1.0 + group.rank])
            group.sum_(ranks)
            if group.leads:
                space.progress(int(ranks), 3)
        cell.train_cell = train_cell
        sys.exit(cell.main(job))
    """)
    place = tmp_path / "a folder with spaces, and é"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    told = []

    distributed.launch(space(tmp_path, told), 2)

    assert told == [(3, 3, "")]


def test_a_failure_is_told_and_ends_the_others(tmp_path, stand_in):
    stand_in("""
        open(os.path.join(job["folder"], f"{job['rank']}.pid"), "w").write(str(os.getpid()))
        if job["rank"] == 1:
            while not os.path.exists(os.path.join(job["folder"], "0.pid")):
                time.sleep(0.01)
            print(json.dumps({"failed": "Diverged: the loss became nan"}), flush=True)
            sys.exit(1)
        time.sleep(60)
    """)

    with pytest.raises(RankFailed, match="process 1 of 2: Diverged: the loss became nan"):
        distributed.launch(space(tmp_path), 2)

    assert not psutil.pid_exists(int((tmp_path / "0.pid").read_text()))


def test_a_process_that_dies_without_a_word_is_named(tmp_path, stand_in):
    stand_in("""
        if job["rank"] == 1:
            os._exit(7)
        time.sleep(60)
    """)

    with pytest.raises(RankFailed, match="process 1 of 2 ended with exit code 7"):
        distributed.launch(space(tmp_path), 2)


def test_more_processes_than_gpus_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(ValueError, match="data_parallel is 2, and this process sees 1 GPUs"):
        distributed.launch(space(tmp_path, device="cuda"), 2)


def test_a_process_ends_when_its_parent_is_gone():
    code = (
        "import time; from meddef_lib.training import distributed as d; d.end_with_parent(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE) as process:
        process.stdin.close()

        assert process.wait(timeout=50) == 1


def test_alone_a_group_does_nothing(tiny):
    group, tensor = Group(), torch.ones(2)

    group.sum_(tensor)
    group.average_running_statistics_(tiny)
    group.wait()

    assert group.leads
    assert tensor.tolist() == [1, 1]
    assert group.wrapped(tiny, torch.device("cpu")) is tiny


def test_running_averages_become_their_mean(tiny, monkeypatch):
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2).add_(1))
    tiny.body[1].running_mean.fill_(3)
    tiny.body[1].num_batches_tracked.fill_(5)

    Group(0, 2).average_running_statistics_(tiny)

    assert (tiny.body[1].running_mean == 3.5).all()
    assert tiny.body[1].num_batches_tracked == 5
