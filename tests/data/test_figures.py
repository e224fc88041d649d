"""Pictures of an audit hold what they are meant to show."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import figures
from meddef_lib.data.audit import PICTURE, Audit

SCORE = {"balanced_accuracy": 0.7, "low": 0.6, "high": 0.8, "chance": 0.5}


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    """The figures belong to who asked for them, not to pyplot."""
    yield
    assert plt.get_fignums() == []


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
