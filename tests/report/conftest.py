"""Documents for tests of the page: of a run that made nothing, and of one that is whole."""

import json
from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from meddef_lib.engine.store import Store
from meddef_lib.report import crate, page
from meddef_lib.report.view import View
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook

NOTEBOOK = "04_epsilon_sweep.chest_xray"  # of which `written` has the page


@pytest.fixture
def view_of(tmp_path, monkeypatch) -> Callable[..., View]:
    """`view_of("mini", ["seeds=[3, 4]"], networks=[])`: a view with these parts of its document replaced."""
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path))

    def made(profile: str = "mini", overrides: Sequence[str] = (), **parts: Any) -> View:
        return View(ChainMap(parts, results_file.parts(workbook(profile, overrides=overrides))))

    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Of a run that is whole, as far as a document says."""
    store = Store(tmp_path_factory.mktemp("store"))
    weights = tmp_path_factory.mktemp("some body") / "w.pth"
    weights.write_bytes(b"weights")
    book = workbook("mini", overrides=[f"boosted.weights={weights}"], store=store)
    found = json.loads(json.dumps(results_file.document(book)))
    made_with = {"python": "3.11.7", "packages": {"torch": "2.9.0+cpu"}, "processor": "one"}
    for second, cell in enumerate(found["cells"]):
        when = f"2026-01-02T03:{second // 60:02}:{second % 60:02}.500000+00:00"
        cell |= {
            "state": "there",
            "seconds": 2.0,
            "finished": when,
            "commit": "0" * 40,
            "made_with": made_with,
        }
    found["environment"] = [{**made_with, "device": "cpu", "cells": len(found["cells"])}]
    found["costs_together"] |= {"missing": 0, "there": len(found["cells"])}
    return found


@pytest.fixture
def written(whole, tmp_path):
    """Writes a report of a changed document; the crate, and its entities by id."""

    def write(change=lambda found: None):
        found = json.loads(json.dumps(whole))
        change(found)
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        for suffix in (".html", ".ipynb"):
            (tmp_path / f"notebooks/{NOTEBOOK}{suffix}").write_text("{}")
        (tmp_path / page.NUMBERS).write_text(json.dumps(found))
        (tmp_path / ".rendered.json").write_text("{}")
        (tmp_path / "own.json").write_text("{}")
        page.from_folder(tmp_path)
        said = (tmp_path / crate.NAME).read_text(encoding="utf-8")
        graph = json.loads(said)["@graph"]
        entities = {each["@id"]: each for each in graph}
        assert len(entities) == len(graph), "an id stands for one thing"
        return said, entities

    return write
