"""MedMNIST files: mapped, in the paper's order of classes, and refused with a sentence where they are odd."""

import shutil
import zipfile

import numpy as np
import pytest

from meddef_lib.data.sources import medmnist
from meddef_lib.data.sources.folders import COLUMNS
from meddef_lib.data.sources.medmnist import find_npz, list_npz
from meddef_lib.errors import DataError
from meddef_lib.params import read_dataset

ROCT = read_dataset("roct")
CHEST = read_dataset("chest_xray")
COUNTS = {"train": 12, "val": 4, "test": 5}


def members(size: int = 28, classes: int = 4, **changed) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(size)
    arrays: dict[str, np.ndarray] = {}
    for split, count in COUNTS.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, size, size)).astype(np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % classes).astype(np.uint8)[:, None]
    return {name: array for name, array in (arrays | changed).items() if array is not None}


@pytest.fixture(params=["compressed", "stored"])
def save(request):
    return np.savez_compressed if request.param == "compressed" else np.savez


def refused(root, dataset=ROCT, work=None) -> str:
    with pytest.raises(DataError) as error:
        list_npz(root, dataset, image_size=28, work=work or root / "work")
    return str(error.value)


def test_images_are_mapped_and_labelled(tmp_path, save):
    arrays = members()
    save(tmp_path / "octmnist.npz", **arrays)
    found = list_npz(tmp_path, ROCT, image_size=28, work=tmp_path / "work")
    assert np.load(found.arrays["train"]).shape[1:] == (28, 28)
    images = found.listing.images
    assert list(images.columns) == list(COLUMNS)
    assert images["split"].value_counts().to_dict() == COUNTS
    assert images["patient"].nunique() == sum(COUNTS.values())
    assert found.listing.folder == tmp_path
    for row in images.itertuples():
        name, split, number = str(row.path).split("/")
        assert (name, split) == ("octmnist.npz", row.split)
        assert row.label == arrays[f"{split}_labels"][int(number), 0]
        assert row.class_name == ROCT.classes[row.label]
    for split in COUNTS:
        np.testing.assert_array_equal(np.load(found.arrays[split], mmap_mode="r"), arrays[f"{split}_images"])


def test_arrays_are_unpacked_once(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "octmnist.npz", **members())
    list_npz(tmp_path, ROCT, image_size=28, work=tmp_path / "work")
    assert sorted(path.suffix for path in (tmp_path / "work").iterdir()) == [".npy"] * 3
    monkeypatch.setattr(medmnist.shutil, "copyfileobj", lambda *_: pytest.fail("it was unpacked again"))
    again = list_npz(tmp_path, ROCT, image_size=28, work=tmp_path / "work")
    np.testing.assert_array_equal(np.load(again.arrays["test"]), members()["test_images"])

    monkeypatch.undo()
    np.savez_compressed(tmp_path / "octmnist.npz", **members(test_images=members()["test_images"] ^ 1))
    changed = list_npz(tmp_path, ROCT, image_size=28, work=tmp_path / "work")
    np.testing.assert_array_equal(np.load(changed.arrays["test"]), members()["test_images"] ^ 1)


def test_the_file_with_the_nearest_size_that_is_large_enough(tmp_path):
    for suffix, size in [("", 28), ("_64", 64), ("_128", 128)]:
        np.savez_compressed(tmp_path / f"octmnist{suffix}.npz", **members(size))
    np.savez_compressed(tmp_path / "pneumoniamnist_224.npz", **members(30, classes=2))
    wanted = {16: "octmnist.npz", 28: "octmnist.npz", 29: "octmnist_64.npz", 64: "octmnist_64.npz"}
    wanted |= {100: "octmnist_128.npz", 224: "octmnist_128.npz"}
    assert {size: find_npz(tmp_path, ROCT, image_size=size).name for size in wanted} == wanted
    chest = list_npz(tmp_path, CHEST, image_size=224, work=tmp_path / "work")
    assert np.load(chest.arrays["train"]).shape[1:] == (30, 30)
    assert set(chest.listing.images["class_name"]) == {"NORMAL", "PNEUMONIA"}
    assert (
        chest.listing.images["label"]
        .map(CHEST.classes.__getitem__)
        .equals(chest.listing.images["class_name"])
    )


def test_splits_may_be_missing(tmp_path, save):
    save(tmp_path / "octmnist.npz", **members(val_images=None, val_labels=None))
    found = list_npz(tmp_path, ROCT, image_size=28, work=tmp_path / "work")
    assert set(found.arrays) == {"train", "test"}


def test_a_member_that_is_no_array_is_damage(tmp_path):
    np.savez(tmp_path / "octmnist.npz", **members())
    with zipfile.ZipFile(tmp_path / "octmnist.npz") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "octmnist.npz", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, b"no array" if name == "train_labels.npy" else data)
    assert "damaged or no MedMNIST file" in refused(tmp_path)


def test_a_missing_file_says_how_to_get_it(tmp_path):
    for root, complaint in [
        (None, "no data root is given"),
        (tmp_path / "missing", "is not a folder"),
        (tmp_path, "holds no file octmnist*.npz"),
    ]:
        text = refused(root, work=tmp_path)
        assert complaint in text
        assert "invoke fetch --dataset roct" in text


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (
            {"train_images": np.zeros((12, 28, 28), np.float32)},
            "train_images is float32 (12, 28, 28), not uint8",
        ),
        ({"train_images": np.zeros((12, 28, 28, 3), np.uint8)}, "not uint8 (n, height, width)"),
        ({"val_images": np.zeros((0, 28, 28), np.uint8)}, "val_images is uint8 (0, 28, 28)"),
        ({"val_labels": np.zeros((3, 1), np.uint8)}, "image for each of 3 labels"),
        ({"val_labels": np.zeros((4, 1), np.float64)}, "val_labels is float64 (4,), not whole numbers"),
        (
            {"test_labels": np.full((5, 1), 4)},
            "goes from 4 to 4; CNV and DME and DRUSEN and NORMAL are 0 to 3",
        ),
        ({"test_labels": None}, "is no MedMNIST file: test_labels is not a file in the archive"),
        ({"train_images": np.array([None, {}], object)}, "Python objects"),
        (
            {f"{split}_labels": np.zeros((count, 1), np.uint8) for split, count in COUNTS.items()},
            "no readable image of DME, DRUSEN and NORMAL",
        ),
    ],
)
def test_odd_arrays_are_refused(tmp_path, save, changed, complaint):
    save(tmp_path / "octmnist.npz", **members(**changed))
    text = refused(tmp_path)
    assert complaint in text
    assert str(tmp_path / "octmnist.npz") in text


def test_damaged_files_are_refused(tmp_path):
    file = tmp_path / "octmnist.npz"
    np.savez_compressed(file, **members())
    whole = file.read_bytes()

    file.write_bytes(whole[: len(whole) // 2])
    assert "damaged or no MedMNIST file" in refused(tmp_path)
    file.write_bytes(b"<html>not found</html>")
    assert "damaged or no MedMNIST file" in refused(tmp_path)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "has no readable image of" in refused(tmp_path)

    broken = bytearray(whole)
    middle = len(whole) // 3  # inside train_images
    broken[middle : middle + 8] = bytes(8)
    file.write_bytes(bytes(broken))
    assert "damaged or no MedMNIST file" in refused(tmp_path)
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("error", [None, PermissionError(13, "Permission denied"), OSError(5, "I/O error")])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, monkeypatch, error):
    file = tmp_path / "octmnist.npz"
    if error is None:
        file.mkdir()
    else:
        np.savez(file, **members())

        def refuse(*_, **__):
            raise error

        monkeypatch.setattr(medmnist.Path, "open", refuse)
    why = error.strerror if error else "Is a directory"
    assert refused(tmp_path).startswith(f"{file} cannot be opened ({why})")
    with pytest.raises(DataError, match="cannot be opened"):
        medmnist.find_npz(tmp_path, ROCT, image_size=28)


def test_a_listing_alone_unpacks_nothing(tmp_path):
    np.savez(tmp_path / "octmnist.npz", **members())
    found = list_npz(tmp_path, ROCT, image_size=28)
    assert (len(found.listing.images), found.arrays) == (sum(COUNTS.values()), {})


def test_a_full_disk_is_said_before_unpacking(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "octmnist.npz", **members())
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(medmnist.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    text = refused(tmp_path)
    assert "train_images.npy needs 9,536 bytes" in text
    assert "where 1,000 are left" in text
