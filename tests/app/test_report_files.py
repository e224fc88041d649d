"""The files beside a report: those of its own run, whole, and no others."""

import json
import os
import shutil
import threading
import time
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace

import pytest

from meddef_lib.app import commands, report_files, running
from meddef_lib.engine import locks
from meddef_lib.engine.files import write_whole
from meddef_lib.engine.scheduler import CellStatus
from meddef_lib.errors import DONE, REFUSED
from meddef_lib.report import page
from meddef_lib.results import results_json
from meddef_lib.workbook import notebooks, results_file
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
    report_files._copy_notebooks(book, folder)
    every = notebooks.recipes(book, notebooks.every_notebook())
    assert "04_epsilon_sweep.chest_xray" in every
    assert names(folder) == {f"{stem}.{end}" for stem in every for end in ("html", "ipynb")}
    (folder / "mine.html").write_text("the reader's own")
    smaller = replace(book, datasets={"roct": book.datasets["roct"]})
    left = notebooks.recipes(smaller, notebooks.every_notebook())
    report_files._copy_notebooks(smaller, folder)
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
    folder = _made(tmp_path / "notebooks")
    report_files._copy_notebooks(book, folder)
    there = {name.removesuffix(".html") for name in names(folder)}
    assert [recipe.id.removeprefix("notebook/") in there for recipe in recipes] == [True, False]


def _made(folder):
    folder.mkdir()
    return folder


def test_two_calls_that_write_one_page_take_turns(folder, monkeypatch):
    monkeypatch.setenv("MEDDEF_REPORTS", str(folder.parent))
    book, began, turns = workbook("mini"), threading.Event(), []

    def begin(_):
        turns.append("begins")
        began.set()
        time.sleep(0.1)

    def end(_, where):
        turns.append("ends")
        return where

    monkeypatch.setattr(report_files, "_sweep", begin)
    monkeypatch.setattr(report_files.results_file, "document", lambda *_, **__: {})
    monkeypatch.setattr(report_files.photographs, "write", lambda *_: None)
    monkeypatch.setattr(report_files.page, "write", end)
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
    report_files._sweep(report)
    assert not any(part.exists() for part in left)


# --- what changed since an earlier run ------------------------------------------------------------


@pytest.fixture
def rendered(tmp_path, monkeypatch):
    """`rendered(book, 0.5, ...)`: what the page says of changes, where so many images have this answer."""
    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    folder = tmp_path / "reports/mini"
    made = results_file.document
    monkeypatch.setattr(report_files.photographs, "write", lambda *_: None)
    monkeypatch.setattr(report_files.page, "write", lambda found, folder: folder / "index.html")
    monkeypatch.setattr(report_files, "_failures", lambda *_: [])
    base = made(workbook("mini"))  # the parts take a second

    def document(book, call, **options):
        found = deepcopy(base)
        for row, number in zip(found["values"], rendered.numbers, strict=False):
            row["reproduced"] = number
            row["status"] = "not_run" if number is None else "smoke"
        if "underway" in call:
            found["run"]["underway"] = call["underway"]
        elif (told := options["changed"](found)) is not None:
            found["changes"] = told
        results_json.check(found)
        return found

    monkeypatch.setattr(report_files.results_file, "document", document)

    def rendered(*numbers, run=None, against=None):
        rendered.numbers = numbers
        report_files.write(workbook("mini"), {}, running=lambda: run, against=against)
        rendered.file = folder / "results.json"
        found = json.loads(rendered.file.read_text(encoding="utf-8"))
        changed = found.get("changes")
        return changed and [(row["before"], row["now"]) for row in changed["values"]]

    return rendered


def test_of_a_first_run_nothing_is_said_and_the_same_again_is_the_same_file(rendered):
    assert rendered(1.0) is None
    first = rendered.file.read_bytes()
    assert rendered(1.0) is None
    assert rendered.file.read_bytes() == first
    assert rendered(2.0) == [(1.0, 2.0)]
    second = rendered.file.read_bytes()
    for _ in range(2):
        assert rendered(2.0) == [(1.0, 2.0)], "compared with the last results that were different"
        assert rendered.file.read_bytes() == second
    assert rendered(3.0) == [(2.0, 3.0)]


def test_pages_of_a_run_that_goes_on_are_not_compared_with(rendered):
    goes_on = running.Running("process 1", ("audit/chest_xray",))
    assert rendered(1.0) is None
    assert rendered(2.0) == [(1.0, 2.0)]
    for _ in range(2):
        assert rendered(None, run=goes_on) is None
    assert rendered(2.0) == [(1.0, 2.0)], "the same as before the run"
    assert rendered(None, run=goes_on) is None
    assert rendered(5.0) == [(2.0, 5.0)]


def test_half_a_run_is_not_what_the_whole_is_compared_with(rendered):
    goes_on = running.Running("process 1", ("audit/chest_xray",))
    assert rendered(1.0, 1.0) is None
    assert rendered(2.0, None, run=goes_on) is None
    assert rendered(2.0, None) == [(1.0, 2.0)], "rendered by hand after it was killed"
    assert rendered(2.0, 2.0) == [(1.0, 2.0), (1.0, 2.0)]


def test_another_run_can_be_named_to_compare_with(rendered, tmp_path):
    rendered(1.0)
    other = json.loads(rendered.file.read_text(encoding="utf-8"))
    assert rendered(2.0) == [(1.0, 2.0)]
    other["values"][0]["reproduced"] = 9.0
    assert rendered(2.0, against=other) == [(9.0, 2.0)]
    assert rendered(2.0) == [(1.0, 2.0)]


def test_a_page_from_a_folder_waits_for_the_run_that_writes_it(rendered, monkeypatch, capsys):
    rendered(1.0)
    folder, waited = rendered.file.parent, ExitStack()
    waited.enter_context(report_files.turn(folder))
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: waited.close())
    assert commands.report(from_=str(folder)) == DONE
    said = capsys.readouterr().out
    assert f"waiting for {locks.process_name()}, which is making the report {folder}\nThe report: " in said


def test_beside_a_folder_from_elsewhere_no_lock_is_left(rendered, tmp_path):
    rendered(1.0)
    other = shutil.copytree(rendered.file.parent, tmp_path / "elsewhere/mini")
    assert commands.report(from_=str(other)) == DONE
    assert list(other.parent.iterdir()) == [other]


def test_results_of_an_older_schema_are_a_sentence(rendered, capsys):
    rendered(1.0)
    old = json.loads(rendered.file.read_text(encoding="utf-8"))
    for cell in old["cells"]:
        del cell["inputs"]
    rendered.file.write_text(json.dumps(old), encoding="utf-8")
    assert rendered(2.0) is None
    said = capsys.readouterr().err
    assert said.startswith("nothing is said of what changed since an earlier run: ")
    assert "is not of this version" in said
    file = rendered.file.with_name("old.json")
    file.write_text(json.dumps(old), encoding="utf-8")
    assert commands.report(profile="mini", against=str(file)) == REFUSED
    assert "is not of this version" in capsys.readouterr().err
    rendered(3.0)
    kept = json.loads(rendered.file.read_text(encoding="utf-8"))
    for number in ("NaN", "1e999"):
        file.write_text(json.dumps(kept).replace(": 3.0", f": {number}", 1), encoding="utf-8")
        assert commands.report(profile="mini", against=str(file)) == REFUSED
        assert "not JSON compliant" in capsys.readouterr().err
    assert page.read(rendered.file.parent) == kept, "a folder is as good"
    assert commands.report(from_=str(file.parent), against=str(file)) == REFUSED
