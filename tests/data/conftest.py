"""Small data roots of phantoms, drawn once a session."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from meddef_lib.data.sources.phantoms import writing
from meddef_lib.data.sources.phantoms.writing import Planted

SMALL = {"train": 40, "val": 12, "test": 20}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> dict[str, tuple[Path, Planted]]:
    """Of each data set: a data root with its phantoms, not to be written to, and what is planted there."""
    roots = {}
    for dataset, kind in {"roct": "oct", "chest_xray": "chest"}.items():
        root = tmp_path_factory.mktemp(dataset)
        roots[dataset] = (root, writing.write(root, kind, counts=SMALL, seed=0, native_scale=0.25))
    return roots


@pytest.fixture
def data_root(drawn, tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Copy the phantoms of a data set to a data root of the test's own and make it the reader's."""

    def copy(dataset: str) -> Path:
        root = tmp_path / "data"
        shutil.copytree(drawn[dataset][0], root, symlinks=True)
        monkeypatch.setenv("MEDDEF_DATA", str(root))
        return root

    return copy
