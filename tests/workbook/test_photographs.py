"""Photographs as files: what stands over and beside them, and smoke that cannot be cut off."""

import io
import re
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
    """The saliency cells of two models with two images of each of two classes, and an audit's copies."""
    rng = np.random.default_rng(0)
    for id in TITLES:
        folder = tmp_path / id
        folder.mkdir()
        kinds = ("clean", "adversarial", "clean_map", "adversarial_map")
        np.savez(folder / "maps.npz", **{kind: rng.random((4, 8, 8)) for kind in kinds})
    copies = np.zeros((3, 16, 16), np.uint8)
    copies[1] = 7
    return SimpleNamespace(
        folder=lambda id: tmp_path / id.removeprefix("saliency/"),
        audits={"roct": SimpleNamespace(pictures=copies)},
        data={"roct": SimpleNamespace(images=rng.integers(0, 255, (8, 16, 16), np.uint8))},
    )


@pytest.fixture
def document():
    maps = [
        {"class": name, "row": row, "image": kind, "map": [], "answer": "NORMAL", "confidence": confidence}
        for name, row in (("NORMAL", 0), ("PNEUMONIA", 2))
        for kind, confidence in (("clean", 0.875), ("adversarial", None))
    ]
    groups = (("bytes", "a.jpeg"), ("bytes", "b.jpeg"), ("near", "c.jpeg"))
    files = [
        {"kind": kind, "group": 0, "path": path, "picture": picture}
        for picture, (kind, path) in enumerate(groups)
    ]
    images = [{"class_name": name, "row": row} for row, name in enumerate(["A", "A", "B"])]
    return {
        "phantom": False,
        "models": [{"id": id, "title": title} for id, title in TITLES.items()],
        "pictures": {
            "samples": [{"name": "samples-roct", "dataset": "roct", "images": images}],
            "copies": [{"name": "copies-roct", "dataset": "roct", "files": files}],
            "saliency": [
                {"name": f"saliency-{id}", "dataset": "roct", "model": id, "maps": maps} for id in TITLES
            ],
        },
    }


def test_every_column_and_row_of_the_saliency_panels_is_named(found, document):
    drawing = photographs.saliency(found, document, document["pictures"]["saliency"][0])
    axes = drawing.axes
    clean, added, attacked, *maps = (axis.get_title() for axis in axes[:5])
    assert (clean, attacked, maps) == ("clean", "attacked", ["map, clean", "map, attacked"])
    assert re.fullmatch(r"added, × \d+", added)
    assert [axis.get_ylabel() for axis in axes if axis.get_ylabel()] == ["NORMAL", "PNEUMONIA"]
    said = ["answer: NORMAL (88 %)", "answer: NORMAL"] * 2
    assert [axis.get_xlabel() for axis in axes if axis.get_xlabel()] == said
    assert len(axes[3].images) == 2, "the map over the image"


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
        *(f"saliency-{id}.webp" for id in TITLES),
        "samples-roct.webp",
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
