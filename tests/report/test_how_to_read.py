"""The words below tables and figures: written once, and shown by the page and the notebooks alike."""

import json
from importlib import import_module

import pandas as pd
import pytest

from meddef_lib import paths
from meddef_lib.report import sections
from meddef_lib.report.elements import frame_table
from meddef_lib.report.section import from_cells, how_to_read
from meddef_lib.report.view import View


@pytest.mark.parametrize("place", how_to_read())
def test_every_entry_is_of_something_that_is_drawn(place):
    module, _, name = place.partition(".")
    assert callable(getattr(import_module(f"{sections.__name__}.{module}"), name))


def test_what_is_drawn_brings_its_words_along(monkeypatch):
    @from_cells("04_epsilon_sweep")
    def drawn(view, dataset):
        return frame_table(pd.DataFrame({"a": [1]}), id="t", caption="Numbers")

    words = {f"{__name__.rpartition('.')[2]}.drawn": "From left to right, <never> back."}
    monkeypatch.setattr("meddef_lib.report.section.how_to_read", lambda: words)
    view = View({"phantom": False, "cells": [], "models": [], "run": {}})
    html = drawn(view, "roct")._repr_html_()
    assert "How to read it: From left to right, &lt;never&gt; back." in html


@pytest.mark.parametrize("file", sorted(paths.NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem)
def test_no_notebook_has_words_of_its_own_for_it(file):
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert "How to read it" not in text
    assert "paper's claim:" not in text
