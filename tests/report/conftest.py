"""A document of a run of which nothing is made yet, and what a test puts into it."""

from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from meddef_lib.report.view import View
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook


@pytest.fixture
def view_of(tmp_path, monkeypatch) -> Callable[..., View]:
    """`view_of("mini", ["seeds=[3, 4]"], networks=[])`: a view with these parts of its document replaced."""
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path))

    def made(profile: str = "mini", overrides: Sequence[str] = (), **parts: Any) -> View:
        return View(ChainMap(parts, results_file.parts(workbook(profile, overrides=overrides))))

    return made
