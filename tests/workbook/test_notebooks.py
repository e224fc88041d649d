"""Notebooks: which there are, what each says of itself, and when one is run again."""

import json
import shutil

import pytest

from meddef_lib import paths
from meddef_lib.params import ParamsError
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import workbook


def test_notebooks_are_chosen_by_the_beginning_of_their_name():
    assert [found.name for found in notebooks.chosen(["04", "02_training"])] == [
        "02_training",
        "04_epsilon_sweep",
    ]
    assert notebooks.chosen([]) == list(notebooks.every_notebook())
    with pytest.raises(ParamsError, match=r"--only 99 fits no notebook; known are .*04_epsilon_sweep"):
        notebooks.chosen(["99"])


def test_they_come_in_the_order_in_which_they_are_read_with_what_each_shows():
    found = notebooks.every_notebook()
    assert [each.name for each in found[:3]] == ["00_start_here", "00_paper_audit", "01_preprocessing"]
    assert found[0].needs == ()
    for each in found:
        assert each.title
        assert each.shows.endswith("."), each.name
        assert "$" not in each.title + each.shows, "a table shows no formulas"


def test_parameters_of_another_profile_leave_a_notebook_as_it_was(tmp_path, monkeypatch):
    shutil.copytree(paths.PARAMS, tmp_path / "params")
    monkeypatch.setattr(paths, "PARAMS", tmp_path / "params")
    notebooks.library.cache_clear()
    before = notebooks.library("smoke")
    for file, same in (("profiles/mini.yaml", True), ("profiles/smoke.yaml", False), ("claims.yaml", False)):
        with (tmp_path / "params" / file).open("a", encoding="utf-8") as stream:
            stream.write("# another word\n")
        notebooks.library.cache_clear()
        assert (notebooks.library("smoke") == before) == same, file
    notebooks.library.cache_clear()


def test_a_change_of_what_draws_a_notebook_runs_it_again_and_an_editors_lock_does_not(tmp_path, monkeypatch):
    sources = tmp_path / "meddef_lib"
    shutil.copytree(notebooks.fingerprint.SOURCES, sources, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(notebooks.fingerprint, "SOURCES", sources)
    found = []
    for file in ("", "report/templates/lean/index.html.j2", "report/templates/style.css", "app/session.py"):
        if file:
            with (sources / file).open("a", encoding="utf-8") as stream:
                stream.write("\n")
        notebooks.library.cache_clear()
        found.append(notebooks.library("smoke"))
    assert len(set(found)) == 4
    for file in ("app/.#session.py", "report/templates/.#style.css"):
        (sources / file).symlink_to("someone@a.machine.17:42")
    notebooks.library.cache_clear()
    assert notebooks.library("smoke") == found[-1]
    notebooks.library.cache_clear()


def test_a_notebook_needs_the_cells_of_the_kinds_that_it_names():
    book = workbook("mini")
    (found,) = notebooks.chosen(["05"])
    kinds = {recipe.id.partition("/")[0] for recipe in found.cells(book, "chest_xray")}
    assert kinds == set(found.needs) >= {"attack", "prune"}
    (audit,) = notebooks.chosen(["00_paper_audit"])
    assert list(audit.cells(book, "chest_xray")) == []


@pytest.mark.parametrize("says", [{}, {"sections": "4.3", "needs": ["nothing"], "per_dataset": True}])
def test_a_notebook_that_says_nothing_of_itself_is_refused(says, tmp_path, monkeypatch):
    notebook = {"cells": [], "metadata": {"meddef": says}}
    (tmp_path / "10_mine.ipynb").write_text(json.dumps(notebook))
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    notebooks.every_notebook.cache_clear()
    with pytest.raises(ParamsError, match=r"10_mine\.ipynb: its metadata need `meddef`"):
        notebooks.every_notebook()
    notebooks.every_notebook.cache_clear()
