"""The pass over all files that the audit and the removal of duplicates share."""

import hashlib
import json

import numpy as np
from PIL import Image

from meddef_lib.data import examine
from meddef_lib.data.examine import THUMBNAIL
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.params import read_dataset, read_profile
from meddef_lib.workbook.cells import audit
from tests.known import book_of

CHEST = read_dataset("chest_xray")
PROFILE = read_profile("smoke", {"data.source": "folders"})


def looked_at() -> Recipe:
    """The recipe of the pass, as the audit asks for it."""
    return audit.recipe(book_of(PROFILE, CHEST), "chest_xray").inputs[examine.INPUT]


def test_every_listed_file_has_a_row(drawn, data_root):
    root = data_root("chest_xray")
    found = examine.load(Store().get(looked_at()))
    files = found.files
    planted = drawn["chest_xray"][1]
    assert list(files["path"]) == sorted(files["path"])
    assert found.thumbnails.shape == (len(files), THUMBNAIL, THUMBNAIL)
    assert list(files.loc[files["reason"].notna(), "path"]) == planted.truncated
    assert set(found.readable["path"]) | set(planted.truncated) == set(files["path"])
    for path, mode in found.readable[["path", "mode"]].itertuples(index=False):
        with Image.open(root / "chest_xray" / path) as image:
            assert image.mode == mode
    folders = {path if not path.startswith("__MACOSX/") else "__MACOSX" for path in planted.clutter}
    assert set(found.summary["clutter"]) == folders
    for row in (0, len(files) - 1):
        data = (root / "chest_xray" / files.loc[row, "path"]).read_bytes()
        assert files.loc[row, "sha256"] == hashlib.sha256(data).hexdigest()


def test_processes_change_nothing(data_root, tmp_path, monkeypatch):
    data_root("chest_xray")
    one = Store().get(looked_at())
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path / "second"))
    two = Store().get(looked_at(), processes=2)
    for name in ("files.parquet", "thumbnails.npy", "summary.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_exif_is_kept_as_json(data_root):
    root = data_root("chest_xray")
    source = root / "chest_xray/train/NORMAL/IM-0001-0001.jpeg"
    data = source.read_bytes()
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x31\x01\x02\0\x04\0\0\0abc\0" + b"\0\0\0\0"  # Software = abc
    segment = b"Exif\0\0" + tiff
    source.write_bytes(data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:])
    found = examine.load(Store().get(looked_at())).files.set_index("path")
    assert json.loads(found.loc["train/NORMAL/IM-0001-0001.jpeg", "exif"]) == {"Software": "abc"}
    assert found["exif"].notna().sum() == 1


def test_thumbnails_of_unreadable_files_are_black(drawn, data_root):
    data_root("chest_xray")
    found = examine.load(Store().get(looked_at()))
    rows = np.flatnonzero(found.files["reason"].notna())
    assert len(rows) == len(drawn["chest_xray"][1].truncated)
    assert not found.thumbnails[rows].any()
