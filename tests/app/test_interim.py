"""The page while a run goes on: there, marked, whole, and never in the way of the run or of its last page."""

import json
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from meddef_lib import paths
from meddef_lib.app import interim, report_files, running
from meddef_lib.engine.workers import Event
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.notebooks import cells_and_pages
from tests.processes import require_gone, wait_for


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.delenv("MEDDEF_DATA", raising=False)
    return workbook("mini")


def beside(words):
    """As `interim.pages`, with another program in the place of the one that renders."""
    real = subprocess.Popen

    def start(command, **options):
        return real([sys.executable, "-c", words], **options)

    return start


def test_a_page_is_rendered_by_a_process_of_its_own_and_says_that_the_run_goes_on(book, monkeypatch):
    cells = cells_and_pages(book)
    folder = paths.reports_root() / "mini"
    monkeypatch.setattr(interim, "SECONDS_TO_THE_FIRST", 0.1)
    with interim.pages(book, 600, dict.fromkeys(cells, 1.0)) as watch:
        watch(Event("sizes/chest_xray", "failed", text="no such luck"))
        wait_for((folder / "index.html").is_file)
    said = (folder / "index.html").read_text(encoding="utf-8")
    assert "<strong>The run goes on.</strong>" in said
    assert f"0 of {len(cells)} steps are there; the run has made 0 of its {len(cells)}" in " ".join(
        said.split()
    )
    assert "sizes/chest_xray</strong> (failed): no such luck" in said
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert found["counts"]["values"]["pending"] > 0
    assert "03_ablation.chest_xray: pending" in said
    assert not list(folder.rglob("*.part"))
    index = report_files.write(book, {})
    final = index.read_text(encoding="utf-8")
    assert "The run goes on" not in final
    assert "pending" not in final
    assert not (folder / report_files.LAST).exists()


def test_a_page_that_cannot_be_rendered_is_said_once_and_the_run_goes_on(book, monkeypatch, capsys):
    tried = []
    program = beside("raise SystemExit('the disk is full')")
    monkeypatch.setattr(
        interim.subprocess, "Popen", lambda *words, **options: tried.append(1) or program(*words, **options)
    )
    monkeypatch.setattr(interim, "SECONDS_BETWEEN_NOTES", 0.01)
    monkeypatch.setattr(interim, "REST", 0)
    monkeypatch.setattr(interim, "SECONDS_TO_THE_FIRST", 0.0)
    with interim.pages(book, 0.01, {"a": 1.0}):
        wait_for(lambda: len(tried) > 2)
    said = capsys.readouterr().err
    assert said.count("the page could not be rendered while the run goes on (the disk is full; log: ") == 1


def test_two_pages_are_never_rendered_at_once_and_none_outlives_the_run(book, monkeypatch, tmp_path):
    monkeypatch.setattr(interim, "SECONDS_BETWEEN_NOTES", 0.01)
    monkeypatch.setattr(interim, "SECONDS_TO_THE_FIRST", 0.0)
    waits = (
        f"import os, time; open({str(tmp_path)!r} + f'/pid-{{os.getpid()}}', 'w').close(); time.sleep(600)"
    )
    monkeypatch.setattr(interim.subprocess, "Popen", beside(waits))
    asked = threading.Event()
    with suppress(KeyboardInterrupt), interim.pages(book, 0.01, {"a": 1.0}):
        wait_for(lambda: list(tmp_path.glob("pid-*")))
        asked.wait(0.3)  # many periods
        (file,) = tmp_path.glob("pid-*")
        raise KeyboardInterrupt
    require_gone([int(file.name.removeprefix("pid-"))])
    assert running.told(book) is None


def test_without_pages_the_run_is_told_of_all_the_same(book, monkeypatch):
    monkeypatch.setattr(interim, "SECONDS_BETWEEN_NOTES", 0.01)
    monkeypatch.setattr(interim.subprocess, "Popen", lambda *_, **__: pytest.fail("a page was rendered"))
    with interim.pages(book, 0, {"a": 1.0}) as watch:
        watch(Event("a", "done"))
        wait_for(lambda: running.told(book).made == 1)


def test_given_weights_which_no_report_can_be_asked_for_have_no_page_meanwhile(book, monkeypatch):
    monkeypatch.setattr(interim, "SECONDS_BETWEEN_NOTES", 0.01)
    monkeypatch.setattr(interim, "SECONDS_TO_THE_FIRST", 0.0)
    monkeypatch.setattr(interim.subprocess, "Popen", lambda *_, **__: pytest.fail("a page was rendered"))
    of_weights = book.with_weights("ab" * 32, "mine.pt", "full", book.profile.data)
    with interim.pages(of_weights, 0.01, {"a": 1.0}) as watch:
        watch(Event("a", "done"))
        wait_for(lambda: running.told(of_weights).made == 1)
