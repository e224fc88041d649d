"""What the options of a command say: the workbook that they name, and numbers."""

import os
from collections.abc import Sequence
from pathlib import Path

from meddef_lib import paths
from meddef_lib.errors import UserError
from meddef_lib.visible import one_line
from meddef_lib.workbook.book import Workbook, workbook

MOST = 10**9  # of whatever an option counts: in seconds thirty years, more than clocks can wait for
Texts = Sequence[str] | None  # of an option that may be given more than once


def workbook_of(profile: str, datasets: Texts, data_root: str | None, set: Texts) -> Workbook:
    """Read the parameters. Raises ParamsError."""
    use_data_root(data_root)
    return workbook(profile, datasets=datasets or (), overrides=set or ())


def whole_number(option: str, text: str, expected: str, *, least: int = 1, most: int = MOST) -> int:
    """The number that an option says. Raises UserError, saying what was `expected`."""
    # isdigit is true of ², which is no number; a number of thousands of digits Python does not read
    if not text.isdecimal() or len(text) > len(str(MOST)) or not least <= int(text) <= most:
        above = f", at most {MOST:,}" if text.isdecimal() and most == MOST else ""
        raise UserError(f"{option} is {one_line(text, 40)!r}; expected {expected}{above}")
    return int(text)


def port_number(option: str, text: str) -> int:
    """The port that an option says, 0 for any that is free. Raises UserError."""
    return whole_number(option, text, "a number up to 65535 (0: any that is free)", least=0, most=65535)


def use_data_root(data_root: str | None) -> None:
    """The data root travels in the environment: kernels and workers inherit it."""
    if data_root:
        os.environ["MEDDEF_DATA"] = str(paths.given(data_root, "--data-root", Path.cwd()))
