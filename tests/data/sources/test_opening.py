"""What a recipe says of its pictures: their content, never their place."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from meddef_lib import paths
from meddef_lib.data import decode, examine
from meddef_lib.data.sources import opening
from meddef_lib.engine.recipe import Workspace, canonical_json
from meddef_lib.errors import DataError
from meddef_lib.params import read_dataset, read_profile
from meddef_lib.workbook.cells import audit, prepared
from tests.known import book_of

CHEST = read_dataset("chest_xray")


def settings(**data) -> dict:
    profile = read_profile(
        "smoke", {f"data.{name}": value for name, value in ({"source": "folders"} | data).items()}
    )
    return opening.settings(profile.data, CHEST, image_size=32, store_root=paths.store_root())


def workspace(tmp_path: Path, said: dict, **inputs: Path) -> Workspace:
    return Workspace(said, inputs, tmp_path / "folder", tmp_path / "work")


def write_medmnist(root: Path) -> np.ndarray:
    root.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.array([[0], [1]] * 3, dtype=np.uint8)
    splits = {"train": slice(0, 2), "val": slice(2, 4), "test": slice(4, 6)}
    arrays = {f"{split}_images": images[rows] for split, rows in splits.items()}
    arrays |= {f"{split}_labels": labels[rows] for split, rows in splits.items()}
    np.savez_compressed(root / "pneumoniamnist.npz", **arrays)
    return images


def test_no_path_of_the_machine_is_in_the_settings(data_root, tmp_path):
    data_root("chest_xray")
    assert str(tmp_path) not in canonical_json(settings())


def test_the_same_files_elsewhere_are_the_same_pictures(data_root, tmp_path, monkeypatch):
    root = data_root("chest_xray")
    before = settings()
    monkeypatch.setenv("MEDDEF_DATA", str(root.rename(tmp_path / "moved")))
    assert settings() == before


def test_a_changed_file_is_another_recipe(data_root):
    root = data_root("chest_xray")
    before = settings()
    file = next((root / "chest_xray/train/NORMAL").glob("*.jpeg"))
    file.write_bytes(file.read_bytes() + b"\0")
    assert settings() != before
    with pytest.raises(DataError, match="changed while they were read"):
        opening.check_unchanged(before)
    opening.check_unchanged(settings())


def test_what_was_left_out_counts(data_root):
    root = data_root("chest_xray")
    before = settings()
    (root / "chest_xray/train/NORMAL/notes.txt").write_text("hello")
    assert settings() != before


def test_without_data_it_says_what_to_do(monkeypatch):
    monkeypatch.delenv("MEDDEF_DATA", raising=False)
    with pytest.raises(DataError, match="MEDDEF_DATA"):
        settings()


def test_phantoms_are_named_by_their_recipe(drawn, tmp_path):
    said = settings(source="phantoms")
    assert "manifest" not in said
    opening.check_unchanged(said)
    opened = opening.open_source(workspace(tmp_path, said, phantoms=drawn["chest_xray"][0]))
    path = opened.listing.images["path"].iloc[0]
    data = (opened.listing.folder / path).read_bytes()
    assert opened.hashes([path]) == {path: hashlib.sha256(data).hexdigest()}
    np.testing.assert_array_equal(opened.load(path).grey, decode.decode(data, max_pixels=10**7).grey)


def test_facts_of_the_data_set_come_from_the_recipe(data_root):
    data_root("chest_xray")
    profile = read_profile("sample")
    said = dict(prepared.recipe(book_of(profile, CHEST), "chest_xray").settings)
    said["dataset"] = said["dataset"] | {"patients": "none", "classes": ["PNEUMONIA", "NORMAL"]}
    found = opening.dataset_of(said)
    assert found == CHEST.model_copy(update={"patients": "none", "classes": ("PNEUMONIA", "NORMAL")})


def test_each_size_of_medmnist_is_looked_at_by_a_name_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_manifest", lambda *_, **__: "0" * 64)
    profile = read_profile("sample", {"data.source": "medmnist", "data.duplicates": "exact"})
    dataset = read_dataset("roct")
    book = book_of(profile, dataset)
    looked = [
        recipe.inputs[examine.INPUT]
        for recipe in (
            audit.recipe(book, "roct"),
            prepared.recipe(book, "roct"),
            prepared.recipe(book, "roct", 224),
        )
    ]
    assert [recipe.id for recipe in looked] == [
        "examined/roct/64px",
        "examined/roct/64px",
        "examined/roct/224px",
    ]
    assert looked[0].key == looked[1].key
    folders = [
        audit.recipe(book_of(read_profile("sample", {"image_size": size}), dataset), "roct").inputs[
            examine.INPUT
        ]
        for size in (64, 224)
    ]
    assert [recipe.id for recipe in folders] == ["examined/roct"] * 2
    assert folders[0].key == folders[1].key, "files are looked at once"


def test_medmnist_is_read_in_place(tmp_path, monkeypatch):
    images = write_medmnist(tmp_path / "data")
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path / "data"))
    said = settings(source="medmnist")
    opened = opening.open_source(workspace(tmp_path, said))
    listed = opened.listing.images
    assert listed["split"].value_counts().to_dict() == {"train": 2, "val": 2, "test": 2}
    for path, split in zip(listed["path"], listed["split"], strict=True):
        first = {"train": 0, "val": 2, "test": 4}[split]
        found = opened.load(path)
        np.testing.assert_array_equal(found.grey, images[first + int(path[-1])])
        assert opened.hashes([path]) == {path: hashlib.sha256(found.grey.tobytes()).hexdigest()}
