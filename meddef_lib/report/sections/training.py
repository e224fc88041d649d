"""Sections 3.2.2 and 3.8: a step of adversarial training (Figure 3), its schedule, and how it went."""

import pandas as pd
from markupsafe import Markup

from meddef_lib.paper.audit.finding import counted
from meddef_lib.report import charts, diagrams
from meddef_lib.report.elements import Figure, Prose, Table, eps_text, frame_table, text_of
from meddef_lib.report.inline import figure
from meddef_lib.report.section import Section, from_cells, of_each_dataset, of_first
from meddef_lib.report.view import View, need, text

from_trainings = from_cells("02_training", "train")
SCHEDULE = {"eps": "epsilon", "adversarial_weight": "adversarial weight"}
IN_A_STEP = (
    "attack_methods",
    "pgd_steps",
    "attacked_share",
    "attacked_images",
    "crafted_in",
    "loss",
    "schedule",
)
CURVES = {
    "train_loss": "training loss",
    "train_clean_accuracy": "accuracy on training images",
    "val_clean_accuracy": "accuracy on validation images",
    "val_adversarial_accuracy": "accuracy on attacked validation images",
}


@from_cells("02_training", of_images=False)
def process(view: View, dataset: str) -> Figure:
    epochs = need(view.entries("schedule"), "the schedule of the training")
    training = view.parameters["training"]
    methods = ", ".join(name.upper() for name in training["attack_methods"])
    settings = pd.json_normalize({name: training[name] for name in IN_A_STEP}).iloc[0]
    return figure(
        view,
        "figure3",
        "Figure 3: a step of adversarial training as built (3.2.2); x: clean images, x′: attacked ones, L: "
        "cross-entropy, w: adversarial weight.",
        f"Boxes and arrows in a circle: a clean batch, {methods} on the network as it is, attacked copies of "
        f"{100 * training['attacked_share']:g} % of the batch, the loss over both, Adam, the network, the "
        "schedule of each epoch, which sets the attack.",
        diagrams.training_step(view.parameters, epochs),
        pd.DataFrame(settings.items(), columns=["setting", "value"]),
        of_images=False,
    )


@from_cells("02_training", of_images=False)
def schedule_figure(view: View, dataset: str) -> Figure:
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


@from_trainings
def training_figure(view: View, dataset: str) -> Figure:
    histories = [
        pd.DataFrame(one["history"]).assign(model=view.model_title(one["id"]))
        for one in view.needed("trainings", dataset, "the trained models of")
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
        f"Training curves on {name}: losses and accuracies by epoch.",
        f"Line plots by epoch of losses and accuracies on {name}. Last validation accuracy: {ends}.",
        charts.over_epochs(history, columns, "model"),
        history,
    )


@from_trainings
def training_table(view: View, dataset: str) -> Table:
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
            "minutes of epochs": one["seconds"] / 60,
        }
        for one in view.needed("trainings", dataset, "the trained models of")
    ]
    return frame_table(
        pd.DataFrame(rows),
        id=f"trainings-{dataset}",
        caption=f"Trainings on {view.dataset(dataset)}; the epoch is chosen on validation images, "
        "among those at the schedule's full epsilon where there are any",
        texts={"its epsilon": lambda value: text_of(value, 4)},
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def training_read(view: View, dataset: str) -> Prose:
    rows = [
        row for row in view.entries("trainings", dataset=dataset) if row["kept_attacked_accuracy"] is not None
    ]
    if not rows:
        return Prose(Markup())
    best = max(rows, key=lambda row: row["kept_attacked_accuracy"])
    return text(
        "<p>{best} answers {attacked:.0f} % of the attacked validation images right at its kept epoch{most}; "
        "its balanced accuracy on clean ones is {clean:.0f} %.</p>",
        best=view.model_title(best["id"]),
        attacked=_percent(best["kept_attacked_accuracy"]),
        most=f", the most of {len(rows)} trainings that are so attacked" if len(rows) > 1 else "",
        clean=_percent(best["kept_balanced_accuracy"]),
    )


def schedule_read(view: View, dataset: str) -> Prose:
    rows = view.entries("schedule")
    if not rows:
        return Prose(Markup())
    return text(
        "<p>Over the {epochs} of this run, epsilon begins at {first}, is {highest} at "
        "most and ends at {last}; the adversarial weight ends at {weight:.2g}.</p>",
        epochs=counted(len(rows), "epoch"),
        first=eps_text(rows[0]["eps"]),
        highest=eps_text(max(row["eps"] for row in rows)),
        last=eps_text(rows[-1]["eps"]),
        weight=rows[-1]["adversarial_weight"],
    )


PROCESS = Section(
    number="3.2.2",
    title="Adversarial training",
    order=32.2,
    draw=of_first(process, schedule_read, schedule_figure),
)
SECTION = Section(
    number="3.8",
    title="Adversarial training and evaluation parameters",
    order=38,
    draw=of_each_dataset(training_figure, training_read, training_table),
)
