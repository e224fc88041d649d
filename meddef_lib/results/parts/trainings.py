"""How the networks were trained, epoch by epoch (MedDef, 3.2.2 and 3.8)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from meddef_lib.results.collected import NAMES, Collected, names_of
from meddef_lib.results.model import Model
from meddef_lib.results.part import COUNT, NUMBER, OF_A_MODEL, TEXT, Part, by_name, each, table


def trainings(found: Collected) -> list[dict[str, Any]]:
    """A row a training that is there; there are none of weights that were given."""
    return [
        of_model(model, found.trainings[model.id], found.history)
        for dataset in found.datasets
        for model in (*found.models(dataset), *found.larger_models(dataset))
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


PART = Part(
    make=trainings,
    schema=table(
        **OF_A_MODEL,
        kept_phase=TEXT,
        **each(COUNT, "images epochs kept_epoch"),
        **each(NUMBER, "kept_eps kept_balanced_accuracy kept_attacked_accuracy images_per_second seconds"),
        history=by_name({"type": "array"}),
    ),
)
