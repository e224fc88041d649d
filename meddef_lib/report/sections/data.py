"""Section 3.1: samples (Figure 1), class distribution (Figure 5), counts, steps of preprocessing."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report import charts
from meddef_lib.report.comparing import comparing_table, tallied
from meddef_lib.report.elements import Figure, Prose, Table
from meddef_lib.report.inline import figure, photograph, photographed
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.sections.data_audit import AUDITED, SHORTCUTS
from meddef_lib.report.view import View, need, text

SPLITS = ("train", "val", "test")
from_prepared = from_cells("01_preprocessing", "prepared")


def prepared(view: View, dataset: str) -> Mapping[str, Any]:
    found = view.document["data"][dataset]["prepared"]
    return need(found, f"the prepared images of {view.dataset(dataset)}")


@from_prepared
def samples(view: View, dataset: str) -> Figure:
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
    found = prepared(view, dataset)
    counts = {split: found["counts"][split] for split in SPLITS if found["counts"].get(split)}
    said = "; ".join(
        f"{split}: {', '.join(f'{name} {number}' for name, number in of_class.items())}"
        for split, of_class in counts.items()
    )
    rows = [(split, *counted) for split, of_class in counts.items() for counted in of_class.items()]
    frame = pd.DataFrame(rows, columns=["split", "class", "images"])
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
    prepared(view, dataset)
    ids = view.ids(f"data/{dataset}/")
    if not ids:
        return text("The paper prints no counts of {name}.", kind="note", name=view.dataset(dataset))
    return comparing_table(
        view,
        id=f"counts-{dataset}",
        caption=f"What section 3.1 prints of {view.dataset(dataset)}",
        heads=("Quantity",),
        columns={"value": "Value"},
        rows=[((_quantity(name.removeprefix(f"data/{dataset}/")),), {"value": name}) for name in ids],
        note=Markup("{}Pixels are in [0, 1].").format(
            DUPLICATES if any("duplicates" in id for id in ids) else ""
        ),
    )


DUPLICATES = "Duplicates: files beyond the first of each group of equal ones. "


def _quantity(place: str) -> str:
    """What a count or statistic is called: "train/CNV" is "train images: CNV"."""
    split, _, name = place.partition("/")
    if split in SPLITS:
        return f"{split} images: {name}" if name else f"{split} images"
    return place.replace("_", " ").replace(" std", " standard deviation")


STEPS = Section(number="3.1.2", title="Preprocessing", order=31.2, draw=of_each_dataset(steps, steps_read))
SECTION = Section(
    number="3.1.1",
    title="Dataset",
    order=31,
    draw=of_each_dataset(
        samples,
        distribution,
        tallied("numbers printed in 3.1", "data"),
        counts,
        *AUDITED,
        *SHORTCUTS,
    ),
    answers=("3.1",),
)
