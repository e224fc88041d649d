"""A cluster behind the engine: what is made, refused and redone; nothing is lost with anybody's death.

The traps of Dask that are known each have a test here.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter

import psutil
import pytest

from benchmarks._clusters import SCHEDULER, local_cluster
from meddef_lib import paths
from meddef_lib.engine import cluster, cluster_engine, leases, scheduler
from meddef_lib.engine.cluster import CELL, GPU, MEMORY, Cluster, ClusterLost, ClusterRefused
from meddef_lib.engine.cluster_engine import ClusterEngine
from meddef_lib.engine.processes import kill_family
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from tests.processes import gone, require_gone, wait_for
from tests.toys import WORKER

pytestmark = [
    pytest.mark.xdist_group("cluster"),  # one cluster for all of them
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(distributed|dask|tornado)"),
]
DRIVER = """
import json, sys
from pathlib import Path
from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from tests.engine.test_cluster import engine
from meddef_lib.engine.cluster import Cluster
store = Store(Path(sys.argv[1]))
cells = [Recipe(*each) for each in json.loads(sys.argv[3])]
scheduler.compute(cells, store, lambda n: engine(Cluster(file=Path(sys.argv[2])), store, cells))
"""


def cell(name, maker, /, inputs=None, **settings):
    return Recipe(name, f"toy.engine:{maker}", settings, inputs or {})


def engine(found, store, cells, needs=None):
    """An engine for cells whose processes know the toys."""
    every = {each.id for recipe in cells for each in recipe.with_inputs()}
    return ClusterEngine(
        found,
        store=store,
        options=WORKER | {"context": {"profile": "mini"}},
        variables={"PYTHONPATH": os.environ["PYTHONPATH"]},
        needs={name: (needs or {}).get(name, {CELL: 1, MEMORY: 100}) for name in every},
    )


def compute(found, store, cells, *, watch=lambda event: None, needs=None):
    return scheduler.compute(cells, store, lambda n: engine(found, store, cells, needs), watch=watch)


def states(outcomes):
    return {name: outcome.state for name, outcome in outcomes.items()}


def in_background(found, store, cells, **options):
    """A run in a thread: the thread, and what comes of it (outcomes, or the error)."""
    came = []

    def run():
        try:
            came.append(compute(found, store, cells, **options))
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with local_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def store(toy, tmp_path):
    return Store(tmp_path / "store", context={"profile": "mini"})


@pytest.fixture
def given(monkeypatch):
    """What each worker was given, in order: (id, address)."""
    listed = []
    give = ClusterEngine._give

    def noted(self, recipe, rank, address):
        listed.append((recipe.id, address))
        give(self, recipe, rank, address)

    monkeypatch.setattr(ClusterEngine, "_give", noted)
    return listed


def test_cells_are_made_failed_and_blocked_as_on_one_machine(home, store, given, monkeypatch):
    sent, events = [], []
    connect = Cluster.connect

    def watched(self):
        client = connect(self)
        submit = client.submit
        client.submit = lambda *words, **named: sent.append((words, named)) or submit(*words, **named)
        return client

    monkeypatch.setattr(Cluster, "connect", watched)
    good = cell("good", "chatter", word="a")
    bad = cell("bad", "fail")
    dies = cell("dies", "die")
    last = cell("last", "write", {"bad": bad, "good": good})
    further = [cell(f"kind/{n}", "write", {"good": good}, word=str(n)) for n in range(4)]
    outcomes = compute(home.ensure(2), store, [last, dies, *further], watch=events.append)
    assert states(outcomes) == {
        "good": "made",
        "bad": "failed",
        "dies": "failed",
        "last": "blocked",
        **{f"kind/{n}": "made" for n in range(4)},
    }
    assert outcomes["bad"].text == "ValueError: no such luck"
    assert 'raise ValueError("no such luck")' in (store.root / "logs/bad.log").read_text()
    assert "killed (SIGKILL)" in outcomes["dies"].text, "its process died twice, the worker beside it lives"
    assert store.receipt(good)["context"] == {"profile": "mini"}
    assert outcomes["good"].seconds > 0
    assert [(each.done, each.total) for each in events if each.id == "good" and each.kind == "progress"]
    assert Counter(address for _, address in given).keys() == {address for _, address in given}
    assert len({address for _, address in given}) == 2, "both workers were at work"
    # only text travels, under a key of its own for every attempt, to one worker, with what the cell needs
    for (function, text), named in sent:
        assert function.__module__ == "meddef_lib.engine.cluster_worker"
        assert json.loads(text)["recipe"]["id"]
        assert re.fullmatch(r"[a-z]+-[0-9a-f]{16}-[0-9a-f]{8}\.1", named["key"])
        assert (named["pure"], named["retries"], len(named["workers"])) == (False, 0, 1)
        assert named["resources"] == {CELL: 1, MEMORY: 100}
    assert len({named["key"] for _, named in sent}) == len(sent) == 7


def test_what_no_worker_can_make_is_refused_at_once(home, store):
    found = home.ensure(2)
    needs = {"second": {CELL: 1, GPU: 1}}
    cells = [cell("second", "write", {"first": cell("first", "write")})]
    with pytest.raises(ClusterRefused, match="second needs a worker with GPU 1, and none of the 2"):
        compute(found, store, cells, needs=needs)
    with pytest.raises(ClusterRefused, match="MEMORY_MIB 9,999"):
        compute(found, store, cells, needs={"first": {CELL: 1, MEMORY: 9999}})
    assert not store.has(cells[0].inputs["first"])


def test_two_runs_share_the_workers_and_make_each_cell_once(home, store, tmp_path):
    found = home.ensure(2)
    log = tmp_path / "made"
    cells = [cell(f"kind/{n}", "write", word=str(n), log=str(log)) for n in range(6)]
    other, came = in_background(found, Store(store.root), cells)
    outcomes = compute(found, store, cells)
    other.join()
    assert set(states(outcomes).values()) == set(states(came[0]).values()) == {"made"}
    assert sorted(log.read_text()) == list("012345")
    assert list((store.root / "locks").iterdir()) == []


def test_an_interrupted_or_killed_run_ends_what_was_being_made(home, store, tmp_path):
    found = home.ensure(2)
    pids = tmp_path / "pids"
    order = json.dumps([["family", "toy.engine:family", {"pids": str(pids)}]])
    environment = os.environ | {"PYTHONPATH": f"{os.environ['PYTHONPATH']}"}
    command = [sys.executable, "-c", DRIVER, str(store.root), str(home.file), order]
    with subprocess.Popen(command, cwd=paths.ROOT, env=environment) as driver:
        wait_for(pids.is_file)
        family = json.loads(pids.read_text())
        assert len(family) == 3, "a cell may have processes of its own, as a data loader's"
        driver.kill()
    require_gone(family)
    pids.unlink()

    def interrupt(event):
        wait_for(pids.is_file)
        raise KeyboardInterrupt

    cells = [cell("family", "family", pids=str(pids)), cell("good", "write")]
    with pytest.raises(KeyboardInterrupt):
        compute(found, store, cells, watch=interrupt)
    require_gone(json.loads(pids.read_text()))
    assert store.has(cells[1]), "what is whole stays"
    assert states(compute(found, store, [cell("next", "write")])) == {"next": "made"}


def test_a_killed_worker_loses_nothing_and_its_cell_is_given_to_another(home, store, given, tmp_path):
    found = home.ensure(2)
    log, path, events = tmp_path / "made", tmp_path / "begun", []
    first = cell("first", "write", word="f", log=str(log))
    waits = cell("waits", "first_waits", {"first": first}, path=str(path), word="w", log=str(log))
    last = cell("last", "write", {"first": first, "waits": waits}, word="l", log=str(log))
    thread, came = in_background(found, store, [last], watch=events.append)
    wait_for(path.exists)
    (process,) = psutil_children(home)
    home.worker_at(given[-1][1]).kill()
    require_gone([process])  # the process beside it ends with it
    thread.join()
    assert set(states(came[0]).values()) == {"made"}
    assert log.read_text() == "fwl", "also what only the dead worker's memory told of is not made again"
    assert [name for name, _ in given] == ["first", "waits", "waits", "last"]
    assert [event.text for event in events if event.kind == "said"] == [
        f"the worker at {given[1][1]} is gone, and waits is given to another"
    ]


def psutil_children(home):
    """The worker processes beside Dask's that make a cell now."""
    return [
        child.pid
        for worker in home.workers
        for child in psutil.Process(worker.pid).children()
        if "meddef_lib.engine.worker" in " ".join(child.cmdline()) and not gone(child.pid)
    ][:1]


def test_a_worker_that_was_asked_to_end_goes_with_its_process_and_is_not_blamed(
    home, store, given, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster_engine, "MOST_LOST_WORKERS", 1)
    found = home.ensure(2)
    path = tmp_path / "begun"
    thread, came = in_background(found, store, [cell("waits", "first_waits", path=str(path))])
    wait_for(path.exists)
    worker = home.worker_at(given[0][1])
    worker.send_signal(signal.SIGTERM)
    thread.join()
    assert states(came[0]) == {"waits": "made"}
    assert worker.wait(10) == 143
    assert len({address for _, address in given}) == len(given) == 2
    assert "Ended by SIGTERM" in home.said()


def test_a_cell_that_kills_every_worker_it_meets_fails_after_a_bounded_number(
    home, store, given, monkeypatch
):
    monkeypatch.setattr(cluster_engine, "MOST_LOST_WORKERS", 2)
    outcomes = compute(home.ensure(3), store, [cell("poison", "kill_worker"), cell("good", "write")])
    assert states(outcomes) == {"poison": "failed", "good": "made"}
    assert "2 workers went away while they made it" in outcomes["poison"].text
    assert [name for name, _ in given].count("poison") == 2


def test_a_worker_that_vanishes_is_replaced_and_its_lease_taken_over(home, store, given, tmp_path):
    found = home.ensure(2)
    leases.share(store.root, seconds=1)
    path = tmp_path / "begun"
    thread, came = in_background(found, Store(store.root), [cell("waits", "first_waits", path=str(path))])
    wait_for(path.exists)
    (lease,) = (store.root / "locks").glob("*.lease")
    told = json.loads(lease.read_text())
    worker = home.worker_at(given[0][1])
    lease.write_text(json.dumps(told | {"place": "a machine without a network"}))
    for pid in (told["pid"], worker.pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        thread.join()
        assert states(came[0]) == {"waits": "made"}
        assert len(given) == 2
    finally:
        for pid in (told["pid"], worker.pid):
            os.kill(pid, signal.SIGCONT)
    require_gone([told["pid"], worker.pid])  # it learns that it was given up


def test_a_lost_scheduler_ends_the_run_with_a_sentence_and_the_workers(home, store, tmp_path):
    found = home.ensure(2)
    path = tmp_path / "begun"
    waits = cell("waits", "first_waits", {"first": cell("first", "write")}, path=str(path))
    thread, came = in_background(found, store, [waits])
    wait_for(path.exists)
    processes = psutil_children(home)
    home.scheduler.kill()
    thread.join()
    assert isinstance(came[0], ClusterLost)
    assert "is gone" in str(came[0])
    assert "waits" in str(came[0])
    assert [worker.wait(20) for worker in home.workers] == [1, 1]
    assert "so this worker ends" in home.said()
    assert "Traceback" not in home.said()
    require_gone(processes)
    assert states(compute(home.ensure(1), store, [waits])) == {"first": "there", "waits": "made"}


def test_where_nobody_answers_a_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 0.5)
    with pytest.raises(ClusterRefused, match="there is no scheduler file"):
        Cluster(file=tmp_path / "none.json").connect()
    with pytest.raises(ClusterRefused, match=re.escape("no scheduler answers at tcp://127.0.0.1:1")):
        Cluster("tcp://127.0.0.1:1").connect()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ClusterRefused, match=re.escape("pip install -c constraints.txt -e '.[cluster]'")):
        Cluster("tcp://127.0.0.1:1").connect()


def test_without_the_key_nobody_submits(tmp_path, monkeypatch):
    import dask

    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 5)
    ours, theirs = (with_key(tmp_path / name) for name in ("ours", "theirs"))
    file = tmp_path / "scheduler.json"
    named = {f"DASK_{key.upper().replace('.', '__').replace('-', '_')}": str(ours[key]) for key in ours}
    scheme = {"DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME": "tls"}
    listening = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER, str(file)],
        cwd=paths.ROOT,
        env=paths.environment() | named | scheme,
        start_new_session=True,
    )
    try:
        wait_for(file.exists)
        found = Cluster(Cluster(file=file).tells())
        assert found.address.startswith("tls:")
        plain = Cluster(found.address.replace("tls:", "tcp:"))
        for where, setting in ((found, {}), (plain, {}), (found, theirs)):
            with dask.config.set(setting), pytest.raises(ClusterRefused, match="no scheduler answers"):
                where.connect()
        with dask.config.set(ours), found.connect() as client:
            assert client.scheduler_info()["address"] == found.address
    finally:
        kill_family(listening.pid)
        listening.wait()


def with_key(file):
    """Settings of Dask for a key and a certificate of one's own."""
    key, cert = (str(file.with_suffix(end)) for end in (".key", ".cert"))
    make = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=meddef"]
    subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
    comm = "distributed.comm"
    setting = {f"{comm}.require-encryption": True, f"{comm}.tls.ca-file": cert}
    for role in ("client", "scheduler", "worker"):
        setting |= {f"{comm}.tls.{role}.key": key, f"{comm}.tls.{role}.cert": cert}
    return setting


def test_a_second_scheduler_on_one_port_says_so_and_leaves_the_first_its_file(home):
    address = home.ensure(1).tells()
    port = address.rpartition(":")[2]
    command = [
        sys.executable,
        "-m",
        "invoke",
        "scheduler",
        "--port",
        port,
        "--scheduler-file",
        str(home.file),
    ]
    done = subprocess.run(
        command, cwd=paths.ROOT, env=paths.environment(), capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (2, False), said
    assert f"no scheduler can listen at 127.0.0.1:{port}" in said
    assert home.cluster.tells() == address


def test_a_worker_that_does_not_see_the_store_says_so(tmp_path):
    from meddef_lib.engine.cluster_worker import Host

    order = {
        "recipe": {"id": "cell"},
        "options": {"store": str(tmp_path / "elsewhere"), "device": "cpu"},
        "store": "of the run",
    }
    ended = Host(gpu=False).make(order)
    assert ended.kind == "failed"
    assert "on a file system that all machines see" in ended.text


def test_the_longest_chain_goes_first_and_a_gpu_is_spared(store, monkeypatch):
    """Without a cluster: which of its cells an engine gives to whom."""
    given = []

    class Client:
        status = "running"

        def subscribe_topic(self, topic, handler):
            pass

    monkeypatch.setattr(Cluster, "connect", lambda self: Client())
    monkeypatch.setattr(
        ClusterEngine, "_give", lambda self, recipe, rank, address: given.append((recipe.id, address))
    )
    models = [cell(f"model/{n}", "write", word=str(n)) for n in range(2)]
    cells = {name: cell(name, "write", {"model": models[n % 2]}) for n, name in enumerate("abcd")}
    plain = {CELL: 1, MEMORY: 1000}
    computing = engine(Cluster("tcp://nowhere:1"), store, cells.values(), {"d": plain | {GPU: 1}})
    computing._offers = {"gpu": plain | {GPU: 1}, "one": plain, "two": plain}
    for rank, name in enumerate("abcd"):
        computing.submit(cells[name], rank)
    computing._hand_out()
    assert given == [("d", "gpu"), ("c", "one"), ("b", "two")]
    given.clear()
    computing._hand_out()
    computing.submit(cells["c"], 1)
    computing._hand_out()
    assert given[0] == ("a", "one"), "which has just read the same model"


def test_nobody_imports_dask_before_it_is_asked_for():
    found = "import sys, tasks; print('distributed' in sys.modules, 'dask' in sys.modules)"
    command = [sys.executable, "-c", found]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_scheduler_queues_nothing_blames_nobody_and_hears_this_machine_alone(home):
    from meddef_lib.engine.cluster_worker import SCHEDULING

    assert SCHEDULING["distributed.scheduler.worker-saturation"] == 1.0
    assert SCHEDULING["distributed.scheduler.allowed-failures"] == 0
    home.ensure(1)
    for process in (home.scheduler, *home.workers):
        heard = [each for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"]
        assert heard
        assert {each.laddr.ip for each in heard} == {"127.0.0.1"}
