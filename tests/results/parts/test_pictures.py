"""What is told of the photographs: the images and files they show, and the maps behind them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from meddef_lib.results.parts import pictures


def test_samples_are_the_first_training_images_of_each_class():
    index = pd.DataFrame(
        {
            "image_id": range(20),
            "split": ["test", "train"] * 10,
            "class_name": ["B"] * 6 + ["A"] * 14,
        }
    )
    found = SimpleNamespace(
        data={"roct": SimpleNamespace(index=index)},
        datasets={"roct": SimpleNamespace(classes=("A", "B"))},
    )
    entry = pictures.samples(found, "roct")
    images = entry["images"]
    assert [(image["class_name"], image["row"]) for image in images] == [
        *(("A", row) for row in (7, 9, 11, 13, 15)),
        *(("B", row) for row in (1, 3, 5)),
    ]
    assert all(image["image_id"] == image["row"] for image in images)
    assert (entry["split"], entry["counts"]) == ("train", {"A": 5, "B": 3})


def test_without_copies_there_is_no_picture_of_them():
    files = pd.DataFrame({"kind": ["bytes", "near"], "path": ["a.jpeg", "b.jpeg"], "picture": [0, -1]})

    def found(table):
        return SimpleNamespace(audits={"roct": SimpleNamespace(tables={"duplicates": table})})

    (shown,) = pictures.copies(found(files), "roct")
    assert [file["path"] for file in shown["files"]] == ["a.jpeg"]
    assert pictures.copies(found(files.tail(1)), "roct") == []


@pytest.fixture
def folder(tmp_path):
    """A saliency cell: two images of each of two classes, maps of 2 x 2 values."""
    rng = np.random.default_rng(0)
    coarse = {f"{kind}_coarse": rng.random((4, 2, 2)) for kind in ("clean", "adversarial")}
    names = np.array(["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"])
    np.savez(tmp_path / "maps.npz", class_name=names, **coarse)
    answers = {"image_id": [5, 6, 7, 8], "explained": [0, 0, 1, 1], "adversarial_pred": [1, 0, 0, 1]}
    pd.DataFrame(answers).to_parquet(tmp_path / "saliency.parquet")
    return tmp_path


def test_the_maps_behind_the_panels_are_those_of_the_images_shown(folder):
    records = pd.DataFrame({"image_id": [7, 9], "clean_confidence": [0.75, 0.5]})
    found = pictures.coarse_maps(folder, ("NORMAL", "PNEUMONIA"), records)
    assert [row["answer"] for row in found] == ["NORMAL", "PNEUMONIA", "PNEUMONIA", "NORMAL"]
    assert [row["confidence"] for row in found] == [None, None, 0.75, None]
    assert [(row["class"], row["image"], row["row"]) for row in found] == [
        ("NORMAL", "clean", 0),
        ("NORMAL", "adversarial", 0),
        ("PNEUMONIA", "clean", 2),
        ("PNEUMONIA", "adversarial", 2),
    ]
    assert found[3]["map"] == np.load(folder / "maps.npz")["adversarial_coarse"][2].tolist()
