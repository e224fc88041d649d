"""Leases: one holder a key, taken over from the dead, on a file system whose locks are not to be trusted."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from meddef_lib import paths
from meddef_lib.engine import hashes, leases
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.leases import Leases, Locks
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from tests.processes import wait_for

HOLD = """
import sys, time
from pathlib import Path
from meddef_lib.engine.leases import Leases
with Leases(Path(sys.argv[1])).writing("key", "it", print):
    Path(sys.argv[2]).touch()
    time.sleep(60)
"""


def cell(name, maker, **settings):
    return Recipe(name, f"toy.engine:{maker}", settings)


def foreign(leases, key="key", **told):
    """A lease of another machine."""
    leases.folder.mkdir(parents=True, exist_ok=True)
    lease = {"owner": "process 1 on far", "place": "far", "pid": 1, "started": 0.0, "token": "t"}
    (leases.folder / f"{key}.lease").write_text(json.dumps(lease | told))
    return leases.folder / f"{key}.lease"


def test_the_lease_of_a_killed_process_of_this_machine_is_free_at_once(tmp_path):
    held = tmp_path / "held"
    command = [sys.executable, "-c", HOLD, str(tmp_path / "locks"), str(held)]
    with subprocess.Popen(command, cwd=paths.ROOT) as process:
        wait_for(held.exists)
        leases = Leases(tmp_path / "locks")
        assert leases.is_held("key")
        process.kill()
        process.wait()
    with leases.if_free("key") as free:
        assert free
    assert list(leases.folder.iterdir()) == []


def test_the_number_of_a_process_that_has_another_one_now_is_no_life(tmp_path):
    leases = Leases(tmp_path)
    with leases.writing("other", "it", print):
        lease = json.loads((tmp_path / "other.lease").read_text())
        (tmp_path / "key.lease").write_text(json.dumps(lease | {"started": lease["started"] - 3600}))
        assert leases.is_held("other")
        assert not leases.is_held("key")


def test_another_machines_lease_is_good_while_it_is_renewed_and_no_longer(tmp_path):
    leases = Leases(tmp_path, 1)
    file = foreign(leases)
    said = []
    for _ in range(4):
        os.utime(file)
        assert leases.is_held("key")
        time.sleep(0.4)
    with leases.writing("key", "it", said.append):
        assert json.loads(file.read_text())["pid"] == os.getpid()
    assert said in ([], ["waiting for process 1 on far, which is making it"])
    assert not file.exists()


def test_a_lease_is_renewed_while_it_is_held(tmp_path):
    leases = Leases(tmp_path, 0.4)
    with leases.writing("key", "it", print):
        file = tmp_path / "key.lease"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"place": "far"}))
        time.sleep(1)
        assert leases.is_held("key"), "for another machine, too"


def test_a_damaged_lease_ends_by_its_age(tmp_path):
    leases = Leases(tmp_path, 0.5)
    (tmp_path / "key.lease").write_text("{")
    assert leases.is_held("key")
    time.sleep(0.6)
    assert not leases.is_held("key")


def test_who_lost_a_lease_leaves_that_of_its_successor(tmp_path):
    leases = Leases(tmp_path, 5)
    with leases.writing("key", "it", print):
        file = foreign(leases)
    assert json.loads(file.read_text())["owner"] == "process 1 on far"


def test_every_process_knows_a_shared_store(toy, tmp_path):
    store = Store(tmp_path / "store")
    assert isinstance(store.locks, Locks)
    good = cell("good", "write", word="a")
    with (
        store.locks.writing("k" * 64, "it", print),
        pytest.raises(StoreError, match="is making a result in the store"),
    ):
        store.share()
    store.share()
    assert isinstance(store.locks, Leases)
    assert isinstance(Store(store.root).locks, Leases)
    assert leases.told(store.root) == leases.told(Store(store.root).root)
    (Store(store.root).get(good) / "word").read_text()
    assert not (store.root / hashes.MEMORY).exists(), "SQLite and NFS do not go together"
    assert list((store.root / "locks").iterdir()) == []


def test_whoever_was_taken_for_dead_does_no_harm(toy, tmp_path):
    """Of two that make one result the slower ends with what the other made, and tidied up beneath it."""
    store = Store(tmp_path / "store")
    leases.share(store.root, seconds=0.5)
    path = tmp_path / "begun"
    made = cell("made", "first_waits", path=str(path), word="a")
    ended = []
    thread = threading.Thread(target=lambda: ended.append(Store(store.root).get(made)))
    thread.start()
    wait_for(path.exists)
    foreign(Leases(store.root / "locks"), made.key)  # as if it slept: nobody renews this one
    folder = Store(store.root).get(made)
    path.with_suffix(".go").touch()
    thread.join()
    assert ended == [folder]
    assert (folder / "word").read_text() == "a"
    assert not store.damage(folder, in_full=True)
    assert list((store.root / "parts").iterdir()) == []
