"""Locks and leases: one holder a key, and no file is left in their folder."""

import os
import threading
import time
from functools import partial

import pytest

from meddef_lib.engine.leases import Leases
from meddef_lib.engine.locks import Locks

THREADS = 4
KINDS = pytest.mark.parametrize(
    ("kind", "turns"), [(Locks, 25), (partial(Leases, seconds=3), 15)], ids=["locks", "leases"]
)


@KINDS
def test_whoever_waits_at_a_lock_that_goes_never_holds_it_with_another(tmp_path, kind, turns):
    locks, count, most = kind(tmp_path / "locks"), 0, 0
    inside = []

    def take_turns():
        nonlocal count, most
        for _ in range(turns):
            with locks.writing("key", "it", lambda text: None):
                inside.append(1)
                most = max(most, len(inside))
                seen = count
                time.sleep(0.0002)
                count = seen + 1
                inside.pop()

    threads = [threading.Thread(target=take_turns) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count, most) == (THREADS * turns, 1)
    assert list(locks.folder.iterdir()) == []


@KINDS
def test_a_lock_is_taken_only_if_it_is_free(tmp_path, kind, turns):
    locks = kind(tmp_path)
    with locks.writing("key", "it", print):
        assert locks.keys() == {"key"}
        assert locks.is_held("key")
        assert locks.holder() == f"process {os.getpid()} on {os.uname().nodename}"
        with locks.if_free("key") as free:
            assert not free
        with locks.if_free("other") as free:
            assert free
            assert not list(tmp_path.glob("other.owner")), "a look says nothing to others"
    assert not locks.is_held("key")
    assert locks.holder() is None
    assert locks.keys() == set()
    assert list(tmp_path.iterdir()) == []


@KINDS
def test_trying_whether_there_are_locks_leaves_none(tmp_path, kind, turns):
    locks = kind(tmp_path / "locks")
    locks.require()
    assert list(locks.folder.iterdir()) == []
