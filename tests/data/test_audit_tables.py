"""Tables of an audit, from a small summary whose answers are known."""

import pandas as pd
import pytest

from meddef_lib.data import audit_tables

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
        "published": {"per_class": {"test": {"NORMAL": 238, "PNEUMONIA": 641}}},
        "unreadable": [{"path": "a.jpeg", "reason": "is empty (0 bytes)"}],
        "converted": [{"path": "b.png", "reason": "16 bits to 8 bits"}],
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
            "published_mean": 0.48,
            "published_std": 0.22,
        },
        "shortcuts": {"aspect_ratio": score},
    }


def test_counts(summary):
    found = audit_tables.counts(summary).set_index(["split", "class"])
    assert found.loc[("test", "NORMAL")].to_dict() == {"folders": 2, "in_use": 2, "paper": 238}
    assert found.loc[("val", "PNEUMONIA"), "in_use"] == 2
    assert found.loc[("train", "NORMAL"), "paper"] is pd.NA


def test_files(summary):
    found = audit_tables.files(summary).set_index("finding")["value"]
    assert found["images of colour mode RGB"] == "1"
    assert found["width"] == "10 to 30, median 20.5 pixels"
    assert found["files with EXIF"] == "1"


def test_sizes(summary):
    assert audit_tables.sizes(summary).to_dict("records") == [{"size": "20x6", "NORMAL": 7, "PNEUMONIA": 0}]


def test_problems(summary):
    found = audit_tables.problems(summary)
    assert found.to_dict("records") == [
        {"path": "a.jpeg", "what": "left out", "reason": "is empty (0 bytes)"},
        {"path": "b.png", "what": "converted", "reason": "16 bits to 8 bits"},
        {"path": "c.jpeg", "what": "has EXIF", "reason": "Software: abc; Orientation: 1"},
    ]
    nothing = audit_tables.problems({"unreadable": [], "converted": [], "exif": []})
    assert list(nothing.columns) == ["path", "what", "reason"]


def test_duplicates(summary):
    found = audit_tables.duplicates(summary)
    assert list(found["kind"]) == ["same bytes", "same pixels", "nearly the same picture"]
    assert found["superfluous"].tolist() == [1, 1, 1]


def test_patients(summary):
    (row,) = audit_tables.patients(summary).to_dict("records")
    assert row == {
        "reading": "number",
        "one patient is": "one number",
        "patients": 12,
        "ambiguous": 2,
        "in two splits of the folders": 3,
        "in two splits in use": 5,
        "with two classes": 1,
    }


def test_statistics(summary):
    found = audit_tables.statistics(summary)
    assert found["original files"].tolist() == [0.4, 0.2, 0.18]
    assert found["paper"].tolist() == [0.48, 0.22, 0.22]


def test_shortcuts(summary):
    (row,) = audit_tables.shortcuts(summary).to_dict("records")
    assert row == {
        "shortcut": "aspect ratio",
        "balanced_accuracy": 0.7,
        "low": 0.6,
        "high": 0.8,
        "chance": 0.5,
    }
