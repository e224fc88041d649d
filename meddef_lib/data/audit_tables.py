"""The findings of an audit as small tables for a reader."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

KINDS = {"bytes": "same bytes", "pixels": "same pixels", "near": "nearly the same picture"}


def counts(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Images by split and class: as the folders have them, in the split in use, and in the paper.

    Columns split, class, folders, in_use, paper; None where the paper prints no number.
    """
    theirs = summary["published"]["per_class"]
    rows = [
        {
            "split": split,
            "class": name,
            "folders": summary["counts"][split][name],
            "in_use": summary["split_in_use"]["counts"][split][name],
            "paper": theirs.get(split, {}).get(name),
        }
        for split in summary["counts"]
        for name in summary["classes"]
    ]
    return pd.DataFrame(rows).astype({"paper": "Int64"})


def problems(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Files that were left out or converted: path, what (left out, converted), reason."""
    rows = [
        {"path": entry["path"], "what": what, "reason": entry["reason"]}
        for key, what in (("unreadable", "left out"), ("converted", "converted"))
        for entry in summary[key]
    ]
    return pd.DataFrame(rows, columns=["path", "what", "reason"])


def duplicates(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Copies by kind: groups, files, superfluous (all but one of each group), and groups that mix things."""
    rows = [{"kind": KINDS[kind], **found} for kind, found in summary["duplicates"].items()]
    return pd.DataFrame(rows)


def patients(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Patients under each reading: how many, in two splits (folders, split in use), with two classes."""
    used = summary["split_in_use"]["patients_across_splits"]
    rows = [
        {
            "reading": name,
            "one patient is": description,
            "patients": summary["patients"][name],
            "in two splits": summary["patients_across_splits"][name],
            "in two splits of the split in use": used[name],
            "with two classes": summary["patients_with_two_classes"][name],
        }
        for name, description in summary["readings"].items()
    ]
    return pd.DataFrame(rows)


def statistics(summary: Mapping[str, Any], prepared: Mapping[str, Any]) -> pd.DataFrame:
    """Mean and standard deviation of the pixels: original files, prepared training images, the paper's."""
    found = summary["statistics"]
    rows = [
        ("original files", found["mean"], found["std"], found["mean_std"]),
        ("prepared training images", prepared["mean"], prepared["std"], None),
        ("the paper", found["published_mean"], found["published_std"], None),
    ]
    return pd.DataFrame(rows, columns=["pixels of", "mean", "std", "mean of each image's std"])


def shortcuts(summary: Mapping[str, Any]) -> pd.DataFrame:
    """How well one thing alone tells the class: shortcut, balanced_accuracy, low, high, chance (shares)."""
    rows = [
        {
            "shortcut": name.replace("_", " "),
            **{key: score[key] for key in ("balanced_accuracy", "low", "high", "chance")},
        }
        for name, score in summary["shortcuts"].items()
    ]
    return pd.DataFrame(rows)
