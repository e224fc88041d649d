"""Section 3.1: samples (Figure 1), class distribution (Figure 5), counts, and what the audit found."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.data import audit_tables
from meddef_lib.data import figures as audit_figures
from meddef_lib.report import charts
from meddef_lib.report.blocks import NOTHING, Figure, Made, Prose, Table, frame_table
from meddef_lib.report.comparing import comparing_table
from meddef_lib.report.inline import photograph, svg
from meddef_lib.report.view import View, text
from meddef_lib.results import gallery

SAMPLES_A_CLASS = 5
SPLITS = ("train", "val", "test")


def samples(view: View, dataset: str) -> Figure | Prose:
    """Figure 1: prepared images of each class."""
    prepared = view.found.data.get(dataset)
    if prepared is None:
        return view.missing(f"the prepared images of {view.book.datasets[dataset].title}")
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
        pd.concat([index.loc[rows] for rows in chosen.values()]),
        made=view.made(f"01_preprocessing.{dataset}", [view.book.prepared(dataset)]),
        smoke=view.smoke,
    )


def distribution(view: View, dataset: str) -> Figure | Prose:
    """Figure 5: images by class in each split."""
    prepared = view.found.data.get(dataset)
    if prepared is None:
        return view.missing(f"the prepared images of {view.book.datasets[dataset].title}")
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
        svg(charts.distribution(frame), alt, smoke=view.smoke),
        frame,
        made=view.made(f"01_preprocessing.{dataset}", [view.book.prepared(dataset)]),
        smoke=view.smoke,
    )


def counts(view: View, dataset: str) -> Table | Prose:
    """Counts and pixel statistics against those that section 3.1 prints."""
    ids = [name for name in view.values if name.startswith(f"data/{dataset}/")]
    if dataset not in view.found.data:
        return view.missing(f"the prepared images of {view.book.datasets[dataset].title}")
    return comparing_table(
        view,
        id=f"counts-{dataset}",
        caption=f"What section 3.1 prints of {view.book.datasets[dataset].title}",
        heads=("Quantity",),
        columns={"value": "Value"},
        rows=[((_quantity(name.removeprefix(f"data/{dataset}/")),), {"value": name}) for name in ids],
        note=Markup("Duplicates: files beyond the first of each group of equal ones. Pixels are in [0, 1]."),
        made=view.made(
            f"01_preprocessing.{dataset}", [view.book.prepared(dataset), view.book.audit(dataset)]
        ),
    )


def _quantity(place: str) -> str:
    """What a count or statistic is called: "train/CNV" is "train images: CNV"."""
    split, _, name = place.partition("/")
    if split in SPLITS:
        return f"{split} images: {name}" if name else f"{split} images"
    return place.replace("_", " ")


def audit(view: View, dataset: str) -> list[Prose | Table | Figure]:
    """Everything that the audit found: files, statistics, copies, patients, shortcuts."""
    blocks = (files, sizes, problems, statistics, copies, copies_shown, patients, shortcuts)
    return [build(view, dataset) for build in (*blocks, shortcut_scores, shortcut_distributions)]


def files(view: View, dataset: str) -> Table | Prose:
    """What the files are like: version, modes, sizes, EXIF."""
    return _table(view, dataset, "files", audit_tables.files, "The files of {}")


def sizes(view: View, dataset: str) -> Table | Prose:
    """The commonest sizes of the files, by class."""
    note = Markup("A size that goes with a class tells the class before any tissue is looked at.")
    return _table(view, dataset, "sizes", audit_tables.sizes, "Images of {} by size of their files", note)


def problems(view: View, dataset: str) -> Table | Prose:
    """Files that were left out or converted, or carry EXIF."""
    found = view.found.audits.get(dataset)
    if found is not None and audit_tables.problems(found.summary).empty:
        title = view.book.datasets[dataset].title
        return text("<p class='note'>Every file of {title} could be read as it is.</p>", title=title)
    return _table(
        view, dataset, "problems", audit_tables.problems, "Files of {} that are out of the ordinary"
    )


def statistics(view: View, dataset: str) -> Table | Prose:
    """Mean and standard deviation of the original pixels beside the paper's."""
    note = Markup(
        "Pixels in [0, 1], each image with the same weight, before any step of 3.1.2. The mean of the "
        "images' own standard deviations is sometimes given for that of a data set."
    )
    return _table(view, dataset, "statistics", audit_tables.statistics, "Pixels of {}", note, decimals=4)


def copies(view: View, dataset: str) -> Table | Prose:
    """Copies by bytes, by pixels and by looks, within and across splits, classes and patients."""
    note = Markup(
        "Over the splits as the folders have them. Superfluous: files beyond the first of each group. Nearly "
        "the same: perceptual hashes within {bits} of 64 bits and a correlation of at least "
        "{correlation}; exact copies are not counted again."
    )
    found = view.found.audits.get(dataset)
    rule = found.summary["near_duplicate_rule"] if found else {"hash_bits": "", "correlation": ""}
    note = note.format(bits=rule["hash_bits"], correlation=rule["correlation"])
    return _table(view, dataset, "copies", audit_tables.duplicates, "Copies in {}", note)


def copies_shown(view: View, dataset: str) -> Figure | Prose:
    """Some of the copies, side by side."""
    found = view.found.audits.get(dataset)
    drawing = audit_figures.copies(found) if found is not None else None
    title = view.book.datasets[dataset].title
    if found is None or drawing is None:
        return text("<p class='note'>No copies to show in {title}.</p>", title=title)
    shown = found.tables["duplicates"].query("picture >= 0")
    groups = [", ".join(rows["path"]) for _, rows in shown.groupby(["kind", "group"], sort=False)]
    alt = f"Grey images of {title}, a row for each group of copies: {'; '.join(groups)}."
    caption = f"Copies in {title}: the first groups with the same bytes, and with nearly the same picture."
    picture = photograph(drawing, alt, smoke=view.smoke)
    return _figure(view, dataset, "copies-shown", caption, alt, picture, shown)


def patients(view: View, dataset: str) -> Table | Prose:
    """Patients on two sides of a split or with two classes, under each reading of the file names."""
    note = Markup(
        "The files say no more of patients than their names, which can be read in more than one way; where "
        "readings differ, who is one patient is not known. Ambiguous: another reading takes them for two."
    )
    return _table(
        view, dataset, "patients", audit_tables.patients, "Patients of {}, under each reading", note
    )


def shortcuts(view: View, dataset: str) -> Table | Prose:
    """How well one trivial thing tells the class, as numbers."""
    note = Markup(
        "Balanced accuracy of a small decision tree, cross-validated by patient, with its 95 % interval; "
        "what says nothing stays at chance."
    )
    caption = "Shortcuts in {}: how well one trivial feature alone predicts the class"
    return _table(view, dataset, "shortcuts", audit_tables.shortcuts, caption, note)


def shortcut_scores(view: View, dataset: str) -> Figure | Prose:
    """The same drawn, with the line of chance."""
    found = view.found.audits.get(dataset)
    if found is None:
        return view.missing(f"the audit of {view.book.datasets[dataset].title}")
    title = view.book.datasets[dataset].title
    frame = audit_tables.shortcuts(found.summary)
    scored = frame.dropna(subset=["balanced_accuracy"])
    said = ", ".join(
        f"{row['shortcut']} {row['balanced_accuracy']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        for _, row in scored.iterrows()
    )
    chance = f"{1 / len(found.summary['classes']):.2f}"
    alt = f"Points with intervals against chance at {chance}: {said or 'too few patients to score any'}."
    picture = svg(audit_figures.shortcut_scores(found.summary["shortcuts"]), alt, smoke=view.smoke)
    return _figure(view, dataset, "shortcut-scores", f"Shortcuts in {title}, drawn.", alt, picture, frame)


def shortcut_distributions(view: View, dataset: str) -> Figure | Prose:
    """Where the shortcuts come from: size, shape, borders and brightness by class."""
    found = view.found.audits.get(dataset)
    if found is None:
        return view.missing(f"the audit of {view.book.datasets[dataset].title}")
    title = view.book.datasets[dataset].title
    alt = (
        f"Four histograms with a line for each class of {title}: width of the file, width over height, mean "
        "of the outermost pixels, mean brightness. Where the lines part, the class can be told from it."
    )
    caption = f"Size, shape, borders and brightness of the files of {title}, by class."
    picture = svg(audit_figures.shortcut_distributions(found), alt, smoke=view.smoke)
    bars = audit_figures.shortcut_histograms(found)
    return _figure(view, dataset, "shortcut-distributions", caption, alt, picture, bars)


def _table(
    view: View,
    dataset: str,
    id: str,
    rows: Callable[[Mapping[str, Any]], pd.DataFrame],
    caption: str,
    note: Markup = NOTHING,
    *,
    decimals: int = 2,
) -> Table | Prose:
    found = view.found.audits.get(dataset)
    if found is None:
        return view.missing(f"the audit of {view.book.datasets[dataset].title}")
    return frame_table(
        rows(found.summary),
        id=f"{id}-{dataset}",
        caption=caption.format(view.book.datasets[dataset].title),
        decimals=decimals,
        note=note,
        made=_made(view, dataset),
        smoke=view.smoke,
    )


def _figure(
    view: View,
    dataset: str,
    id: str,
    caption: str,
    alt: str,
    picture: Markup,
    frame: pd.DataFrame,
) -> Figure:
    made = _made(view, dataset)
    return Figure(f"{id}-{dataset}", caption, alt, picture, frame, made=made, smoke=view.smoke)


def _made(view: View, dataset: str) -> Made:
    return view.made(f"01_preprocessing.{dataset}", [view.book.audit(dataset)])
