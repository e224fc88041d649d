"""How the networks were trained, by which schedule, and what it does (MedDef, 3.2.2, 3.8 and 4.3)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from meddef_lib.params import GIVEN
from meddef_lib.results.collected import NAMES, Collected, names_of
from meddef_lib.results.model import Model
from meddef_lib.results.part import OF_A_MODEL, WHOLE, by_name, ends, number, of_images, part
from meddef_lib.training import schedule


@part(
    "trainings",
    **OF_A_MODEL,
    text="kept_phase",
    count="images epochs kept_epoch",
    number="kept_eps kept_balanced_accuracy kept_attacked_accuracy images_per_second seconds",
    history=by_name({"type": "array"}),
)
def trainings(found: Collected) -> list[dict[str, Any]]:
    """A row a training that is there; there are none of weights that were given."""
    return [
        of_model(model, found.trainings[model.id], found.history)
        for dataset in found.datasets
        for model in (*found.book.models(dataset), *found.book.larger_models(dataset))
        if model.id in found.trainings
    ]


def of_model(model: Model, told: Mapping[str, Any], history: pd.DataFrame) -> dict[str, Any]:
    """One training: what it took, the epoch that was kept, and its history, a list a column.

    `told` is what the training wrote of itself; `history` has a row an epoch of every model. Shares lie in
    [0, 1].
    """
    mine = history[history["id"] == model.id]
    kept = mine[mine["epoch"] == told["best_epoch"]].iloc[0]
    return names_of(model) | {
        "images": told["train_images"],
        "epochs": len(mine),
        "kept_epoch": told["best_epoch"],
        "kept_phase": str(kept["phase"]),
        "kept_eps": float(kept["eps"]),
        "kept_balanced_accuracy": float(kept["val_clean_balanced_accuracy"]),
        "kept_attacked_accuracy": float(kept["val_adversarial_accuracy"]),
        "images_per_second": float(mine["images_per_second"].median()),
        "seconds": told["seconds"],
        "history": mine.drop(columns=["id", *NAMES]).dropna(axis="columns", how="all").to_dict("list"),
    }


@part("schedule", count="epoch phase_epochs", text="phase", number="eps adversarial_weight step_size")
def phases(found: Collected) -> list[dict[str, Any]]:
    """A row an epoch of the profile's schedule, counted from 1, with the epochs of its whole phase.

    None where weights were given and nothing is trained.
    """
    profile = found.profile
    if all(mode == GIVEN for variant in profile.variants for mode in found.book.modes(variant)):
        return []
    epochs = [schedule.at(epoch, profile.training) for epoch in range(profile.training.epochs)]
    lengths = Counter(phase.name for phase in epochs)
    rows = []
    for epoch, phase in enumerate(epochs, start=1):
        values = asdict(phase)
        name = values.pop("name")
        rows.append({"epoch": epoch, "phase": name, "phase_epochs": lengths[name], **values})
    return rows


@part(
    "trainings_compared",
    text="dataset variant mode quantity attack",
    number="eps value ci_low ci_high",
    n=WHOLE,
    count="zero_gradients",
)
def compared(found: Collected) -> list[dict[str, Any]]:
    """A row a number of a variant that was trained in several ways: accuracy, plain or balanced (percent)."""
    several = [variant for variant in found.profile.variants if len(found.book.modes(variant)) > 1]
    return [
        {"dataset": dataset, "variant": variant, "mode": mode, **row}
        for dataset in found.datasets
        for variant in several
        for mode in found.book.modes(variant)
        for row in _accuracies(found, dataset, variant, mode)
    ]


def _accuracies(found: Collected, dataset: str, variant: str, mode: str) -> Iterator[dict[str, Any]]:
    """Clean, balanced and robust accuracy of one way of training, in the order of the profile's attacks."""
    order = ["", *found.profile.attacks.methods]
    measured = {
        (order.index(at.attack), at.eps or 0): (at, outcome)
        for at, outcome in found.by_mode.get((dataset, variant, mode), {}).items()
        if at.quantity == "accuracy" and not at.rate_percent
    }
    for _, (at, outcome) in sorted(measured.items(), key=lambda pair: pair[0]):
        place = {"attack": at.attack, "eps": at.eps, **of_images(outcome)}
        yield {"quantity": "accuracy", **place, **number("value", outcome)}
        balanced = outcome.alternatives.get("balanced_accuracy")
        yield {"quantity": "balanced_accuracy", **place, "value": balanced, **ends(None)}
