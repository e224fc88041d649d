"""Where things lie: the repository, its parameters, the store, the reports and the reader's data.

Everything resolves from the repository root, so that a notebook and a command started elsewhere agree.
"""

import os
from pathlib import Path

from meddef_lib.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"


def store_root() -> Path:
    """The folder of finished results: `MEDDEF_STORE`, or `runs/` in the repository."""
    return _from_environment("MEDDEF_STORE") or ROOT / "runs"


def reports_root() -> Path:
    """The folder of rendered reports: `MEDDEF_REPORTS`, or `reports/` in the repository."""
    return _from_environment("MEDDEF_REPORTS") or ROOT / "reports"


def data_root() -> Path | None:
    """The folder that holds the reader's images (`MEDDEF_DATA`), or None where it is not set."""
    return _from_environment("MEDDEF_DATA")


def variables(store: Path) -> dict[str, str]:
    """What another machine needs in its environment to find the same folders, with this store."""
    found = {"MEDDEF_STORE": store, "MEDDEF_REPORTS": reports_root(), "MEDDEF_DATA": data_root()}
    return {name: str(folder) for name, folder in found.items() if folder}


def given(text: str, name: str, start: Path = ROOT) -> Path:
    """A path that somebody gave as `name` (an option, a variable); relative ones begin at `start`.

    What the environment says begins at the repository: a kernel starts in notebooks/, a task does not.
    Raises UserError for what leads nowhere: `~somebody` without a home, links in a circle.
    """
    try:
        return (start / Path(text).expanduser()).resolve()
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(f"{name} is {text!r}, which cannot be followed ({error}); name another") from error


def environment() -> dict[str, str]:
    """The environment for a process that must import this checkout's library, whichever one is installed."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path}


def _from_environment(name: str) -> Path | None:
    text = os.environ.get(name, "").strip()
    return given(text, name) if text else None
