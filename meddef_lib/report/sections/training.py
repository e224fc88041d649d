"""Sections 3.2.2 and 3.8: the adversarial schedule, and the training as it went (Figure 3)."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import charts
from meddef_lib.report.elements import Block, Figure, Table, frame_table, text_of
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need

from_trainings = from_cells("02_training", "train")
SCHEDULE = {"eps": "epsilon", "adversarial_weight": "adversarial weight"}
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


@from_cells("02_training", of_images=False)
def schedule_figure(view: View, dataset: str) -> Figure:
    """The three phases of section 3.8, for this profile's number of epochs."""
    frame = need(view.rows("schedule"), "the schedule of the training")
    phases = dict(zip(frame["phase"], frame["phase_epochs"], strict=True))
    said = ", ".join(f"{name} {epochs}" for name, epochs in phases.items())
    return figure(
        view,
        "schedule",
        f"The adversarial schedule of section 3.8 over {counted(len(frame), 'epoch')}.",
        f"Line plots of epsilon and adversarial weight by epoch. Epochs by phase: {said}.",
        charts.over_epochs(frame, SCHEDULE, "phase"),
        frame.drop(columns="phase_epochs"),
        of_images=False,
    )


def trained(view: View, dataset: str) -> list[dict[str, Any]]:
    """The trainings on a data set. Raises Missing."""
    found = view.entries("trainings", dataset=dataset)
    return need(found, f"the trained models of {view.dataset(dataset)}")


@from_trainings
def training_figure(view: View, dataset: str) -> Figure:
    """Figure 3's process as it went: losses and accuracies by epoch, a line a model."""
    histories = [
        pd.DataFrame(one["history"]).assign(model=view.model_title(one["id"]))
        for one in trained(view, dataset)
    ]
    history = pd.concat(histories, ignore_index=True)
    columns = {name: title for name, title in CURVES.items() if name in history}
    last = history.groupby("model", sort=False).tail(1)
    ends = "; ".join(
        f"{row['model']} {100 * row['val_clean_accuracy']:.0f} %" for row in last.to_dict("records")
    )
    name = view.dataset(dataset)
    return figure(
        view,
        f"training-{dataset}",
        f"Training curves on {name}: losses and accuracies by epoch (3.2.2; Figure 3 is a diagram).",
        f"Line plots by epoch of losses and accuracies on {name}. Last validation accuracy: {ends}.",
        charts.over_epochs(history, columns, "model"),
        history,
    )


@from_trainings
def training_table(view: View, dataset: str) -> Table:
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
        for one in trained(view, dataset)
    ]
    return frame_table(
        pd.DataFrame(rows),
        id=f"trainings-{dataset}",
        caption=f"Trainings on {view.dataset(dataset)}; the epoch is chosen on validation images, "
        "among those at the schedule's full budget where there are any",
        texts={"its epsilon": lambda value: text_of(value, 4)},
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
