"""A planted shortcut is found, and where there is none chance is in the interval."""

import numpy as np
import pandas as pd
import pytest

from meddef_lib.data import shortcuts
from meddef_lib.data.shortcuts import FEATURES, predictability

COUNT = 400


def files(classes: int = 2, per_patient: int = 2, seed: int = 0) -> pd.DataFrame:
    """Images whose columns say nothing of their class."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, 1, COUNT) for name in (*FEATURES["border"], "mean")}
    patients = np.arange(COUNT) // per_patient
    return pd.DataFrame(
        columns
        | {
            "path": [f"{row:04d}.jpeg" for row in range(COUNT)],
            "width": rng.integers(300, 900, COUNT),
            "height": rng.integers(300, 900, COUNT),
            "label": rng.integers(0, classes, COUNT)[patients],
            "patient": patients.astype(str),
        }
    )


def covers(score: dict, value: float) -> bool:
    return score["low"] <= value <= score["high"]


def test_without_a_shortcut_chance_is_in_the_interval():
    for name, score in predictability(files(classes=4)).items():
        assert covers(score, 0.25), name
        assert (score["chance"], score["n"]) == (0.25, COUNT)
        assert score["low"] < score["balanced_accuracy"] < score["high"]


@pytest.mark.parametrize(
    ("name", "column"), [("size", "width"), ("border", "border_left"), ("brightness", "mean")]
)
def test_a_planted_shortcut_is_found_under_its_name(name, column):
    table = files()
    table[column] = table[column].astype(float) + 2000 * table["label"]
    scores = predictability(table)
    assert scores[name]["balanced_accuracy"] > 0.99
    assert scores["all"]["balanced_accuracy"] > 0.99
    others = set(scores) - {name, "all", *(["aspect_ratio"] if column == "width" else [])}
    assert all(covers(scores[other], 0.5) for other in others)


def test_the_shape_alone_is_found():
    table = files()
    table["height"] = 500
    table["width"] = np.where(table["label"] == 1, 1000, 500)
    assert predictability(table)["aspect_ratio"]["balanced_accuracy"] == 1


def test_a_patient_is_not_recognised_again():
    table = files(per_patient=20)
    # every patient has a brightness of its own, which tells the class only to who has met the patient
    table["mean"] = np.random.default_rng(3).permutation(COUNT // 20)[table["patient"].astype(int)] / 20.0
    assert predictability(table)["brightness"]["balanced_accuracy"] < 0.8


def test_a_rare_class_counts_as_much():
    table = files()
    table["label"] = (np.arange(COUNT) // 2 % 10 == 0).astype(int)
    score = predictability(table)["brightness"]
    assert covers(score, 0.5)
    assert score["balanced_accuracy"] < 0.7  # always the common class would be right nine times in ten


def test_too_few_patients_have_no_score():
    table = files()
    table["patient"] = table["label"].astype(str)
    assert all(score["balanced_accuracy"] is None for score in predictability(table).values())
    table["label"] = 0
    assert all(score["low"] is None for score in predictability(table).values())


def test_a_large_set_is_thinned_by_class(monkeypatch):
    monkeypatch.setattr(shortcuts, "MOST_PER_CLASS", 30)
    assert all(score["n"] == 60 for score in predictability(files()).values())


def test_the_same_seed_gives_the_same_scores():
    assert predictability(files()) == predictability(files())
