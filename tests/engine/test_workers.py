"""Worker processes: what they answer, how they die, and that nothing of them stays behind."""

import json
import os
import signal
import subprocess
import sys

import pytest

from meddef_lib import paths
from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import LocalEngine
from tests.processes import require_gone, wait_for
from tests.toys import LONG_RUN, WORKER


def cell(name, maker, /, inputs=None, **settings):
    return Recipe(name, f"toy.engine:{maker}", settings, inputs or {})


def local(store, workers=2, context=None):
    return LocalEngine(store, WORKER | {"context": store.context | (context or {})}, workers)


def compute(recipes, store, *, workers=2, watch=lambda event: None, context=None):
    return scheduler.compute(recipes, store, lambda cells: local(store, workers, context), watch=watch)


def test_made_failed_and_blocked_cells(toy, tmp_path):
    store = Store(tmp_path / "store")
    good = cell("good", "write", word="a")
    bad = cell("bad", "fail")
    after_bad = cell("after/bad", "write", {"bad": bad})
    last = cell("last", "write", {"after": after_bad, "good": good})
    outcomes = compute([last], store)
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "good": "made",
        "bad": "failed",
        "after/bad": "blocked",
        "last": "blocked",
    }
    assert outcomes["bad"].text == "ValueError: no such luck"
    assert outcomes["last"].text == "needs bad, which failed"
    log = (store.root / "logs/bad.log").read_text()
    assert log.startswith("--- ")
    assert 'raise ValueError("no such luck")' in log
    assert outcomes["bad"].log == str(store.root / "logs/bad.log")
    assert outcomes["bad"].traceback in log
    assert (store.folder(good) / "word").read_text() == "a"
    again = compute([good], store)
    assert {name: outcome.state for name, outcome in again.items()} == {"good": "there"}


def test_a_receipt_says_for_which_profile_it_was_made(toy, tmp_path):
    store = Store(tmp_path / "store", context={"profile": "mini"})
    good = cell("good", "write")
    compute([good], store, context={"published": {"tables.yaml": "1f"}})
    assert store.receipt(good)["context"] == {"profile": "mini", "published": {"tables.yaml": "1f"}}


def test_a_killed_worker_fails_its_cell_and_a_new_one_takes_its_place(toy, tmp_path):
    store = Store(tmp_path / "store")
    cells = [cell("killed", "die"), *(cell(f"good/{n}", "write", word=str(n)) for n in range(3))]
    outcomes = compute(cells, store, workers=1)
    assert outcomes["killed"].state == "failed"
    assert "killed (SIGKILL), most likely by the system when memory ran out" in outcomes["killed"].text
    assert all(outcomes[f"good/{n}"].state == "made" for n in range(3))


def test_what_died_once_is_tried_once_more_by_itself(toy, tmp_path):
    store = Store(tmp_path / "store")
    events = []
    chance = cell("chance", "die_once")
    outcomes = compute([cell("after", "write", {"chance": chance})], store, watch=events.append)
    assert {outcome.state for outcome in outcomes.values()} == {"made"}
    (said,) = [event.text for event in events if event.kind == "said"]
    assert "SIGKILL" in said
    assert said.endswith("it is tried once more")


def test_an_error_is_no_death_and_not_tried_again(toy, tmp_path):
    log = tmp_path / "store/logs/bad.log"
    outcomes = compute([cell("bad", "fail")], Store(tmp_path / "store"))
    assert outcomes["bad"].state == "failed"
    assert log.read_text().count("Traceback") == 1


def test_how_a_worker_ended_is_told(toy, tmp_path):
    crash = cell("crash", "die", signal=signal.SIGSEGV)
    outcomes = compute([crash, cell("leave", "leave")], Store(tmp_path / "store"))
    assert "ended by Segmentation fault (signal 11)" in outcomes["crash"].text
    assert "Segmentation fault" in (tmp_path / "store/logs/crash.log").read_text()
    assert outcomes["leave"].text == "SystemExit: 3"


def test_what_a_worker_ran_out_of_is_told_with_what_to_do(toy, tmp_path):
    cells = [cell(what, "run_out_of", what=what) for what in ("memory", "threads")]
    outcomes = compute(cells, Store(tmp_path / "store"))
    assert outcomes["memory"].text.startswith("LimitReached: the system gave no more memory")
    assert "batch_size" in outcomes["memory"].text
    assert "exit code 1; its log tells more: the system gave no more processes" in outcomes["threads"].text


def test_a_worker_that_died_idle_is_replaced(toy, tmp_path):
    store = Store(tmp_path / "store")
    computing = local(store, workers=1)
    try:
        computing.submit(cell("first", "write"))
        assert [event.kind for event in computing.as_completed()] == ["done"]
        worker = computing._keepers[0].process
        os.kill(worker.pid, signal.SIGKILL)
        wait_for(lambda: worker.poll() is not None)  # a zombie may have threads that still end
        computing.submit(cell("second", "write"))
        assert [event.kind for event in computing.as_completed()] == ["done"]
    finally:
        computing.close()


def test_a_worker_that_cannot_start_fails_its_cell_with_the_reason_in_its_log(toy, tmp_path):
    (toy / "sitecustomize.py").write_text("raise SystemExit('no library today')")
    outcomes = compute([cell("cell", "write")], Store(tmp_path / "store"))
    assert outcomes["cell"].state == "failed"
    assert "exit code 1; its log tells more" in outcomes["cell"].text
    assert "no library today" in (tmp_path / "store/logs/cell.log").read_text()


def test_an_impossible_log_fails_the_cell_and_not_the_run(toy, tmp_path):
    store = Store(tmp_path / "store")
    (tmp_path / "store/logs").mkdir(parents=True)
    (tmp_path / "store/logs/in").write_text("a file where a folder is needed")
    outcomes = compute([cell("in/the/way", "write"), cell("good", "write")], store, workers=1)
    assert outcomes["in/the/way"].state == "failed"
    assert outcomes["good"].state == "made"


def test_prints_of_a_maker_go_to_its_log_and_do_not_meet_the_protocol(toy, tmp_path):
    store = Store(tmp_path / "store")
    events = []
    chatter = cell("cell", "chatter", word="b")
    outcomes = compute([chatter, cell("next", "write")], store, workers=1, watch=events.append)
    assert {outcome.state for outcome in outcomes.values()} == {"made"}
    assert (store.folder(chatter) / "word").read_text() == "b"
    log = (store.root / "logs/cell.log").read_text()
    for words in ("{stray}", "to stderr", '{"id": "cell", "kind": "done"}', "from C", "child read ''"):
        assert words in log
    assert "stray" not in (store.root / "logs/next.log").read_text()
    told = [event for event in events if event.kind == "progress"]
    assert (told[-1].done, told[-1].total, told[-1].text) == (3, 3, "steps")


def test_code_that_changes_during_a_run_is_noticed(toy, tmp_path):
    class Otherwise(Recipe):
        key = "0" * 64

    outcomes = compute([Otherwise("cell", "toy.engine:write")], Store(tmp_path / "store"))
    assert "changed while the run was going on" in outcomes["cell"].text


def test_an_interrupt_leaves_nothing_running_and_travels_on(toy, tmp_path):
    store = Store(tmp_path / "store")
    pids = tmp_path / "pids"
    cells = [cell("family", "family", pids=str(pids)), cell("good", "write"), cell("later", "write")]

    def interrupt(event):
        wait_for(pids.is_file)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute(cells, store, watch=interrupt)
    processes = json.loads(pids.read_text())
    assert len(processes) == 3
    require_gone(processes)
    assert store.has(cells[1]), "what is whole stays"


def test_a_killed_worker_takes_the_processes_of_its_group_along(toy, tmp_path):
    pids = tmp_path / "pids"
    family = cell("family", "family", pids=str(pids), signal=signal.SIGKILL)
    outcomes = compute([family], Store(tmp_path / "store"))
    worker, forked, away = json.loads(pids.read_text())
    os.kill(away, signal.SIGKILL)  # a kernel looks after its parent itself; this one does not
    assert "SIGKILL" in outcomes["family"].text
    require_gone([worker, forked])


def test_a_killed_run_leaves_no_worker_behind(toy, tmp_path):
    pids = tmp_path / "pids"
    command = [sys.executable, "-c", f"{LONG_RUN}\nrun()", str(tmp_path / "store"), str(pids)]
    parent = subprocess.Popen(command, cwd=paths.ROOT)
    files = [tmp_path / "pids.0", tmp_path / "pids.1"]
    wait_for(lambda: all(file.is_file() for file in files))
    parent.kill()
    parent.wait()
    require_gone([pid for file in files for pid in json.loads(file.read_text())])
