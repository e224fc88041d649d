"""Section 3.1: samples (Figure 1), class distribution (Figure 5), counts, steps, what the audit found."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.comparing import comparing_table, tally
from meddef_lib.report.dotplot import OURS, dots, one_picture
from meddef_lib.report.elements import Figure, Prose, Table, frame_table
from meddef_lib.report.inline import figure, photograph, photographed
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need, note, text

SPLITS = ("train", "val", "test")
COPIES = {"bytes": "same bytes", "pixels": "same pixels", "near": "nearly the same picture"}
from_prepared = from_cells("01_preprocessing", "prepared")
from_audit = from_cells("01_preprocessing", "audit")


# --- what was prepared ----------------------------------------------------------------------------


def prepared(view: View, dataset: str) -> Mapping[str, Any]:
    """What the networks see. Raises Missing."""
    found = view.document["data"][dataset]["prepared"]
    return need(found, f"the prepared images of {view.dataset(dataset)}")


@from_prepared
def samples(view: View, dataset: str) -> Figure:
    """Figure 1: prepared images of each class."""
    found = prepared(view, dataset)
    shown = need(photographed(view, "samples", dataset), f"the prepared images of {view.dataset(dataset)}")
    split = "training" if shown["split"] == "train" else "test"
    alt = (
        f"Grey images of {view.dataset(dataset)} as the networks see them, a row for each class: "
        f"{', '.join(shown['counts'])}; {max(shown['counts'].values())} of the first {split} images each."
    )
    return Figure(
        f"figure1-{dataset}",
        f"Figure 1: {view.dataset(dataset)} after preprocessing ({found['image_size']} pixels).",
        alt,
        photograph(view, shown, alt),
        pd.DataFrame(shown["images"]).drop(columns="row"),
    )


@from_cells("01_preprocessing", "stepwise")
def steps(view: View, dataset: str) -> Figure:
    """Section 3.1.2: a file of each class before and after each step of preprocessing."""
    shown = need(
        photographed(view, "stepwise", dataset), f"the steps of preprocessing {view.dataset(dataset)}"
    )
    frame = pd.DataFrame(shown["steps"])
    ways = {name: " → ".join(of["step"]) for name, of in frame.groupby("class", sort=False)}
    alt = f"Grey images of {view.dataset(dataset)}, a row a class: {next(iter(ways.values()))}."
    return Figure(
        f"steps-{dataset}",
        f"Preprocessing of {view.dataset(dataset)} (3.1.2), a file of each class from the folder to the "
        "network; below each its size, and mean and standard deviation of its pixels.",
        alt,
        photograph(view, shown, alt),
        frame.drop(columns="row"),
    )


def steps_read(view: View, dataset: str) -> Prose:
    """What preprocessing does to the pixels of the files shown."""
    shown = photographed(view, "stepwise", dataset)
    if shown is None:
        return Prose(Markup())
    frame = pd.DataFrame(shown["steps"])
    before, after = frame.drop_duplicates("class"), frame.drop_duplicates("class", keep="last")
    return text(
        "<p>Before preprocessing the files shown have a mean of {mean:.2f} and a standard deviation of "
        "{std:.2f}, after it {mean_after:.2f} and {std_after:.2f}; standardisation is the network's first "
        "layer.</p>",
        mean=before["mean"].mean(),
        std=before["std"].mean(),
        mean_after=after["mean"].mean(),
        std_after=after["std"].mean(),
    )


@from_prepared
def distribution(view: View, dataset: str) -> Figure:
    """Figure 5: images by class in each split."""
    found = prepared(view, dataset)
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
    return figure(
        view,
        f"figure5-{dataset}",
        f"Figure 5: class distribution of {view.dataset(dataset)} in this run.",
        f"Bar chart of images by class in each split of {view.dataset(dataset)}. {said}.",
        charts.distribution(frame),
        frame,
    )


@from_cells("01_preprocessing", "prepared", "audit")
def counts(view: View, dataset: str) -> Table | Prose:
    """Counts and pixel statistics against those that section 3.1 prints."""
    prepared(view, dataset)
    ids = [name for name in view.values if name.startswith(f"data/{dataset}/")]
    if not ids:
        return note("The paper prints no counts of {name}.", name=view.dataset(dataset))
    return comparing_table(
        view,
        id=f"counts-{dataset}",
        caption=f"What section 3.1 prints of {view.dataset(dataset)}",
        heads=("Quantity",),
        columns={"value": "Value"},
        rows=[((_quantity(name.removeprefix(f"data/{dataset}/")),), {"value": name}) for name in ids],
        note=Markup("Duplicates: files beyond the first of each group of equal ones. Pixels are in [0, 1]."),
    )


def counts_read(view: View, dataset: str) -> Prose:
    """What became of the printed counts."""
    return tally(view, "3.1", [name for name in view.values if name.startswith(f"data/{dataset}/")])


def _quantity(place: str) -> str:
    """What a count or statistic is called: "train/CNV" is "train images: CNV"."""
    split, _, name = place.partition("/")
    if split in SPLITS:
        return f"{split} images: {name}" if name else f"{split} images"
    return place.replace("_", " ")


# --- what the audit found -------------------------------------------------------------------------


def audit(view: View, dataset: str) -> Mapping[str, Any]:
    """What the audit found. Raises Missing."""
    return need(view.document["data"][dataset]["audit"], f"the audit of {view.dataset(dataset)}")


@from_audit
def files(view: View, dataset: str) -> Table:
    """What the files are like: version, modes, sizes, EXIF."""
    found = audit(view, dataset)
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
    return frame_table(frame, id=f"files-{dataset}", caption=f"The files of {view.dataset(dataset)}")


def _span(of: list[float]) -> str:
    least, median, greatest = of
    return f"{least:g} to {greatest:g}, median {median:g} pixels"


@from_audit
def sizes(view: View, dataset: str) -> Table:
    """The commonest sizes of the files, by class."""
    found = [{"size": row["size"], **row["images"]} for row in audit(view, dataset)["sizes"]]
    return frame_table(
        pd.DataFrame(found, columns=["size", *view.datasets[dataset]["classes"]]),
        id=f"sizes-{dataset}",
        caption=f"Images of {view.dataset(dataset)} by size of their files",
        note=Markup("If sizes differ by class, a network can cheat."),
    )


@from_audit
def problems(view: View, dataset: str) -> Table | Prose:
    """Files that were left out or converted, or carry EXIF."""
    found, title = audit(view, dataset)["problems"], view.dataset(dataset)
    if not found:
        return note("Every file of {name} could be read as it is.", name=title)
    caption = f"Files of {title} that are out of the ordinary"
    return frame_table(pd.DataFrame(found), id=f"problems-{dataset}", caption=caption)


@from_audit
def statistics(view: View, dataset: str) -> Table:
    """Mean and standard deviation of the original pixels beside the paper's."""
    return frame_table(
        pd.DataFrame(audit(view, dataset)["statistics"]).dropna(axis="columns", how="all"),
        id=f"statistics-{dataset}",
        caption=f"Pixels of {view.dataset(dataset)}",
        decimals=4,
        note=Markup(
            "Pixels in [0, 1], each image with the same weight, before any step of 3.1.2. The mean of the "
            "images' own standard deviations is sometimes given for that of a data set."
        ),
    )


@from_audit
def copies(view: View, dataset: str) -> Table:
    """Copies by bytes, by pixels and by looks, within and across splits, classes and patients."""
    found = audit(view, dataset)
    remark = Markup(
        "Over the splits as the folders have them. Superfluous: files beyond the first of each group. Nearly "
        "the same: perceptual hashes within {hash_bits} of 64 bits and a correlation of at least "
        "{correlation}; exact copies are not counted again."
    ).format(**found["near_duplicate_rule"])
    frame = pd.DataFrame([row | {"kind": COPIES[row["kind"]]} for row in found["copies"]])
    return frame_table(
        frame, id=f"copies-{dataset}", caption=f"Copies in {view.dataset(dataset)}", note=remark
    )


@from_audit
def copies_shown(view: View, dataset: str) -> Figure | Prose:
    """Some of the copies, side by side."""
    title = view.dataset(dataset)
    shown = photographed(view, "copies", dataset)
    if shown is None:
        return note("No copies to show in {name}.", name=title)
    frame = pd.DataFrame(shown["files"])
    groups = [", ".join(rows["path"]) for _, rows in frame.groupby(["kind", "group"], sort=False)]
    alt = f"Grey images of {title}, a row for each group of copies: {'; '.join(groups)}."
    caption = f"Copies in {title}: the first groups with the same bytes, and with nearly the same picture."
    return Figure(f"copies-shown-{dataset}", caption, alt, photograph(view, shown, alt), frame)


@from_audit
def patients(view: View, dataset: str) -> Table:
    """Patients on two sides of a split or with two classes, under each reading of the file names."""
    return frame_table(
        pd.DataFrame(audit(view, dataset)["patients"]),
        id=f"patients-{dataset}",
        caption=f"Patients of {view.dataset(dataset)}, by each rule on file names",
        note=Markup(
            "The files say no more of patients than their names, which can be read in more than one way; "
            "where readings differ, who is one patient is not known. Ambiguous: another reading takes them "
            "for two."
        ),
    )


# --- shortcuts ------------------------------------------------------------------------------------


def _scores(view: View, dataset: str) -> pd.DataFrame:
    frame = pd.DataFrame(audit(view, dataset)["shortcuts"])
    return frame.assign(shortcut=frame["shortcut"].str.replace("_", " "))


@from_audit
def shortcuts(view: View, dataset: str) -> Table:
    """How well one trivial thing tells the class, as numbers."""
    return frame_table(
        _scores(view, dataset),
        id=f"shortcuts-{dataset}",
        caption=f"Shortcuts in {view.dataset(dataset)}: how well one trivial feature alone predicts the "
        "class",
        note=Markup(
            "Balanced accuracy of a small decision tree, cross-validated by patient, with its 95 % interval; "
            "an uninformative feature scores at chance."
        ),
    )


@from_audit
def shortcut_scores(view: View, dataset: str) -> Figure:
    """The same drawn, with the line of chance."""
    scores = _scores(view, dataset)
    scored = scores.dropna(subset=["balanced_accuracy"])
    said = ", ".join(
        f"{row['shortcut']} {row['balanced_accuracy']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        for row in scored.to_dict("records")
    )
    chance = f"{scores['chance'].iloc[0]:.2f}"
    alt = f"Points with intervals against chance at {chance}: {said or 'too few patients to score any'}."
    caption = f"Shortcuts in {view.dataset(dataset)}, drawn."
    frame = scored.rename(columns={"shortcut": "row", "balanced_accuracy": "x"})
    frame = frame.assign(panel="balanced accuracy", mark=OURS)
    line = scores["chance"].iloc[0]
    drawn = (
        dots(frame, x_label="dashed: chance", ends=(0, 1), line=line, smoke=view.smoke) if said else Markup()
    )
    return Figure(f"shortcut-scores-{dataset}", caption, alt, one_picture({"": drawn}, alt), scores)


@from_audit
def shortcut_distributions(view: View, dataset: str) -> Figure:
    """Where the shortcuts come from: size, shape, borders and brightness by class."""
    found = audit(view, dataset)["histograms"]
    bars = [
        {"quantity": row["quantity"], "class": name, "from": low, "to": high, "percent": percent}
        for row in found
        for name, bars in row["percent"].items()
        for low, high, percent in zip(row["edges"][:-1], row["edges"][1:], bars, strict=True)
    ]
    return figure(
        view,
        f"shortcut-distributions-{dataset}",
        f"Size, shape, borders and brightness of the files of {view.dataset(dataset)}, by class.",
        f"Four histograms with a line for each class of {view.dataset(dataset)}: width of the file, width "
        "over height, mean of the outermost pixels, mean brightness. Where the lines part, the class can be "
        "told from it.",
        charts.histograms(found),
        pd.DataFrame(bars),
    )


AUDITED = (files, sizes, problems, statistics, copies, copies_shown, patients)
SHORTCUTS = (shortcuts, shortcut_scores, shortcut_distributions)
STEPS = Section(number="3.1.2", title="Preprocessing", order=31.2, draw=of_each_dataset(steps, steps_read))
SECTION = Section(
    number="3.1.1",
    title="Dataset",
    order=31,
    draw=of_each_dataset(samples, distribution, counts_read, counts, *AUDITED, *SHORTCUTS),
    answers=("3.1",),
)
