"""What was found of the images of a data set, as the numbers that the document has (MedDef, 3.1).

Shares and pixels lie in [0, 1]; a number that does not exist is None.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.paper.datasets import Pixels
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, by_name, fields, list_of, part, table

Rows = list[dict[str, Any]]

QUANTITIES = ("width", "aspect_ratio", "border", "mean")  # of a file: pixels, width / height, shares
SIDES = ["border_top", "border_bottom", "border_left", "border_right"]
BINS = 30

COUNTS = by_name(COUNT)
SPAN = list_of(NUMBER)  # the least, the median and the greatest
AUDIT = fields(
    text="version",
    files=fields(
        count="images different_sizes with_exif names_without_patient clutter",
        modes=COUNTS,
        width=SPAN,
        height=SPAN,
    ),
    sizes=table(text="size", images=COUNTS),
    problems=table(text="path what reason"),
    statistics=table(text="quantity", number="original_files paper"),
    near_duplicate_rule=fields(count="hash_bits", number="correlation"),
    copies=table(text="kind", count="groups files superfluous across_splits across_classes across_patients"),
    patients=table(
        text="reading one_patient_is",
        count="patients ambiguous in_two_splits_of_the_folders in_two_splits_in_use with_two_classes",
    ),
    shortcuts=table(text="shortcut", number="balanced_accuracy low high chance"),
    histograms=table(text="quantity", edges=list_of(NUMBER), percent=by_name(list_of(NUMBER))),
)
PREPARED = fields(text="version", count="image_size", counts=by_name(COUNTS), splits=COUNTS)
NOTHING = {"type": "null"}


@part("data", by_name(fields(prepared={"anyOf": [PREPARED, NOTHING]}, audit={"anyOf": [AUDIT, NOTHING]})))
def data(found: Collected) -> dict[str, Any]:
    """By data set: what was prepared, and what the audit found; what was not made is None."""
    return {name: {"prepared": prepared(found, name), "audit": audit(found, name)} for name in found.datasets}


def prepared(found: Collected, dataset: str) -> dict[str, Any] | None:
    """The images that networks see: of which version, their side in pixels, how many of split and class."""
    if dataset not in found.data:
        return None
    summary = found.data[dataset].summary
    return {
        "version": summary["data_version"],
        "image_size": summary["image_size"],
        "counts": summary["counts"],
        "splits": {split: sum(of_class.values()) for split, of_class in summary["counts"].items()},
    }


def audit(found: Collected, dataset: str) -> dict[str, Any] | None:
    """Everything that the audit found in the files as they lie."""
    if dataset not in found.audits:
        return None
    summary, examined = found.audits[dataset].summary, found.audits[dataset].tables["files"]
    facts, of_files = found.paper.datasets.get(dataset), summary["sizes"]
    across_in_use = summary["split_in_use"]["patients_across_splits"]
    return {
        "version": summary["data_version"],
        "files": {
            "images": summary["images"],
            "modes": summary["modes"],
            "width": of_files["width"],
            "height": of_files["height"],
            "different_sizes": of_files["different"],
            "with_exif": len(summary["exif"]),
            "names_without_patient": summary["names_without_patient"],
            "clutter": len(summary["clutter"]),
        },
        "sizes": [  # the commonest, width x height
            {"size": size, "images": {name: of_class.get(name, 0) for name in summary["classes"]}}
            for size, of_class in of_files["common"].items()
        ],
        "problems": problems(summary),
        "statistics": statistics(summary, facts.pixels if facts else None),
        "near_duplicate_rule": summary["near_duplicate_rule"],
        "copies": [{"kind": kind, **counts} for kind, counts in summary["duplicates"].items()],
        "patients": [
            {
                "reading": name,
                "one_patient_is": description,
                "patients": summary["patients"][name],
                "ambiguous": summary["ambiguous_patients"][name],  # who are two in another reading
                "in_two_splits_of_the_folders": summary["patients_across_splits"][name],
                "in_two_splits_in_use": across_in_use[name],
                "with_two_classes": summary["patients_with_two_classes"][name],
            }
            for name, description in summary["readings"].items()
        ],
        "shortcuts": [
            {"shortcut": name} | {key: score[key] for key in ("balanced_accuracy", "low", "high", "chance")}
            for name, score in summary["shortcuts"].items()
        ],
        "histograms": histograms(examined, summary["classes"]),
    }


def problems(summary: Mapping[str, Any]) -> Rows:
    """Files that were left out, converted or doubtful, with the reason, or that carry EXIF, with its tags."""
    found = [
        {"path": entry["path"], "what": what, "reason": entry["reason"]}
        for what, key in (("left out", "unreadable"), ("converted", "converted"), ("doubtful", "doubtful"))
        for entry in summary[key]
    ]
    exif = [
        {
            "path": entry["path"],
            "what": "has EXIF",
            "reason": "; ".join(f"{tag}: {value}" for tag, value in entry["tags"].items()),
        }
        for entry in summary["exif"]
    ]
    return found + exif


def statistics(summary: Mapping[str, Any], printed: Pixels | None) -> Rows:
    """Mean and standard deviation of the original pixels, beside what the paper prints."""
    found = summary["statistics"]
    mean, std = (printed.mean, printed.std) if printed else (None, None)
    return [
        {"quantity": words, "original_files": found[name], "paper": paper}
        for words, name, paper in (
            ("mean of all pixels", "mean", mean),
            ("standard deviation of all pixels", "std", std),
            ("mean of the images' own standard deviations", "mean_std", std),
        )
    ]


def histograms(examined: pd.DataFrame, classes: Sequence[str]) -> Rows:
    """Where the shortcuts come from: of each quantity the edges of 30 bars, and % of each class in them.

    `examined` has a row a file; those that could not be read have a reason and are left out.
    """
    read = examined[examined["reason"].isna()]
    read = read.assign(aspect_ratio=read["width"] / read["height"], border=read[SIDES].mean(axis=1))
    found = []
    for quantity in QUANTITIES:
        edges = np.histogram_bin_edges(read[quantity], bins=BINS)
        percent = {}
        for name in classes:
            values = read.loc[read["class_name"] == name, quantity]
            counts, _ = np.histogram(values, edges)
            percent[name] = (counts * 100 / max(len(values), 1)).tolist()
        found.append({"quantity": quantity, "edges": edges.tolist(), "percent": percent})
    return found
