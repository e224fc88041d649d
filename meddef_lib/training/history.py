"""The history of a training: one row an epoch."""

from typing import Any

import pandas as pd
from torch import Tensor

from meddef_lib.training.schedule import Phase
from meddef_lib.training.underway import Run
from meddef_lib.training.validation import Measured


def row(
    run: Run, phase: Phase, factor: float, loss: float, seen: Tensor, measured: Measured
) -> dict[str, Any]:
    """One line of the history; what was not measured is None."""
    (clean_loss, clean_accuracy), (attacked_loss, attacked_accuracy) = (_means(sums) for sums in seen)
    return {
        "epoch": run.epochs_done + 1,
        "phase": phase.name,
        "eps": phase.eps,
        "adversarial_weight": phase.adversarial_weight,
        "step_size": phase.step_size,
        "safety_factor": factor,
        "train_loss": loss,
        "train_clean_loss": clean_loss,
        "train_clean_accuracy": clean_accuracy,
        "train_adversarial_loss": attacked_loss,
        "train_adversarial_accuracy": attacked_accuracy,
        "val_loss": measured.loss,
        "val_clean_accuracy": measured.clean_accuracy,
        "val_clean_balanced_accuracy": measured.clean_balanced_accuracy,
        "val_adversarial_accuracy": measured.attacked_accuracy,
        "val_exposed_balanced_accuracy": measured.exposed_balanced_accuracy,
        "val_criterion": measured.criterion,
        "val_eps": run.exposure.eps if len(run.exposure.attacked) else None,
    }


def as_table(run: Run) -> pd.DataFrame:
    """The rows of all epochs; what was not measured is NaN."""
    table = pd.DataFrame(run.history)
    kinds = {"epoch": "int64", "phase": "str", "best_so_far": "bool"}
    # a column of None alone would have no type in Parquet
    return table.astype({name: kinds.get(name, "float64") for name in table.columns})


def _means(sums: Tensor) -> tuple[float | None, float | None]:
    """Mean loss and accuracy of one row of a tally."""
    loss, correct, images = sums.tolist()
    return (loss / images, correct / images) if images else (None, None)
