"""A run tells of itself: to a page rendered meanwhile, and to whoever watches it."""

from dataclasses import asdict

import pytest

from meddef_lib.app import running
from meddef_lib.app.exits import Ended
from meddef_lib.engine import sealed
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import Event
from meddef_lib.errors import INTERRUPTED
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.notebooks import cells_and_pages
from tests.finished import finish

TRAIN = "train/chest_xray/full/clean/seed=0"


@pytest.fixture(params=["locks", "leases"])
def book(request):
    """A workbook in a store of its own: of this machine, or one that machines share."""
    if request.param == "leases":
        Store().share()
    return workbook("mini")


def done(name):
    return Event(name, "done", details={"seconds": 1.0})


def test_a_run_is_told_of_while_it_goes_on_and_never_after(book):
    assert running.told(book) is None
    with running.announced(book, {"a": 1.0, "b": 1.0}) as announcement:
        announcement.watch(done("a"))
        announcement.watch(Event("b", "failed", text="no such luck", details={"log": "b.log"}))
        announcement.tell()
        found = running.told(book)
        assert (found.cells, found.made) == (("a", "b"), 1)
        assert found.left_seconds is not None
        assert [(one.id, one.state, one.text) for one in found.failures] == [("b", "failed", "no such luck")]
        assert running.told(workbook("mini", overrides=["seeds=[5]"])) is None, "another workbook"
        with running.announced(book, {}) as second:
            assert second is None, "one of them tells"
        assert running.told(book) == found
    assert running.told(book) is None
    assert not (book.store.root / running.FOLDER).exists()
    assert list((book.store.root / "locks").glob("run-*")) == []


def test_what_a_killed_run_left_is_no_run(book):
    with running.announced(book, {"a": 1.0}):
        left = running.told(book)
    file = book.store.root / running.FOLDER / "mini.json"
    file.parent.mkdir()
    sealed.write(file, asdict(left))
    assert running.told(book) is None
    with running.announced(book, {"b": 1.0}):
        assert running.told(book).cells == ("b",)


def test_what_is_there_or_cannot_come_is_not_waited_for():
    book = workbook("mini")
    cells = cells_and_pages(book)
    audit = "audit/chest_xray"
    finish(book.store, cells[audit])
    failure = running.status_of(Event(TRAIN, "failed", text="no memory"))
    got = running.Running("process 1", tuple(cells), failures=(failure,)).to_come(book)
    assert audit not in got
    assert TRAIN not in got
    assert f"attack/{TRAIN.removeprefix('train/')}/pgd" not in got
    assert "train/chest_xray/resnet18/clean/seed=0" in got
    assert running.Running("process 1", (audit, TRAIN)).to_come(book) == {TRAIN}


# --- status --watch -------------------------------------------------------------------------------


def test_whoever_watches_sees_what_is_made_by_whom_and_what_is_left(book):
    cells = cells_and_pages(book)
    finish(book.store, cells["audit/chest_xray"])
    said = running.summary(book, cells)
    assert said == f"{len(cells) - 1} missing, 1 there; no run goes on"
    with running.announced(book, {TRAIN: 10.0, "b": 10.0}) as announcement:
        announcement.watch(done("b"))
        announcement.tell()
        with book.store.locks.writing(cells[TRAIN].key, TRAIN, print):
            first, making = running.summary(book, cells).splitlines()
    assert first.startswith(f"{len(cells) - 1} missing, 1 there; process ")
    assert "has made 1 of 2, about 0 s left" in first
    assert making.split(", by process ")[0].strip() == TRAIN


def test_watching_goes_on_until_it_is_interrupted(monkeypatch, capsys):
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            raise Ended

    monkeypatch.setattr(running.time, "sleep", sleep)
    monkeypatch.setattr("sys.argv", ["invoke", "status", "--watch"])
    assert running.status("mini", watch=True) == INTERRUPTED
    assert waited == [10, 10, 10]
    assert capsys.readouterr().out.count("; no run goes on") == 3
