"""Photographs as files: what stands over and beside them, and smoke that cannot be cut off."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from meddef_lib.workbook import photographs

TITLES = {"a": "ResNet18 (clean training)", "b": "MedDef (clean training)"}


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    """The drawings belong to who asked for them, not to pyplot."""
    yield
    assert pyplot.get_fignums() == []


@pytest.fixture
def found(tmp_path):
    """The galleries of two models with two images under one attack, preprocessing, and an audit's copies."""
    rng = np.random.default_rng(0)
    for id in TITLES:
        folder = tmp_path / id
        folder.mkdir()
        clean = rng.integers(50, 200, (2, 16, 16), np.uint8)
        np.savez(folder / "gallery.npz", clean=clean, added=np.full((1, 2, 16, 16), 0.05, np.float16))
    (tmp_path / "roct").mkdir()
    np.savez(tmp_path / "roct" / "stepwise.npz", **{"0": np.zeros((8, 12)), "1": np.ones((16, 16))})
    copies = np.zeros((3, 16, 16), np.uint8)
    copies[1] = 7
    return SimpleNamespace(
        folder=lambda id: tmp_path / id.rpartition("/")[2],
        audits={"roct": SimpleNamespace(pictures=copies)},
        data={"roct": SimpleNamespace(images=rng.integers(0, 255, (8, 16, 16), np.uint8))},
    )


@pytest.fixture
def document():
    states = [{"attack": "fgsm", "eps": 0.05, "factor": 10, "images": []}]
    groups = (("bytes", "a.jpeg"), ("bytes", "b.jpeg"), ("near", "c.jpeg"))
    files = [
        {"kind": kind, "group": 0, "path": path, "picture": picture}
        for picture, (kind, path) in enumerate(groups)
    ]
    images = [{"class_name": name, "row": row} for row, name in enumerate(["A", "A", "B"])]
    steps = [
        {"class": "A", "row": row, "step": step, "width": 12, "height": 8, "mean": 0.25, "std": 0.5}
        for row, step in enumerate(["the file", "what networks see"])
    ]
    return {
        "phantom": False,
        "models": [{"id": id, "title": title} for id, title in TITLES.items()],
        "pictures": {
            "samples": [{"name": "samples-roct", "dataset": "roct", "images": images}],
            "copies": [{"name": "copies-roct", "dataset": "roct", "files": files}],
            "stepwise": [{"name": "stepwise-roct", "dataset": "roct", "steps": steps}],
            "gallery": [
                {"name": f"gallery-{id}", "dataset": "roct", "model": id, "states": states} for id in TITLES
            ],
        },
    }


def test_the_tiles_of_a_gallery_are_clean_added_and_attacked_images(found, document):
    tiles = photographs.gallery(found, document, document["pictures"]["gallery"][0])
    assert tiles.shape == (2, 3, 16, 16)
    clean, added, attacked = (tiles[:, row].astype(int) for row in range(3))
    assert np.abs(added - 255).max() <= 1, "half and ten times 0.05"
    assert np.abs(attacked - clean - 0.05 * 255).max() <= 1


def test_a_tile_of_phantoms_says_so(found, document):
    tiles = np.zeros((2, 3, 64, 64), np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(photographs.tiles_as_webp(tiles, smoke=True))).convert("L"))
    assert sheet.shape == (192, 128)
    corners = sheet.reshape(3, 64, 2, 64)[:, 48:, :, 32:].max(axis=(1, 3))
    assert (corners > 128).all(), "every one of them"
    assert photographs.tiles_as_webp(tiles, smoke=False) == photographs.tiles_as_webp(tiles, smoke=False)


def test_every_step_says_what_it_leaves(found, document):
    drawing = photographs.stepwise(found, document, document["pictures"]["stepwise"][0])
    assert [axis.get_title() for axis in drawing.axes] == ["the file", "what networks see"]
    assert drawing.axes[0].get_xlabel() == "12 × 8, mean 0.25, sd 0.50"
    assert drawing.axes[0].get_ylabel() == "A"


def test_exemplars_say_their_class_and_how_many_networks_change(found, document):
    images = [
        {"row": row, "class": name, "networks": 2, "among": 5} for row, name in ((3, "CNV"), (1, "DME"))
    ]
    drawing = photographs.exemplars(found, document, {"dataset": "roct", "images": images})
    titles = [axis.get_title() for axis in drawing.axes]
    assert titles == ["CNV\n2 of 5 networks", "DME\n2 of 5 networks"]
    assert (drawing.axes[0].images[0].get_array() == found.data["roct"].images[3]).all()


def test_copies_stand_in_a_row_a_group(found, document):
    drawing = photographs.copies(found, document, document["pictures"]["copies"][0])
    assert [axis.get_title() for axis in drawing.axes] == ["a.jpeg", "b.jpeg", "c.jpeg", ""]
    assert drawing.axes[1].images[0].get_array()[0, 0] == 7
    assert [drawing.axes[0].get_ylabel(), drawing.axes[2].get_ylabel()] == ["same bytes", "nearly the same"]


def test_samples_stand_in_a_row_a_class(found, document):
    drawing = photographs.samples(found, document, document["pictures"]["samples"][0])
    assert [axis.get_title(loc="left") for axis in drawing.axes] == ["A", "", "B", ""]
    assert (drawing.axes[2].images[0].get_array() == found.data["roct"].images[2]).all()
    assert len(drawing.axes[3].images) == 0


def test_every_picture_of_the_document_is_a_file_and_there_is_no_other(found, document, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "of-an-earlier-run.webp").write_bytes(b"")
    photographs.write(found, document, folder)
    assert {file.name for file in folder.iterdir()} == {
        "copies-roct.webp",
        *(f"gallery-{id}.webp" for id in TITLES),
        "samples-roct.webp",
        "stepwise-roct.webp",
    }
    assert all(Image.open(io.BytesIO(file.read_bytes())).format == "WEBP" for file in folder.iterdir())


def drawing():
    figure = Figure(figsize=(3, 2))
    figure.add_axes((0, 0, 1, 1)).imshow(np.full((4, 4), 255), cmap="gray", vmin=0, vmax=255)
    return figure


def test_the_same_drawing_is_the_same_bytes():
    assert photographs.webp(drawing(), smoke=False) == photographs.webp(drawing(), smoke=False)


def test_the_stamp_lies_over_the_picture():
    stamped = photographs.webp(drawing(), smoke=True)
    pixels = np.asarray(Image.open(io.BytesIO(stamped)).convert("RGB")).astype(int)
    reddish = (pixels[..., 0] - pixels[..., 1]) > 10
    assert reddish[pixels.shape[0] // 3 : -pixels.shape[0] // 3].any()
