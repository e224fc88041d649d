"""The page is drawn from its folder alone: the document, the pictures and the notebooks beside it."""

import json

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.report import page
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook


@pytest.fixture
def folder(tmp_path):
    """A report's folder with the document of a run that made nothing."""
    found = results_file.document(workbook("mini", store=Store(tmp_path / "store")))
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / page.NUMBERS).write_text(json.dumps(found), encoding="utf-8")
    return folder


def test_a_page_needs_its_folder_and_nothing_else(folder, monkeypatch):
    monkeypatch.setenv("MEDDEF_STORE", "/nowhere")
    (folder / "notebooks").mkdir()
    (folder / "notebooks/04_epsilon_sweep.chest_xray.html").write_text("a page")
    index = page.from_folder(folder)
    said = index.read_text(encoding="utf-8")
    assert index == folder / "index.html"
    assert [file.name for file in folder.iterdir() if file.suffix == ".part"] == []
    assert '<a href="notebooks/04_epsilon_sweep.chest_xray.html">04_epsilon_sweep.chest_xray</a>' in said
    assert "03_ablation.chest_xray: not executed in this state" in said
    assert "What was not run" in said
    assert "Not there yet: the records of" in said


def test_what_failed_is_told_from_the_document(folder):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    failure = {"id": "train/a", "state": "failed", "text": "no memory", "log": "", "traceback": ""}
    found["run"]["failures"] = [failure]
    assert "<strong>train/a</strong> (failed): no memory" in page.render(found, folder)


@pytest.mark.parametrize("numbers", [None, "{"])
def test_a_folder_without_a_document_is_refused_in_a_sentence(tmp_path, numbers):
    if numbers:
        (tmp_path / page.NUMBERS).write_text(numbers, encoding="utf-8")
    with pytest.raises(page.NoDocument, match=r"has no results.json that can be read"):
        page.from_folder(tmp_path)


def test_a_document_that_does_not_fit_its_schema_is_refused(folder):
    found = json.loads((folder / page.NUMBERS).read_text(encoding="utf-8"))
    found["values"][0]["status"] = "agrees"
    (folder / page.NUMBERS).write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(page.NoDocument, match=r"values\[0\].status"):
        page.from_folder(folder)
