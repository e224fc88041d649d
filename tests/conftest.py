"""What every test shares: one thread a process, a store of its own, the real images where they are given."""

import os
from pathlib import Path

import pytest

from tests.toys import toy  # noqa: F401  (a fixture for everyone)

# the suite runs one process a core; torch reads these when it is first imported
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """No test reads or writes the reader's store."""
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path / "store"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The data root with real images; tests that ask for it are skipped without `MEDDEF_DATA`."""
    root = os.environ.get("MEDDEF_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("MEDDEF_DATA names no folder with real images")
    return Path(root)
