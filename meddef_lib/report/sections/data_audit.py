"""Section 3.1: what the audit of the files found, and the shortcuts that they offer to a network."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.elements import Figure, Prose, Table, frame_table
from meddef_lib.report.html_charts import OURS, dot_plot
from meddef_lib.report.inline import figure, photograph, photographed
from meddef_lib.report.section import from_cells
from meddef_lib.report.view import View, need, text

COPIES = {"bytes": "same bytes", "pixels": "same pixels", "near": "nearly the same picture"}
from_audit = from_cells("01_preprocessing", "audit")


def audit(view: View, dataset: str) -> Mapping[str, Any]:
    return need(view.document["data"][dataset]["audit"], f"the audit of {view.dataset(dataset)}")


@from_audit
def files(view: View, dataset: str) -> Table:
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
    found = [{"size": row["size"], **row["images"]} for row in audit(view, dataset)["sizes"]]
    return frame_table(
        pd.DataFrame(found, columns=["size", *view.datasets[dataset]["classes"]]),
        id=f"sizes-{dataset}",
        caption=f"Images of {view.dataset(dataset)} by size of their files",
        note=Markup("If sizes differ by class, a network can cheat."),
    )


@from_audit
def problems(view: View, dataset: str) -> Table | Prose:
    found, title = audit(view, dataset)["problems"], view.dataset(dataset)
    if not found:
        return text("Every file of {name} could be read as it is.", kind="note", name=title)
    caption = f"Files of {title} that are out of the ordinary"
    return frame_table(pd.DataFrame(found), id=f"problems-{dataset}", caption=caption)


@from_audit
def statistics(view: View, dataset: str) -> Table:
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
    title = view.dataset(dataset)
    shown = photographed(view, "copies", dataset)
    if shown is None:
        return text("No copies to show in {name}.", kind="note", name=title)
    frame = pd.DataFrame(shown["files"])
    groups = [", ".join(rows["path"]) for _, rows in frame.groupby(["kind", "group"], sort=False)]
    alt = f"Grey images of {title}, a row for each group of copies: {'; '.join(groups)}."
    caption = f"Copies in {title}: the first groups with the same bytes, and with nearly the same picture."
    return Figure(f"copies-shown-{dataset}", caption, alt, photograph(view, shown, alt), frame)


@from_audit
def patients(view: View, dataset: str) -> Table:
    """Patients on two sides of a split or with two classes, under each reading of the file names."""
    pool, used = audit(view, dataset)["files"]["images"], view.document["data"][dataset]["prepared"]
    drawn = sum(used["splits"].values()) if used else pool
    of = f"Counted over all {pool:,} readable files" + (
        f", of which this run uses {drawn:,}. " if drawn < pool else ". "
    )
    return frame_table(
        pd.DataFrame(audit(view, dataset)["patients"]),
        id=f"patients-{dataset}",
        caption=f"Patients of {view.dataset(dataset)}, by each rule on file names",
        note=Markup(of)
        + Markup(
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
    line, x_label = scores["chance"].iloc[0], "dashed: chance"
    drawn = dot_plot(frame, alt, x_label=x_label, ends=(0, 1), line=line, smoke=view.smoke)
    return Figure(f"shortcut-scores-{dataset}", caption, alt, drawn, scores)


@from_audit
def shortcut_distributions(view: View, dataset: str) -> Figure:
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
