"""What the options of a command say: the workbook that they name, and numbers."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from meddef_lib import paths
from meddef_lib.errors import UserError
from meddef_lib.workbook.book import Workbook, workbook

Texts = Sequence[str] | None  # of an option that may be given more than once


def workbook_of(profile: str, datasets: Texts, data_root: str | None, set: Texts) -> Workbook:
    """Read the parameters. Raises ParamsError."""
    use_data_root(data_root)
    return workbook(profile, datasets=datasets or (), overrides=set or ())


def whole_number(option: str, text: str, expected: str, *, least: int = 1, most: float = math.inf) -> int:
    """The number that an option says. Raises UserError, saying what was `expected`."""
    if not text.isdecimal() or not least <= int(text) <= most:  # isdigit is true of ², which is no number
        raise UserError(f"{option} is {text!r}; expected {expected}")
    return int(text)


def use_data_root(data_root: str | None) -> None:
    """The data root travels in the environment: kernels and workers inherit it."""
    if data_root:
        os.environ["MEDDEF_DATA"] = str(paths.given(data_root, "--data-root", Path.cwd()))
