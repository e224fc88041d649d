"""The files beside a report: those of its own run, whole, and no others."""

import os
import threading
import time
from dataclasses import replace

import pytest

from meddef_lib.app import report_files
from meddef_lib.engine.files import write_whole
from meddef_lib.engine.scheduler import CellStatus
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import workbook
from tests.finished import finish


@pytest.fixture
def folder(tmp_path):
    """The folder of a report's notebooks."""
    folder = tmp_path / "reports/notebooks"
    folder.mkdir(parents=True)
    return folder


def execute(book):
    """Put executed notebooks into the store without executing any."""
    for recipe in notebooks.recipes(book, notebooks.every_notebook()).values():
        finish(book.store, recipe, ("executed.ipynb", "page.html"))


def names(folder):
    return {file.name for file in folder.iterdir()}


def test_notebooks_of_a_data_set_that_is_left_out_do_not_stay_beside_the_report(folder):
    book = workbook("smoke")
    execute(book)
    assert all(report_files._copy_notebooks(book, folder).values())
    (folder / "mine.html").write_text("the reader's own")
    assert "04_epsilon_sweep.chest_xray.html" in names(folder)
    smaller = replace(book, datasets={"roct": book.datasets["roct"]})
    left = notebooks.recipes(smaller, notebooks.every_notebook())
    assert report_files._copy_notebooks(smaller, folder).keys() == left.keys()
    assert names(folder) == {"mine.html", *(f"{stem}.{end}" for stem in left for end in ("html", "ipynb"))}


def test_two_calls_write_files_of_their_own(folder, monkeypatch):
    book = workbook("mini")
    execute(book)
    parts = set()
    monkeypatch.setattr("pathlib.Path.replace", lambda part, target: parts.add(part.name))
    for process in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        write_whole(folder / "index.html", "page")
        report_files._copy_notebooks(book, folder)
    assert len(parts) == 2 * (1 + 2 * len(notebooks.every_notebook()))


def test_what_is_damaged_is_named_and_the_rest_is_there(tmp_path, capsys):
    book = workbook("mini")
    execute(book)
    _, bad = recipes = list(notebooks.recipes(book, notebooks.every_notebook()).values())[:2]
    (book.store.folder(bad) / "page.html").write_text("[]")
    file, failed = tmp_path / report_files.FAILURES, CellStatus("audit/chest_xray", "failed", "no such luck")
    for outcomes in ({failed.id: failed}, {}):
        told, damaged = report_files._failures(book, file, outcomes)
        assert told == failed, "it has not been made since"
        assert (damaged.id, damaged.state) == (bad.id, "damaged")
        assert damaged.text.startswith("page.html is not what was written. Make it anew with: invoke repro")
        assert f"{bad.id}: page.html is not what was written" in capsys.readouterr().err
    for left in (b"[]", b'{"failures": 1}', b"\xff", file.read_bytes().replace(b"luck", b"duck")):
        file.write_bytes(left)
        assert [each.id for each in report_files._failures(book, file, {})] == [bad.id]
    there = report_files._copy_notebooks(book, _made(tmp_path / "notebooks"))
    assert [there[recipe.id.removeprefix("notebook/")] for recipe in recipes] == [True, False]


def _made(folder):
    folder.mkdir()
    return folder


def test_two_calls_that_write_one_page_take_turns(folder, monkeypatch):
    monkeypatch.setenv("MEDDEF_REPORTS", str(folder.parent))
    book, began, turns = workbook("mini"), threading.Event(), []

    def write(book, where, *_):
        turns.append("begins")
        began.set()
        time.sleep(0.1)
        turns.append("ends")
        return where

    monkeypatch.setattr(report_files, "_write", write)
    other = threading.Thread(target=report_files.write, args=(book, {}))
    other.start()
    began.wait()
    assert report_files.write(book, {}) == folder.parent / "mini"
    other.join()
    assert turns == ["begins", "ends"] * 2


def test_what_killed_calls_left_half_written_is_swept(folder):
    report = folder.parent
    left = [report / "index.html.part", folder / "04_epsilon_sweep.roct.html.99.part"]
    for part in left:
        part.write_text("half")
        os.utime(part, (0, time.time() - 2 * report_files.SECONDS_OF_A_PART))
    young = report / "results.json.98.part"
    young.write_text("half")
    report_files._sweep(report)
    assert not any(part.exists() for part in left)
    assert young.exists(), "another call may be writing it"
