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
    (entry,) = pictures.samples(found, "roct")
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
    """A gallery of two images under two attacks, maps of 2 x 2 values."""
    added = np.zeros((2, 2, 8, 8), np.float16)
    added[0, 1, 3, 3] = 0.05
    maps = np.array([[[[0, 2], [1, 0.5]]] * 2, np.zeros((2, 2, 2))], np.float32)
    clean = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "gallery.npz", clean=clean, added=added, clean_map=maps[0], maps=maps)
    rows = {
        "image_id": [5, 6] * 3,
        "class_name": ["NORMAL", "PNEUMONIA"] * 3,
        "attack": ["", "", "pgd", "pgd", "jsma", "jsma"],
        "eps": [None, None, 0.05, 0.05, None, None],
        "predicted": [0, 1, 1, 1, 0, 0],
        "confidence": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
        "linf": [0.0, 0.0, 0.05, 0.05, 0.0, 0.0],
        "changed": [0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
    }
    pd.DataFrame(rows).astype({"eps": "float64"}).to_parquet(tmp_path / "gallery.parquet")
    return tmp_path


def test_every_state_of_a_gallery_has_its_answers_and_maps(folder):
    found = pictures.under_attack(folder, ("NORMAL", "PNEUMONIA"))
    assert [image["answer"] for image in found["images"]] == ["NORMAL", "PNEUMONIA"]
    assert found["images"][0]["map"] == [[0, 1], [0.5, 0.25]], "in shares of the largest value"
    pgd, jsma = found["states"]
    assert (pgd["attack"], pgd["eps"], pgd["factor"]) == ("pgd", 0.05, 10)
    assert [(image["answer"], image["confidence"]) for image in pgd["images"]] == [
        ("PNEUMONIA", 0.7),
        ("PNEUMONIA", 0.6),
    ]
    assert (jsma["attack"], np.isnan(jsma["eps"])) == ("jsma", True)
    assert jsma["images"][0]["map"] == [[0, 0], [0, 0]], "a flat map stays flat"
