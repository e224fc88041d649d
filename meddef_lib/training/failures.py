"""Trainings that cannot go on: each says where it stopped, what was kept and what to change."""

import torch

from meddef_lib.training.underway import Run


class TrainingStopped(RuntimeError):
    """Base of both: the message has epoch, batch, the last good checkpoint and a suggestion."""


class Diverged(TrainingStopped):
    """A loss, or after an epoch a weight, became NaN or infinite."""


class OutOfMemory(TrainingStopped):
    """The device had no room for what a batch needs."""


def diverged(run: Run, what: str, batch: int) -> Diverged:
    """`what` is broken by this batch (0-based) of the epoch that the run is in."""
    return Diverged(
        f"{what} in epoch {run.epochs_done + 1}, batch {batch + 1}. {_kept(run)} Lower "
        f"training.learning_rate (now {run.plan.params.learning_rate:g}), or the budget of the attack; the "
        "same settings would diverge again."
    )


def out_of_memory(run: Run, error: BaseException) -> OutOfMemory:
    """Where the run is, there was no room."""
    parts, said = run.plan.params.accumulation, str(error).strip().splitlines() or [type(error).__name__]
    return OutOfMemory(
        f"the device ran out of memory in epoch {run.epochs_done + 1}, batch {run.batch + 1} "
        f"({said[0].strip()}). {_kept(run)} Set training.accumulation={2 * parts} (now {parts}), which "
        f"computes a batch in {2 * parts} parts, or lower training.batch_size."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: each device says it in its own way."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _kept(run: Run) -> str:
    if not run.epochs_done:
        return "No epoch was finished, so there is no checkpoint."
    return f"The last good checkpoint is that of epoch {run.epochs_done}, in {run.work}."
