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


def files(summary: Mapping[str, Any]) -> pd.DataFrame:
    """What the files are like: finding, value."""
    sizes = summary["sizes"]
    spans = {
        side: f"{sizes[side][0]:g} to {sizes[side][2]:g}, median {sizes[side][1]:g} pixels"
        for side in ("width", "height")
    }
    rows = [
        ("data version", summary["data_version"]),
        ("readable images", f"{summary['images']:,}"),
        *((f"images of colour mode {mode}", f"{count:,}") for mode, count in summary["modes"].items()),
        *spans.items(),
        ("different sizes", f"{sizes['different']:,}"),
        ("files with EXIF", f"{len(summary['exif']):,}"),
        ("names that say nothing of a patient", f"{summary['names_without_patient']:,}"),
        ("files and folders of clutter, ignored", f"{len(summary['clutter']):,}"),
    ]
    return pd.DataFrame(rows, columns=["finding", "value"])


def sizes(summary: Mapping[str, Any]) -> pd.DataFrame:
    """The commonest sizes (width x height) and how many images of each class have them."""
    rows = [
        {"size": size, **{name: of_class.get(name, 0) for name in summary["classes"]}}
        for size, of_class in summary["sizes"]["common"].items()
    ]
    return pd.DataFrame(rows, columns=["size", *summary["classes"]])


def problems(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Files that were left out, converted, or carry EXIF: path, what, and the reason or the tags."""
    exif = [
        {
            "path": entry["path"],
            "reason": "; ".join(f"{tag}: {value}" for tag, value in entry["tags"].items()),
        }
        for entry in summary["exif"]
    ]
    rows = [
        {"path": entry["path"], "what": what, "reason": entry["reason"]}
        for what, entries in (
            ("left out", summary["unreadable"]),
            ("converted", summary["converted"]),
            ("has EXIF", exif),
        )
        for entry in entries
    ]
    return pd.DataFrame(rows, columns=["path", "what", "reason"])


def duplicates(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Copies by kind: groups, files, superfluous (all but one of each group), and groups that mix things."""
    rows = [{"kind": KINDS[kind], **found} for kind, found in summary["duplicates"].items()]
    return pd.DataFrame(rows)


def patients(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Patients under each reading: how many, ambiguous ones, in two splits (folders, in use), two classes.

    Ambiguous is a patient whom another reading takes for two.
    """
    used = summary["split_in_use"]["patients_across_splits"]
    rows = [
        {
            "reading": name,
            "one patient is": description,
            "patients": summary["patients"][name],
            "ambiguous": summary["ambiguous_patients"][name],
            "in two splits of the folders": summary["patients_across_splits"][name],
            "in two splits in use": used[name],
            "with two classes": summary["patients_with_two_classes"][name],
        }
        for name, description in summary["readings"].items()
    ]
    return pd.DataFrame(rows)


def statistics(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Mean and standard deviation of the original pixels in [0, 1], beside the paper's."""
    found = summary["statistics"]
    rows = [
        ("mean of all pixels", found["mean"], found["published_mean"]),
        ("standard deviation of all pixels", found["std"], found["published_std"]),
        ("mean of the images' own standard deviations", found["mean_std"], found["published_std"]),
    ]
    return pd.DataFrame(rows, columns=["quantity", "original files", "paper"])


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
