"""Section 3.1: samples (Figure 1), class distribution (Figure 5), counts, and what the audit found."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.blocks import Figure, Prose, Table, frame_table
from meddef_lib.report.view import View, comparing_table, missing, text
from meddef_lib.results import figures, gallery
from meddef_lib.results.pictures import photograph, svg

SAMPLES_A_CLASS = 5
SPLITS = ("train", "val", "test")


def samples(view: View, dataset: str) -> Figure | Prose:
    """Figure 1: prepared images of each class."""
    prepared = view.found.data.get(dataset)
    if prepared is None:
        return missing(f"the prepared images of {dataset}")
    index = prepared.index
    chosen = {
        name: index.index[(index["class_name"] == name) & (index["split"] == "train")][:SAMPLES_A_CLASS]
        for name in view.book.datasets[dataset].classes
    }
    title = view.book.datasets[dataset].title
    alt = (
        f"Grey images of {title} as the networks see them, a row for each class: "
        f"{', '.join(chosen)}; {SAMPLES_A_CLASS} of the first training images each."
    )
    drawing = gallery.samples({name: [prepared.images[row] for row in rows] for name, rows in chosen.items()})
    return Figure(
        f"figure1-{dataset}",
        f"Figure 1: {title} after preprocessing ({prepared.summary['image_size']} pixels).",
        alt,
        photograph(drawing, alt, smoke=view.smoke),
        made=view.made(f"01_preprocessing.{dataset}", [view.book.prepared(dataset)]),
        smoke=view.smoke,
    )


def distribution(view: View, dataset: str) -> Figure | Prose:
    """Figure 5: images by class in each split."""
    prepared = view.found.data.get(dataset)
    if prepared is None:
        return missing(f"the prepared images of {dataset}")
    counts = prepared.summary["counts"]
    frame = pd.DataFrame(
        [
            {"split": split, "class": name, "images": number}
            for split in SPLITS
            for name, number in counts.get(split, {}).items()
        ]
    )
    said = "; ".join(
        f"{split}: " + ", ".join(f"{row['class']} {row['images']}" for _, row in rows.iterrows())
        for split, rows in frame.groupby("split", sort=False)
    )
    title = view.book.datasets[dataset].title
    alt = f"Bar chart of images by class in each split of {title}. {said}."
    return Figure(
        f"figure5-{dataset}",
        f"Figure 5: class distribution of {title} in this run.",
        alt,
        svg(figures.distribution(frame), alt, smoke=view.smoke),
        frame,
        made=view.made(f"01_preprocessing.{dataset}", [view.book.prepared(dataset)]),
        smoke=view.smoke,
    )


def counts(view: View, dataset: str) -> Table | Prose:
    """Counts and pixel statistics against those that section 3.1 prints."""
    ids = [name for name in view.values if name.startswith(f"data/{dataset}/")]
    if dataset not in view.found.data:
        return missing(f"the prepared images of {dataset}")
    return comparing_table(
        view,
        id=f"counts-{dataset}",
        caption=f"What section 3.1 prints of {view.book.datasets[dataset].title}",
        heads=("Quantity",),
        columns={"value": "Value"},
        rows=[((name.removeprefix(f"data/{dataset}/").replace("_", " "),), {"value": name}) for name in ids],
        note=Markup("Duplicates: files beyond the first of each group of equal ones. Pixels are in [0, 1]."),
        made=view.made(f"01_preprocessing.{dataset}", [view.book.audit(dataset)]),
    )


def audit(view: View, dataset: str) -> list[Prose | Table | Figure]:
    """Duplicates, patients on both sides of a split, unreadable files, shortcuts."""
    found = view.found.audits.get(dataset)
    if found is None:
        return [missing(f"the audit of {dataset}")]
    said = found.summary
    title = view.book.datasets[dataset].title
    return [
        _facts(view, dataset, said, title),
        _patients(view, dataset, said, title),
        _shortcuts(view, dataset, said, title),
        _unreadable(view, dataset, said, title),
    ]


def _facts(view: View, dataset: str, said: dict[str, Any], title: str) -> Table:
    rows = [
        {"finding": "data version", "value": str(said["data_version"])},
        {"finding": "groups of equal files", "value": str(said["exact_duplicate_groups"])},
        {"finding": "files in such groups", "value": str(said["exact_duplicate_files"])},
    ]
    for kind, described in said["duplicates"].items():
        across = f"{described['across_splits']} across splits, {described['across_classes']} across classes"
        rows.append({"finding": f"groups equal by {kind}", "value": f"{described['groups']} ({across})"})
    return frame_table(
        pd.DataFrame(rows),
        id=f"audit-{dataset}",
        caption=f"Audit of {title}: version and duplicates, over the splits as the folders have them",
        smoke=view.smoke,
        made=view.made(f"01_preprocessing.{dataset}", [view.book.audit(dataset)]),
    )


def _patients(view: View, dataset: str, said: dict[str, Any], title: str) -> Table:
    rows = [
        {
            "reading of the file names": reading,
            "patients on both sides of a split": count,
            "with two classes": said["patients_with_two_classes"][reading],
            "on both sides of the split in use": said["split_in_use"]["patients_across_splits"][reading],
        }
        for reading, count in said["patients_across_splits"].items()
    ]
    return frame_table(
        pd.DataFrame(rows),
        id=f"patients-{dataset}",
        caption=f"Patients of {title}, under each reading of the file names",
        smoke=view.smoke,
    )


def _shortcuts(view: View, dataset: str, said: dict[str, Any], title: str) -> Table:
    frame = pd.DataFrame(
        [
            {
                "feature": name.replace("_", " "),
                "balanced accuracy": score["balanced_accuracy"],
                "low": score["low"],
                "high": score["high"],
                "chance": score["chance"],
                "images": score["n"],
            }
            for name, score in said["shortcuts"].items()
        ]
    )
    return frame_table(
        frame,
        id=f"shortcuts-{dataset}",
        caption=f"Shortcuts in {title}: how well one trivial feature alone predicts the class",
        note=Markup(
            "Balanced accuracy of a small decision tree, cross-validated by patient, with its 95 % interval; "
            "a feature that says nothing stays at chance."
        ),
        smoke=view.smoke,
    )


def _unreadable(view: View, dataset: str, said: dict[str, Any], title: str) -> Prose:
    problems = said["unreadable"]
    if not problems:
        return text("<p class='note'>Every image of {title} could be read.</p>", title=title)
    item = Markup("<li><code>{}</code> {}</li>")
    items = Markup().join(item.format(problem["path"], problem["reason"]) for problem in problems)
    return Prose(
        Markup("<details><summary>{} files of {} were left out</summary><ul>{}</ul></details>").format(
            len(problems), title, items
        )
    )
