"""`invoke verify` reads everything, names what is damaged, and makes it anew where somebody asks for it."""

import os
from types import SimpleNamespace

import pytest

from meddef_lib.app import runner, upkeep
from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.scheduler import CellStatus
from meddef_lib.errors import DONE, FAILED
from meddef_lib.workbook.book import workbook


@pytest.fixture
def book(toy, monkeypatch):
    """The mini workbook with two toy cells in the place of its own, both made here."""
    book = workbook("mini")
    first = Recipe("first", "toy.engine:write", {"word": "a"})
    cells = {"first": first, "second": Recipe("second", "toy.engine:write", {"word": "b"}, {"first": first})}
    book.store.get(cells["second"])

    def compute(book, recipes, *, device):
        lacking = scheduler.missing(recipes, book.store)
        for recipe in lacking.values():
            book.store.get(recipe)
        return {each.id: CellStatus(each.id, "made" if each.id in lacking else "there") for each in recipes}

    monkeypatch.setattr(upkeep, "cells_and_pages", lambda book: cells)
    monkeypatch.setattr(runner, "compute", compute)
    monkeypatch.setattr(runner, "require_images", lambda book, recipes: None)
    monkeypatch.setattr(upkeep, "in_sight", lambda: [book])
    return SimpleNamespace(store=book.store, cells=cells)


def flip_in_silence(file):
    """Change a bit and leave size and times as they are, as a disk does."""
    before = file.stat()
    file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_is_damaged_is_named_and_made_anew(book, capsys):
    assert upkeep.verify() == DONE
    assert capsys.readouterr().out == "2 results read, 0 damaged\n"
    folder = book.store.folder(book.cells["first"])
    flip_in_silence(folder / "word")
    assert upkeep.verify() == FAILED
    said = capsys.readouterr().out
    assert f"damaged: first/{folder.name}: word is not what was written" in said
    assert "2 results read, 1 damaged" in said
    assert upkeep.verify(repair=True) == DONE
    assert "whole again: first\n" in capsys.readouterr().out
    assert (folder / "word").read_text() == "a"
    assert upkeep.verify() == DONE


def test_what_nobody_asks_for_stays_as_it_is(book, capsys):
    other = book.store.get(Recipe("other", "toy.engine:write", {"word": "c"}))
    (other / "word").unlink()
    assert upkeep.verify(repair=True) == FAILED
    said = capsys.readouterr().out
    assert f"damaged still: {other}" in said
    assert "with the --set of their run makes them anew" in said


def test_a_surplus_file_costs_no_computing(book, capsys):
    cell = book.cells["first"]
    before = book.store.receipt(cell)
    (book.store.folder(cell) / ".DS_Store").write_text("0")
    assert upkeep.verify(repair=True) == DONE
    assert book.store.receipt(cell) == before
