"""Section 3.1: samples (Figure 1), class distribution (Figure 5), counts, and what the audit found."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.blocks import NOTHING, Block, Figure, Prose, Table, frame_table
from meddef_lib.report.comparing import comparing_table
from meddef_lib.report.inline import photograph, photographed, svg
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.view import View, text

SPLITS = ("train", "val", "test")
COPIES = {"bytes": "same bytes", "pixels": "same pixels", "near": "nearly the same picture"}
NOTEBOOK = "01_preprocessing"

Found = Mapping[str, Any]  # what an audit found, or of it


# --- what was prepared ----------------------------------------------------------------------------


def samples(view: View, dataset: str) -> Figure | Prose:
    """Figure 1: prepared images of each class."""
    found = view.document["data"][dataset]["prepared"]
    shown = photographed(view, "samples", dataset)
    if found is None or shown is None:
        return view.missing(f"the prepared images of {view.dataset(dataset)}")
    images = pd.DataFrame(shown["images"])
    split = "training" if (images["split"] == "train").all() else "test"
    of_class = images["class_name"].value_counts(sort=False)
    alt = (
        f"Grey images of {view.dataset(dataset)} as the networks see them, a row for each class: "
        f"{', '.join(of_class.index)}; {of_class.max()} of the first {split} images each."
    )
    return Figure(
        f"figure1-{dataset}",
        f"Figure 1: {view.dataset(dataset)} after preprocessing ({found['image_size']} pixels).",
        alt,
        photograph(view, shown, alt),
        images.drop(columns="row"),
        made=view.made(f"{NOTEBOOK}.{dataset}", [f"prepared/{dataset}"]),
        smoke=view.smoke,
    )


def distribution(view: View, dataset: str) -> Figure | Prose:
    """Figure 5: images by class in each split."""
    found = view.document["data"][dataset]["prepared"]
    if found is None:
        return view.missing(f"the prepared images of {view.dataset(dataset)}")
    counts = {split: found["counts"].get(split, {}) for split in SPLITS}
    said = "; ".join(
        f"{split}: {', '.join(f'{name} {number}' for name, number in of_class.items())}"
        for split, of_class in counts.items()
        if of_class
    )
    frame = pd.DataFrame(
        [
            {"split": split, "class": name, "images": number}
            for split, of_class in counts.items()
            for name, number in of_class.items()
        ]
    )
    alt = f"Bar chart of images by class in each split of {view.dataset(dataset)}. {said}."
    return Figure(
        f"figure5-{dataset}",
        f"Figure 5: class distribution of {view.dataset(dataset)} in this run.",
        alt,
        svg(charts.distribution(frame), alt, smoke=view.smoke),
        frame,
        made=view.made(f"{NOTEBOOK}.{dataset}", [f"prepared/{dataset}"]),
        smoke=view.smoke,
    )


def counts(view: View, dataset: str) -> Table | Prose:
    """Counts and pixel statistics against those that section 3.1 prints."""
    if view.document["data"][dataset]["prepared"] is None:
        return view.missing(f"the prepared images of {view.dataset(dataset)}")
    ids = [name for name in view.values if name.startswith(f"data/{dataset}/")]
    if not ids:
        said = "<p class='note'>The paper prints no counts of {title}.</p>"
        return text(said, title=view.dataset(dataset))
    return comparing_table(
        view,
        id=f"counts-{dataset}",
        caption=f"What section 3.1 prints of {view.dataset(dataset)}",
        heads=("Quantity",),
        columns={"value": "Value"},
        rows=[((_quantity(name.removeprefix(f"data/{dataset}/")),), {"value": name}) for name in ids],
        note=Markup("Duplicates: files beyond the first of each group of equal ones. Pixels are in [0, 1]."),
        made=view.made(f"{NOTEBOOK}.{dataset}", [f"prepared/{dataset}", f"audit/{dataset}"]),
    )


def _quantity(place: str) -> str:
    """What a count or statistic is called: "train/CNV" is "train images: CNV"."""
    split, _, name = place.partition("/")
    if split in SPLITS:
        return f"{split} images: {name}" if name else f"{split} images"
    return place.replace("_", " ")


# --- what the audit found -------------------------------------------------------------------------


def _of_audit(draw: Callable[[View, str, Found], Block]) -> Callable[[View, str], Block]:
    """Draw from what the audit of a data set found, or say that it is missing."""

    @wraps(draw)
    def drawn(view: View, dataset: str) -> Block:
        found = view.document["data"][dataset]["audit"]
        if found is None:
            return view.missing(f"the audit of {view.dataset(dataset)}")
        return draw(view, dataset, found)

    return drawn


@_of_audit
def files(view: View, dataset: str, found: Found) -> Table:
    """What the files are like: version, modes, sizes, EXIF."""
    facts = found["files"]
    rows = {
        "data version": found["version"],
        "readable images": f"{facts['images']:,}",
        **{f"images of colour mode {mode}": f"{count:,}" for mode, count in facts["modes"].items()},
        "width": _span(facts["width"]),
        "height": _span(facts["height"]),
        "different sizes": f"{facts['different_sizes']:,}",
        "files with EXIF": f"{facts['with_exif']:,}",
        "names that say nothing of a patient": f"{facts['names_without_patient']:,}",
        "files and folders of clutter, ignored": f"{facts['clutter']:,}",
    }
    frame = pd.DataFrame(rows.items(), columns=["finding", "value"])
    return _table(view, dataset, "files", frame, "The files of {}")


def _span(of: list[float]) -> str:
    least, median, greatest = of
    return f"{least:g} to {greatest:g}, median {median:g} pixels"


@_of_audit
def sizes(view: View, dataset: str, found: Found) -> Table:
    """The commonest sizes of the files, by class."""
    classes = view.datasets[dataset]["classes"]
    frame = pd.DataFrame([{"size": row["size"], **row["images"]} for row in found["sizes"]])
    note = Markup("A size that goes with a class tells the class before any tissue is looked at.")
    caption = "Images of {} by size of their files"
    return _table(view, dataset, "sizes", frame.reindex(columns=["size", *classes]), caption, note)


@_of_audit
def problems(view: View, dataset: str, found: Found) -> Table | Prose:
    """Files that were left out or converted, or carry EXIF."""
    if not found["problems"]:
        said = "<p class='note'>Every file of {title} could be read as it is.</p>"
        return text(said, title=view.dataset(dataset))
    frame = pd.DataFrame(found["problems"])
    return _table(view, dataset, "problems", frame, "Files of {} that are out of the ordinary")


@_of_audit
def statistics(view: View, dataset: str, found: Found) -> Table:
    """Mean and standard deviation of the original pixels beside the paper's."""
    note = Markup(
        "Pixels in [0, 1], each image with the same weight, before any step of 3.1.2. The mean of the "
        "images' own standard deviations is sometimes given for that of a data set."
    )
    frame = pd.DataFrame(found["statistics"]).dropna(axis="columns", how="all")
    return _table(view, dataset, "statistics", frame, "Pixels of {}", note, decimals=4)


@_of_audit
def copies(view: View, dataset: str, found: Found) -> Table:
    """Copies by bytes, by pixels and by looks, within and across splits, classes and patients."""
    note = Markup(
        "Over the splits as the folders have them. Superfluous: files beyond the first of each group. Nearly "
        "the same: perceptual hashes within {hash_bits} of 64 bits and a correlation of at least "
        "{correlation}; exact copies are not counted again."
    ).format(**found["near_duplicate_rule"])
    frame = pd.DataFrame([row | {"kind": COPIES[row["kind"]]} for row in found["copies"]])
    return _table(view, dataset, "copies", frame, "Copies in {}", note)


def copies_shown(view: View, dataset: str) -> Figure | Prose:
    """Some of the copies, side by side."""
    title = view.dataset(dataset)
    shown = photographed(view, "copies", dataset)
    if shown is None:
        return text("<p class='note'>No copies to show in {title}.</p>", title=title)
    frame = pd.DataFrame(shown["files"])
    groups = [", ".join(rows["path"]) for _, rows in frame.groupby(["kind", "group"], sort=False)]
    alt = f"Grey images of {title}, a row for each group of copies: {'; '.join(groups)}."
    caption = f"Copies in {title}: the first groups with the same bytes, and with nearly the same picture."
    return _figure(view, dataset, "copies-shown", caption, alt, photograph(view, shown, alt), frame)


@_of_audit
def patients(view: View, dataset: str, found: Found) -> Table:
    """Patients on two sides of a split or with two classes, under each reading of the file names."""
    note = Markup(
        "The files say no more of patients than their names, which can be read in more than one way; where "
        "readings differ, who is one patient is not known. Ambiguous: another reading takes them for two."
    )
    caption = "Patients of {}, under each reading"
    return _table(view, dataset, "patients", pd.DataFrame(found["patients"]), caption, note)


# --- shortcuts ------------------------------------------------------------------------------------


@_of_audit
def shortcuts(view: View, dataset: str, found: Found) -> Table:
    """How well one trivial thing tells the class, as numbers."""
    note = Markup(
        "Balanced accuracy of a small decision tree, cross-validated by patient, with its 95 % interval; "
        "what says nothing stays at chance."
    )
    caption = "Shortcuts in {}: how well one trivial feature alone predicts the class"
    return _table(view, dataset, "shortcuts", _scores(found), caption, note)


@_of_audit
def shortcut_scores(view: View, dataset: str, found: Found) -> Figure:
    """The same drawn, with the line of chance."""
    scores = _scores(found)
    scored = scores.dropna(subset=["balanced_accuracy"])
    said = ", ".join(
        f"{row['shortcut']} {row['balanced_accuracy']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        for row in scored.to_dict("records")
    )
    chance = f"{scores['chance'].iloc[0]:.2f}"
    alt = f"Points with intervals against chance at {chance}: {said or 'too few patients to score any'}."
    picture = svg(charts.shortcut_scores(scored), alt, smoke=view.smoke)
    caption = f"Shortcuts in {view.dataset(dataset)}, drawn."
    return _figure(view, dataset, "shortcut-scores", caption, alt, picture, scores)


@_of_audit
def shortcut_distributions(view: View, dataset: str, found: Found) -> Figure:
    """Where the shortcuts come from: size, shape, borders and brightness by class."""
    alt = (
        f"Four histograms with a line for each class of {view.dataset(dataset)}: width of the file, width "
        "over height, mean of the outermost pixels, mean brightness. Where the lines part, the class can be "
        "told from it."
    )
    caption = f"Size, shape, borders and brightness of the files of {view.dataset(dataset)}, by class."
    picture = svg(charts.histograms(found["histograms"]), alt, smoke=view.smoke)
    bars = pd.DataFrame(
        [
            {"quantity": row["quantity"], "class": name, "from": low, "to": high, "percent": percent}
            for row in found["histograms"]
            for name, bars in row["percent"].items()
            for low, high, percent in zip(row["edges"][:-1], row["edges"][1:], bars, strict=True)
        ]
    )
    return _figure(view, dataset, "shortcut-distributions", caption, alt, picture, bars)


def _scores(found: Found) -> pd.DataFrame:
    frame = pd.DataFrame(found["shortcuts"])
    return frame.assign(shortcut=frame["shortcut"].str.replace("_", " "))


def _table(
    view: View,
    dataset: str,
    id: str,
    frame: pd.DataFrame,
    caption: str,
    note: Markup = NOTHING,
    *,
    decimals: int = 2,
) -> Table:
    return frame_table(
        frame,
        id=f"{id}-{dataset}",
        caption=caption.format(view.dataset(dataset)),
        decimals=decimals,
        note=note,
        made=view.made(f"{NOTEBOOK}.{dataset}", [f"audit/{dataset}"]),
        smoke=view.smoke,
    )


def _figure(
    view: View, dataset: str, id: str, caption: str, alt: str, picture: Markup, frame: pd.DataFrame
) -> Figure:
    made = view.made(f"{NOTEBOOK}.{dataset}", [f"audit/{dataset}"])
    return Figure(f"{id}-{dataset}", caption, alt, picture, frame, made=made, smoke=view.smoke)


AUDITED = (files, sizes, problems, statistics, copies, copies_shown, patients)
SHORTCUTS = (shortcuts, shortcut_scores, shortcut_distributions)
SECTION = Section(
    number="3.1",
    title="Dataset and preprocessing",
    order=31,
    draw=of_each_dataset(samples, distribution, counts, *AUDITED, *SHORTCUTS),
)
