"""From files to a prepared data set and back: whole, the same after a kill, honest about what it left out."""

import hashlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from meddef_lib.data import decode, prepared, steps
from meddef_lib.data.prepared import INDEX_COLUMNS, Prepared
from meddef_lib.data.reasons import clause
from meddef_lib.engine.store import Store
from meddef_lib.errors import DataError
from meddef_lib.params import read_dataset, read_profile
from meddef_lib.workbook.cells import prepared as cell
from tests.known import book_of

CHEST = read_dataset("chest_xray")
ROCT = read_dataset("roct")
SIZE = 32

MAKE = """
import sys
from meddef_lib.params import read_dataset, read_profile
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared

if __name__ == "__main__":
    profile = read_profile("sample", {"image_size": 256})
    dataset = read_dataset("chest_xray", {"chest_xray.preprocessing.median_size": 9})
    book = Workbook(profile, {"chest_xray": dataset})
    print(book.store.get(prepared.recipe(book, "chest_xray")))
"""


def prepare(dataset, processes: int = 1, **overrides) -> Prepared:
    settings = {"image_size": SIZE, "data.source": "folders"} | overrides
    profile = read_profile("smoke", {name.replace("__", "."): value for name, value in settings.items()})
    recipe = cell.recipe(book_of(profile, dataset), dataset.id)
    return prepared.load(Store().get(recipe, processes=processes))


def encoded(pixels: np.ndarray, kind: str, mode: str | None = None) -> bytes:
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def test_every_row_is_its_file_prepared(data_root):
    root = data_root("roct")
    found = prepare(ROCT)
    assert tuple(found.index.columns) == INDEX_COLUMNS
    assert found.images.dtype == np.uint8
    assert found.images.shape == (len(found.index), SIZE, SIZE)
    assert list(found.index["path"]) == sorted(found.index["path"])
    assert found.index["image_id"].is_unique
    for row in (0, len(found.index) // 2, len(found.index) - 1):
        entry = found.index.iloc[row]
        data = (root / "OCT2017" / entry["path"]).read_bytes()
        picture = decode.decode(data, max_pixels=10**7)
        expected = steps.prepare(picture.grey, ROCT.preprocessing, image_size=SIZE)
        np.testing.assert_array_equal(found.images[row], expected)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert (entry["width"], entry["height"], entry["mode"]) == (
            *reversed(picture.grey.shape),
            picture.mode,
        )
        assert entry["image_id"] == prepared.image_id(entry["path"])
        assert ROCT.classes[entry["label"]] == entry["class_name"] == entry["path"].split("/")[1]


def test_an_id_is_63_bits_of_the_paths_hash():
    digest = hashlib.sha256(b"train/NORMAL/IM-0001-0001.jpeg").digest()
    assert prepared.image_id("train/NORMAL/IM-0001-0001.jpeg") == struct.unpack(">Q", digest[:8])[0] % 2**63


def test_the_summary_counts_what_is_in_the_array(data_root):
    data_root("chest_xray")
    found = prepare(CHEST)
    summary = found.summary
    for split, of_class in summary["counts"].items():
        for name, count in of_class.items():
            rows = (found.index["split"] == split) & (found.index["class_name"] == name)
            assert count == rows.sum() > 0
    train = found.images[found.subset("train")] / 255
    assert summary["mean"] == pytest.approx(train.mean(), abs=1e-9)
    assert summary["std"] == pytest.approx(train.std(), abs=1e-9)
    assert sum(summary["listed"].values()) >= len(found.index)
    assert summary["classes"] == ["NORMAL", "PNEUMONIA"]
    assert [clause(entry)[:10] for entry in summary["unreadable"]] == ["is cut off"]


def test_mean_and_std_by_hand():
    images = np.array([[[0, 255], [255, 0]], [[51, 51], [51, 51]]], dtype=np.uint8)
    assert prepared.mean_and_std(images, np.array([0])) == pytest.approx((0.5, 0.5))
    assert prepared.mean_and_std(images, np.array([1])) == pytest.approx((0.2, 0.0))
    assert prepared.mean_and_std(images, np.array([], dtype=np.int64)) == (None, None)


def test_processes_and_repetition_change_no_byte(data_root, tmp_path, monkeypatch):
    data_root("chest_xray")
    one = prepare(CHEST)
    monkeypatch.setenv("MEDDEF_STORE", str(tmp_path / "second"))
    two = prepare(CHEST, processes=2)
    assert one.folder != two.folder
    for name in ("images.npy", "index.parquet", "summary.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes(), name


def test_limits_take_a_stratified_part(data_root):
    data_root("roct")
    found = prepare(ROCT, data__limits={"train": 8, "test": 4})
    assert found.summary["counts"]["train"] == dict.fromkeys(ROCT.classes, 2)
    assert found.summary["counts"]["test"] == dict.fromkeys(ROCT.classes, 1)
    assert sum(found.summary["counts"]["val"].values()) == 12


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_medmnist_file_is_prepared_like_files_in_folders(tmp_path, monkeypatch, save):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in {"train": 150, "val": 12, "test": 16}.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 4).astype(np.uint8)[:, None]
    save(tmp_path / "octmnist.npz", **arrays)
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path))
    found = prepare(ROCT, processes=2, data__source="medmnist")
    assert found.summary["counts"]["train"] == {"CNV": 38, "DME": 38, "DRUSEN": 37, "NORMAL": 37}
    assert found.summary["source"] == "medmnist"
    assert found.summary["listed"] == {"train": 150, "val": 12, "test": 16}
    for row, entry in enumerate(found.index.itertuples()):
        _, split, number = entry.path.split("/")
        original = arrays[f"{split}_images"][int(number)]
        assert entry.label == arrays[f"{split}_labels"][int(number), 0]
        assert entry.sha256 == hashlib.sha256(original.tobytes()).hexdigest()
        expected = steps.prepare(original, ROCT.preprocessing, image_size=SIZE)
        np.testing.assert_array_equal(found.images[row], expected)


@pytest.mark.parametrize(
    ("rule", "kinds"), [("exact", ["exact_duplicates"]), ("near", ["exact_duplicates", "near_duplicates"])]
)
@pytest.mark.parametrize("dataset", [ROCT, CHEST], ids=["roct", "chest_xray"])
def test_duplicates_are_removed_before_the_split(drawn, data_root, dataset, rule, kinds):
    data_root(dataset.id)
    planted = drawn[dataset.id][1]
    found = prepare(dataset, data__duplicates=rule)
    groups = [set(group) for kind in kinds for group in getattr(planted, kind)]
    left = set(found.index["path"])
    assert all(len(group & left) == 1 for group in groups)
    removed = {entry["path"]: entry["duplicate_of"] for entry in found.summary["removed_duplicates"]}
    assert set(removed) == set().union(*groups) - left
    assert all(kept in left for kept in removed.values())
    # of copies in train and test the one in test stays
    assert not any(path.startswith("test/") and kept.startswith("train/") for path, kept in removed.items())


def test_files_that_are_no_pictures_are_listed_and_the_rest_prepared(data_root):
    folder = data_root("chest_xray") / "chest_xray"
    whole = prepare(CHEST)
    normal = folder / "train/NORMAL"
    grey = np.arange(0, 60 * 80, dtype=np.uint16).reshape(60, 80)
    jpeg = encoded((grey % 256).astype(np.uint8), "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    bomb = jpeg[: frame + 5] + struct.pack(">HH", 30_000, 30_000) + jpeg[frame + 9 :]
    (normal / "IM-9001-0001.jpeg").write_bytes(b"")
    (normal / "IM-9002-0001.jpeg").write_text("These are not the pixels you are looking for.")
    (normal / "IM-9003-0001.jpeg").write_bytes(jpeg[: len(jpeg) // 2])
    (normal / "IM-9004-0001.jpeg").write_bytes(bomb)
    (normal / "IM-9005-0001.png").write_bytes(encoded(grey * 13, "PNG"))
    (normal / "IM-9006-0001.jpeg").write_bytes(encoded((grey % 256).astype(np.uint8), "JPEG", "CMYK"))
    (normal / "IM-9007-0001.jpeg").symlink_to("IM-9007-0001.jpeg")
    (normal / "notes.txt").write_text("text")
    found = prepare(CHEST)
    reasons = {Path(entry["path"]).name: clause(entry) for entry in found.summary["unreadable"]}
    expected = {
        "IM-9001-0001.jpeg": "is empty",
        "IM-9002-0001.jpeg": "is text, not an image",
        "IM-9003-0001.jpeg": "is cut off",
        "IM-9004-0001.jpeg": "claims 30,000 x 30,000 = 900,000,000 pixels",
        "IM-9007-0001.jpeg": "is a symbolic link to nothing",
        "notes.txt": "is a file; only .jpeg, .jpg and .png files are read",
    }
    assert {name: reasons[name][: len(text)] for name, text in expected.items()} == expected
    converted = {Path(entry["path"]).name: clause(entry) for entry in found.summary["converted"]}
    assert converted["IM-9005-0001.png"].startswith("16 bits to 8 bits")
    assert converted["IM-9006-0001.jpeg"].startswith("CMYK to grey")
    assert set(found.index["path"]) - set(whole.index["path"]) == {
        "train/NORMAL/IM-9005-0001.png",
        "train/NORMAL/IM-9006-0001.jpeg",
    }


def test_test_images_alone_are_prepared_and_have_no_statistics(data_root):
    root = data_root("chest_xray")
    for split in ("train", "val"):
        (root / "chest_xray" / split).rename(root / f"without_{split}")
    found = prepare(CHEST, data__split="published")
    assert set(found.index["split"]) == {"test"}
    assert (found.summary["mean"], found.summary["std"]) == (None, None)


def test_without_test_images_nothing_is_prepared(data_root):
    root = data_root("chest_xray")
    (root / "chest_xray/test").rename(root / "without_test")
    with pytest.raises(
        DataError, match=r"the test split of .* has no readable image of NORMAL and PNEUMONIA"
    ):
        prepare(CHEST, data__split="published")


def test_a_class_without_a_readable_image_is_refused(data_root):
    folder = data_root("chest_xray") / "chest_xray"
    for file in folder.glob("*/NORMAL/*.jpeg"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="no readable image of NORMAL"):
        prepare(CHEST)


def test_a_changed_file_makes_another_result(data_root):
    root = data_root("chest_xray")
    first = prepare(CHEST)
    file = root / "chest_xray" / first.index["path"][0]
    file.write_bytes(encoded(np.zeros((50, 50), np.uint8), "JPEG"))
    second = prepare(CHEST)
    assert second.folder != first.folder
    assert second.images[0].max() == 0 < first.images[0].max()


def test_killed_in_the_middle_it_ends_with_the_same_bytes(data_root, tmp_path):
    root = data_root("chest_xray")
    rng = np.random.default_rng(0)
    for file in (root / "chest_xray").glob("*/*/[!.]*.jpeg"):  # large, so that the filter takes its time
        file.write_bytes(encoded(rng.integers(0, 256, (300, 400), dtype=np.uint8), "JPEG"))
    script = tmp_path / "make.py"
    script.write_text(MAKE)

    def start(store: str) -> subprocess.Popen:
        environment = os.environ | {"MEDDEF_STORE": str(tmp_path / store)}
        return subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True)

    killed = start("killed")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed/work").glob("*/images.npy.chunks/*.json")):
        assert killed.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    again = Path(start("killed").communicate()[0].strip())
    whole = Path(start("whole").communicate()[0].strip())
    assert (whole != again, whole.name) == (True, again.name)
    for name in ("images.npy", "index.parquet", "summary.json"):
        assert (whole / name).read_bytes() == (again / name).read_bytes(), name


@pytest.fixture
def folder(tmp_path) -> Path:
    """Twelve images: eight to train on, four to test; a quarter is of class 0."""
    rows = 12
    np.save(tmp_path / "images.npy", np.arange(rows * 4, dtype=np.uint8).reshape(rows, 2, 2))
    labels = [0, 1, 1, 1] * 3
    index = {
        "image_id": np.arange(rows, dtype=np.int64) + 100,
        "path": [f"{row:02d}.jpeg" for row in range(rows)],
        "sha256": ["x"] * rows,
        "split": ["train", "train", "test"] * 4,
        "label": labels,
        "class_name": [("NORMAL", "PNEUMONIA")[label] for label in labels],
        "patient": [str(row) for row in range(rows)],
        "width": [2] * rows,
        "height": [2] * rows,
        "mode": ["L"] * rows,
    }
    pd.DataFrame(index)[list(INDEX_COLUMNS)].to_parquet(tmp_path / "index.parquet", index=False)
    (tmp_path / "summary.json").write_text(json.dumps({"classes": ["NORMAL", "PNEUMONIA"]}))
    return tmp_path


def test_rows_of_images_index_and_labels_belong_together(folder):
    found = prepared.load(folder)
    assert isinstance(found.images, np.memmap)
    assert found.images[3].tolist() == [[12, 13], [14, 15]]
    assert found.index.loc[3, "image_id"] == 103
    assert found.labels.tolist() == [0, 1, 1, 1] * 3
    assert found.labels.dtype == np.int64
    assert found.classes == ["NORMAL", "PNEUMONIA"]


def test_a_subset_is_the_rows_of_a_split(folder):
    found = prepared.load(folder)
    assert found.subset("test").tolist() == [2, 5, 8, 11]
    assert found.subset("val").tolist() == []
    assert found.subset("test", limit=100).tolist() == [2, 5, 8, 11]


def test_a_limited_subset_keeps_the_shares_of_the_classes_and_follows_its_seed(folder):
    found = prepared.load(folder)
    chosen = [tuple(found.subset("train", limit=4, seed=seed)) for seed in range(20)]
    for rows in chosen:
        assert list(rows) == sorted(rows)
        assert set(rows) <= set(found.subset("train"))
        assert sorted(found.labels[list(rows)]) == [0, 1, 1, 1]
    assert len(set(chosen)) > 1
    assert chosen[0] == tuple(found.subset("train", limit=4, seed=0))
