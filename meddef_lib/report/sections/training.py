"""Sections 3.2.2 and 3.8: the adversarial schedule, and the training as it went (Figure 3)."""

from collections.abc import Iterable

import pandas as pd

from meddef_lib.report import charts
from meddef_lib.report.blocks import Block, Figure, Made, Prose, Table, frame_table, text_of
from meddef_lib.report.inline import svg
from meddef_lib.report.section import Section, of_each_dataset
from meddef_lib.report.view import View, counted

NOTEBOOK = "02_training"
CURVES = {
    "train_loss": "training loss",
    "train_clean_accuracy": "accuracy on training images",
    "val_clean_accuracy": "accuracy on validation images",
    "val_adversarial_accuracy": "accuracy on attacked validation images",
}


def draw(view: View) -> Iterable[Block]:
    """The schedule, and the trainings of each data set."""
    first = next(iter(view.datasets))
    return [schedule_figure(view, first), *of_each_dataset(training_figure, training_table)(view)]


SECTION = Section(number="3.2.2, 3.8", title="Adversarial training", order=38, draw=draw)


def schedule_figure(view: View, dataset: str) -> Figure | Prose:
    """The three phases of section 3.8, for this profile's number of epochs."""
    frame = view.rows("schedule")
    if frame.empty:
        return view.missing("the schedule of the training")
    said = ", ".join(f"{name} {count}" for name, count in frame["phase"].value_counts(sort=False).items())
    alt = f"Line plots of epsilon and adversarial weight by epoch. Epochs by phase: {said}."
    return Figure(
        "schedule",
        f"The adversarial schedule of section 3.8 over {counted(len(frame), 'epoch')}.",
        alt,
        svg(charts.schedule(frame), alt, smoke=view.smoke),
        frame,
        made=view.made(f"{NOTEBOOK}.{dataset}", ()),
        smoke=view.smoke,
    )


def training_figure(view: View, dataset: str) -> Figure | Prose:
    """Figure 3's process as it went: losses and accuracies by epoch, a line a model."""
    history = _history(view, dataset)
    if history.empty:
        return view.missing(f"the trained models of {view.dataset(dataset)}")
    columns = {name: title for name, title in CURVES.items() if name in history}
    last = history.groupby("model", sort=False).tail(1)
    ends = "; ".join(
        f"{row['model']} {100 * row['val_clean_accuracy']:.0f} %" for row in last.to_dict("records")
    )
    name = view.dataset(dataset)
    alt = f"Line plots by epoch of losses and accuracies on {name}. Last validation accuracy: {ends}."
    return Figure(
        f"training-{dataset}",
        f"Figure 3 as it went on {name}: losses and accuracies by epoch (3.2.2).",
        alt,
        svg(charts.training_curves(history, columns), alt, smoke=view.smoke),
        history,
        made=_made(view, dataset),
        smoke=view.smoke,
    )


def _history(view: View, dataset: str) -> pd.DataFrame:
    """A row an epoch of every model, which is named."""
    histories = [
        pd.DataFrame(one["history"]).assign(model=view.model_title(one["id"]))
        for one in view.document["trainings"]
        if one["dataset"] == dataset
    ]
    return pd.concat(histories, ignore_index=True) if histories else pd.DataFrame()


def training_table(view: View, dataset: str) -> Table | Prose:
    """What each training took and which epoch was kept."""
    rows = [
        {
            "model": view.model_title(one["id"]),
            "images": one["images"],
            "epochs": one["epochs"],
            "kept epoch": one["kept_epoch"],
            "its phase": one["kept_phase"],
            "its epsilon": one["kept_eps"],
            "its validation balanced accuracy, %": 100 * one["kept_balanced_accuracy"],
            "its accuracy on attacked validation images, %": _percent(one["kept_attacked_accuracy"]),
            "images/s": one["images_per_second"],
            "minutes": one["seconds"] / 60,
        }
        for one in view.document["trainings"]
        if one["dataset"] == dataset
    ]
    if not rows:
        return view.missing(f"the trained models of {view.dataset(dataset)}")
    return frame_table(
        pd.DataFrame(rows),
        id=f"trainings-{dataset}",
        caption=f"Trainings on {view.dataset(dataset)}; the epoch is chosen on validation images, "
        "among those at the schedule's full budget where there are any",
        texts={"its epsilon": lambda value: text_of(value, 4)},
        made=_made(view, dataset),
        smoke=view.smoke,
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _made(view: View, dataset: str) -> Made:
    return view.made(f"{NOTEBOOK}.{dataset}", view.cells(view.models(dataset), "train"))
