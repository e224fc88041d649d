"""What the document tells of the images, from a small summary whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from meddef_lib.paper.datasets import Pixels
from meddef_lib.results.parts import data

COUNTS = {
    "train": {"NORMAL": 5, "PNEUMONIA": 9},
    "val": {"NORMAL": 0, "PNEUMONIA": 0},
    "test": {"NORMAL": 2, "PNEUMONIA": 3},
}


@pytest.fixture
def summary() -> dict:
    copies = {
        "groups": 1,
        "files": 2,
        "superfluous": 1,
        "across_splits": 0,
        "across_classes": 0,
        "across_patients": 1,
    }
    score = {"balanced_accuracy": 0.7, "low": 0.6, "high": 0.8, "chance": 0.5, "n": 19, "features": ["width"]}
    return {
        "classes": ["NORMAL", "PNEUMONIA"],
        "counts": COUNTS,
        "unreadable": [{"path": "a.jpeg", "reason": "is empty (0 bytes)"}],
        "converted": [{"path": "b.png", "reason": "16 bits to 8 bits"}],
        "doubtful": [{"path": "d.jpeg", "reason": "was read, but its data are damaged"}],
        "duplicates": dict.fromkeys(("bytes", "pixels", "near"), copies),
        "readings": {"number": "one number"},
        "patients": {"number": 12},
        "ambiguous_patients": {"number": 2},
        "patients_across_splits": {"number": 3},
        "patients_with_two_classes": {"number": 1},
        "split_in_use": {
            "counts": COUNTS | {"val": {"NORMAL": 1, "PNEUMONIA": 2}},
            "patients_across_splits": {"number": 5},
        },
        "data_version": "phantoms",
        "images": 19,
        "modes": {"L": 18, "RGB": 1},
        "sizes": {
            "width": [10.0, 20.5, 30.0],
            "height": [5.0, 6.0, 7.0],
            "different": 4,
            "common": {"20x6": {"NORMAL": 7}},
        },
        "exif": [{"path": "c.jpeg", "tags": {"Software": "abc", "Orientation": 1}}],
        "clutter": [".DS_Store"],
        "names_without_patient": 0,
        "statistics": {
            "mean": 0.4,
            "std": 0.2,
            "mean_std": 0.18,
        },
        "shortcuts": {"aspect_ratio": score},
    }


@pytest.fixture
def told(summary) -> dict:
    """What the document has of the audit; no file is looked at for a histogram."""
    files = pd.DataFrame({name: [1.0, 2.0] for name in ("mean", "width", "height", *data.SIDES)})
    files = files.assign(reason=None, class_name=summary["classes"])
    audit = SimpleNamespace(summary=summary | {"near_duplicate_rule": {}}, tables={"files": files})
    found = SimpleNamespace(audits={"chest_xray": audit}, paper=SimpleNamespace(datasets={}))
    return data.audit(found, "chest_xray")


def test_files_and_sizes(told):
    assert told["files"]["modes"]["RGB"] == 1
    assert told["files"]["width"] == [10.0, 20.5, 30.0]
    assert told["files"]["with_exif"] == 1
    assert told["sizes"] == [{"size": "20x6", "images": {"NORMAL": 7, "PNEUMONIA": 0}}]


def test_problems(summary):
    assert data.problems(summary) == [
        {"path": "a.jpeg", "what": "left out", "reason": "is empty (0 bytes)"},
        {"path": "b.png", "what": "converted", "reason": "16 bits to 8 bits"},
        {"path": "d.jpeg", "what": "doubtful", "reason": "was read, but its data are damaged"},
        {"path": "c.jpeg", "what": "has EXIF", "reason": "Software: abc; Orientation: 1"},
    ]
    assert data.problems({"unreadable": [], "converted": [], "doubtful": [], "exif": []}) == []


def test_patients(told):
    assert told["patients"] == [
        {
            "reading": "number",
            "one_patient_is": "one number",
            "patients": 12,
            "ambiguous": 2,
            "in_two_splits_of_the_folders": 3,
            "in_two_splits_in_use": 5,
            "with_two_classes": 1,
        }
    ]


def test_statistics(summary):
    printed = Pixels(section="3.1.2", mean=0.48, std=0.22)
    found = data.statistics(summary, printed)
    assert [row["original_files"] for row in found] == [0.4, 0.2, 0.18]
    assert [row["paper"] for row in found] == [0.48, 0.22, 0.22]


def test_of_what_the_paper_does_not_print_nothing_stands_beside_the_statistics(summary):
    assert [row["paper"] for row in data.statistics(summary, None)] == [None] * 3


def test_shortcuts(told):
    assert told["shortcuts"] == [
        {"shortcut": "aspect_ratio", "balanced_accuracy": 0.7, "low": 0.6, "high": 0.8, "chance": 0.5}
    ]


def test_histograms_are_percent_of_each_class_and_of_what_could_be_read():
    rng = np.random.default_rng(0)
    columns = ("mean", "border_top", "border_bottom", "border_left", "border_right")
    files = pd.DataFrame({name: rng.uniform(0, 1, 40) for name in columns})
    files = files.assign(width=300, height=200, reason=None, class_name=["NORMAL", "PNEUMONIA"] * 20)
    unread = pd.DataFrame({"width": [9000], "reason": ["is empty"], "class_name": ["NORMAL"]})
    found = data.histograms(pd.concat([files, unread]), ["NORMAL", "PNEUMONIA"])
    assert [row["quantity"] for row in found] == ["width", "aspect_ratio", "border", "mean"]
    for row in found:
        assert len(row["edges"]) == data.BINS + 1
        assert {name: pytest.approx(100) for name in row["percent"]} == {
            name: sum(bars) for name, bars in row["percent"].items()
        }
    assert max(found[0]["edges"]) < 9000


def test_what_was_not_made_is_none():
    found = SimpleNamespace(datasets={"roct": None}, data={}, audits={})
    assert data.data(found) == {"roct": {"prepared": None, "audit": None}}


def test_prepared_images_are_counted_by_class_and_split():
    summary = {"data_version": "phantoms", "image_size": 64, "counts": COUNTS}
    found = SimpleNamespace(data={"roct": SimpleNamespace(summary=summary)})
    told = data.prepared(found, "roct")
    assert told["splits"] == {"train": 14, "val": 0, "test": 5}
    assert (told["version"], told["image_size"], told["counts"]) == ("phantoms", 64, COUNTS)
