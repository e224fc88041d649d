"""A training under way: its plan, its history, and what changes, begun anew or taken up from a checkpoint."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib.engine.recipe import Progress
from meddef_lib.params import TrainingMode, TrainingParams
from meddef_lib.training import checkpoint, settings, validation
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.distributed import Group
from meddef_lib.training.learner import Learner, adam, learner_of
from meddef_lib.training.losses import PartLoss
from meddef_lib.training.schedule import Phase, SafetyState
from meddef_lib.training.validation import Exposure, Measured

MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Plan:
    """How a network is trained; together with the images and the first weights it decides the result."""

    mode: TrainingMode
    params: TrainingParams
    num_classes: int
    batch_size: int
    seed: int
    pinned: bool = True  # memory that is copied to a GPU from: a matter of speed alone
    group: Group = field(default_factory=Group)

    @property
    def parts(self) -> int:
        """Into how many parts each batch is divided, over all processes."""
        return self.params.accumulation * self.group.size

    def settings(self) -> dict[str, Any]:
        """What decides the result, as JSON values."""
        names = ("mode", "num_classes", "batch_size", "seed")
        training = settings.of_mode(self.params, self.mode)
        return {name: getattr(self, name) for name in names} | {"training": training}


@dataclass(frozen=True)
class Best:
    """The best epoch (1-based) so far, by `Measured.criterion`; ties go to the lower validation loss.

    An epoch at the schedule's full budget beats every one before it: a network kept from the warm-up was
    trained for an attack that is no longer the one it is named by.
    """

    epoch: int
    at_full_budget: bool
    criterion: float
    loss: float

    def beaten_by(self, measured: Measured, *, at_full_budget: bool) -> bool:
        here = (self.at_full_budget, self.criterion, -self.loss)
        return (at_full_budget, measured.criterion, -measured.loss) > here


@dataclass
class Run:
    """A training under way."""

    plan: Plan
    learner: Learner
    loss_of: PartLoss
    optimizer: torch.optim.Optimizer
    train: ImageSet
    validate: ImageSet
    exposure: Exposure
    work: Path
    progress: Progress
    # what changes from epoch to epoch; a checkpoint has all of it, beside weights and moments
    rng: np.random.Generator
    safety: SafetyState = field(default_factory=SafetyState)
    best: Best | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    # where this process is, for messages and the time that is left
    epochs_before: int = 0
    batch: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def epochs_done(self) -> int:
        return len(self.history)


def begin(
    model: nn.Module,
    train: ImageSet,
    validate: ImageSet,
    plan: Plan,
    work: Path,
    device: torch.device,
    progress: Progress,
    loss_of: PartLoss,
) -> Run:
    """A new run, or the one that the checkpoint in `work` remembers, which is of the same training."""
    found = checkpoint.load(work)
    memory_format = None
    if found is not None:
        memory_format = MEMORY_FORMATS[found.state["memory_format"]]
    learner = learner_of(
        model,
        plan.params,
        image_size=train.pixels.shape[-1],
        device=device,
        memory_format=memory_format,
        group=plan.group,
    )
    run = Run(
        plan=plan,
        learner=learner,
        loss_of=loss_of,
        optimizer=adam(model, plan.params, device),
        train=train,
        validate=validate,
        exposure=validation.exposure(len(validate), plan.mode, plan.params, seed=plan.seed),
        work=work,
        progress=progress,
        rng=np.random.default_rng(plan.seed),
    )
    if found is not None:
        checkpoint.restore(model, run.optimizer, found.last)
        run.rng.bit_generator.state = found.state["random"]
        run.safety = SafetyState(**found.state["safety"])
        run.best = Best(**found.state["best"])
        run.history = found.state["history"]
        run.epochs_before = run.epochs_done
    return run


def save(run: Run, improved: bool) -> None:
    """Write the checkpoint after an epoch; `improved`: it is the best so far. Raises OSError."""
    assert run.best is not None  # an epoch was measured
    names = {value: name for name, value in MEMORY_FORMATS.items()}
    state = {
        "epochs_done": run.epochs_done,  # the position in the schedule
        # it draws every order of the images and every seed of noise, augmentation and dropout
        "random": run.rng.bit_generator.state,
        "memory_format": names[run.learner.memory_format],
        "safety": asdict(run.safety),
        "best": asdict(run.best),
        "history": run.history,
    }
    model = run.learner.model
    checkpoint.save(
        run.work,
        state,
        checkpoint.training_tensors(model, run.optimizer),
        epochs_done=run.epochs_done,
        best=model.state_dict() if improved else None,
    )


def row(
    run: Run, phase: Phase, factor: float, loss: float, seen: Tensor, measured: Measured
) -> dict[str, Any]:
    """One line of the history; what was not measured is None."""
    (clean_loss, clean_accuracy), (attacked_loss, attacked_accuracy) = (
        (loss / images, correct / images) if images else (None, None)
        for loss, correct, images in seen.tolist()
    )
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
        **{f"val_{name}": value for name, value in asdict(measured).items()},
        "val_criterion": measured.criterion,
        "val_eps": run.exposure.eps if len(run.exposure.attacked) else None,
    }


def as_table(run: Run) -> pd.DataFrame:
    """The rows of all epochs; what was not measured is NaN."""
    table = pd.DataFrame(run.history)
    kinds = {"epoch": "int64", "phase": "str", "best_so_far": "bool"}
    # a column of None alone would have no type in Parquet
    return table.astype({name: kinds.get(name, "float64") for name in table.columns})
