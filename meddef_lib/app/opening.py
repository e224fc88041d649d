"""The workbook that the options of a command name."""

import os
from collections.abc import Sequence
from pathlib import Path

from meddef_lib import paths
from meddef_lib.workbook.book import Workbook, workbook

Texts = Sequence[str] | None  # of an option that may be given more than once


def workbook_of(profile: str, datasets: Texts, data_root: str | None, set: Texts) -> Workbook:
    """Read the parameters. Raises ParamsError."""
    use_data_root(data_root)
    return workbook(profile, datasets=datasets or (), overrides=set or ())


def use_data_root(data_root: str | None) -> None:
    """The data root travels in the environment: kernels and workers inherit it."""
    if data_root:
        os.environ["MEDDEF_DATA"] = str(paths.given(data_root, "--data-root", Path.cwd()))
