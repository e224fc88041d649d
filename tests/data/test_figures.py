"""Pictures of a data set hold what they are meant to show."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import figures
from meddef_lib.data.audit import PICTURE, Audit
from meddef_lib.data.prepared import Prepared

SIZE = 8
SCORE = {"balanced_accuracy": 0.7, "low": 0.6, "high": 0.8, "chance": 0.5}


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    """The figures belong to who asked for them, not to pyplot."""
    yield
    assert plt.get_fignums() == []


@pytest.fixture
def prepared(tmp_path) -> Prepared:
    """Six images of each of two classes, each of one grey: 10 times its row."""
    rows = 12
    images = np.repeat(10 * np.arange(rows, dtype=np.uint8), SIZE * SIZE).reshape(rows, SIZE, SIZE)
    labels = np.arange(rows) % 2
    index = pd.DataFrame({"split": "train", "label": labels, "path": [str(row) for row in range(rows)]})
    return Prepared(tmp_path, images, index, {"classes": ["NORMAL", "PNEUMONIA"]})


def audit(copies: int = 3) -> Audit:
    rng = np.random.default_rng(0)
    numbers = {
        name: rng.uniform(0, 1, 40)
        for name in ("mean", "border_top", "border_bottom", "border_left", "border_right")
    }
    files = pd.DataFrame(
        numbers | {"width": 300, "height": 200, "reason": None, "class_name": ["NORMAL", "PNEUMONIA"] * 20}
    )
    duplicates = pd.DataFrame(
        {
            "kind": ["bytes", "bytes", "near"][:copies],
            "group": [0, 0, 0][:copies],
            "path": ["a.jpeg", "b.jpeg", "c.jpeg"][:copies],
            "picture": [0, 1, 2][:copies],
        }
    )
    pictures = np.zeros((copies, PICTURE, PICTURE), np.uint8)
    return Audit({"classes": ["NORMAL", "PNEUMONIA"]}, {"files": files, "duplicates": duplicates}, pictures)


def test_samples_are_of_their_class(prepared):
    drawing = figures.samples(prepared, per_class=4, seed=1)
    rows = [
        [axis.images[0].get_array() for axis in drawing.axes[4 * label : 4 * label + 4]] for label in (0, 1)
    ]
    for label, pictures in enumerate(rows):
        numbers = [int(picture[0, 0]) // 10 for picture in pictures]
        assert len(set(numbers)) == 4
        assert all(number % 2 == label for number in numbers)
    assert [drawing.axes[0].get_ylabel(), drawing.axes[4].get_ylabel()] == ["NORMAL", "PNEUMONIA"]


def test_samples_follow_their_seed(prepared):
    first, again, other = (
        [axis.images[0].get_array()[0, 0] for axis in figures.samples(prepared, per_class=4, seed=seed).axes]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_class_with_few_images_leaves_places_empty(prepared):
    drawing = figures.samples(prepared, per_class=7)
    assert [len(axis.images) for axis in drawing.axes] == [1, 1, 1, 1, 1, 1, 0] * 2


def test_class_distribution_has_our_bars_and_the_papers():
    counts = {"test": {"NORMAL": 21, "PNEUMONIA": 18}}
    drawing = figures.class_distribution(counts, {"test": {"NORMAL": 238, "PNEUMONIA": 641}})
    ours, theirs = drawing.axes[0].containers[:2]
    assert [bar.get_height() for bar in ours] == [21, 18]
    assert [bar.get_height() for bar in theirs] == [238, 641]
    labels = [text.get_text() for text in drawing.axes[0].texts]
    assert labels == ["21", "18", "238", "641"]


def test_class_distribution_without_numbers_in_the_paper():
    drawing = figures.class_distribution({"val": {"CNV": 1, "DME": 2}}, {}, split="val")
    assert len(drawing.axes[0].containers) == 1


def test_copies_stand_in_a_row_a_group():
    found = audit()
    found.pictures[1] = 7
    drawing = figures.copies(found)
    assert [axis.get_title() for axis in drawing.axes] == ["a.jpeg", "b.jpeg", "c.jpeg", ""]
    assert drawing.axes[1].images[0].get_array()[0, 0] == 7
    assert [drawing.axes[0].get_ylabel(), drawing.axes[2].get_ylabel()] == ["same bytes", "nearly the same"]


def test_without_copies_there_is_no_picture():
    assert figures.copies(audit(copies=0)) is None


def test_scores_with_interval_and_chance():
    drawing = figures.shortcut_scores({"size": SCORE, "border": SCORE | {"balanced_accuracy": None}})
    axis = drawing.axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["size"]
    assert axis.containers[0].lines[0].get_xdata()[0] == 0.7
    assert json.dumps([line.get_label() for line in axis.lines]).count("chance") == 1


def test_distributions_are_percent_of_each_class():
    drawing = figures.shortcut_distributions(audit())
    for axis in drawing.axes:
        for step in axis.patches:
            assert step.get_data().values.sum() == pytest.approx(100)
    assert [len(axis.patches) for axis in drawing.axes] == [2, 2, 2, 2]
