"""Where things lie: the repository, its parameters, the store, the reports and the reader's data.

Everything resolves from the repository root, so that a notebook and a command started elsewhere agree.
"""

import os
from pathlib import Path

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


def _from_environment(name: str) -> Path | None:
    text = os.environ.get(name, "").strip()
    # relative paths mean the repository, as everywhere else: a kernel starts in notebooks/, a task does not
    return (ROOT / Path(text).expanduser()).resolve() if text else None
