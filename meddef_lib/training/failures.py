"""Trainings that cannot go on: each says where it stopped, what was kept and what to change."""

from pathlib import Path

import torch


class TrainingStopped(RuntimeError):
    """Base of both: the message has epoch, batch, the last good checkpoint and a suggestion."""


class Diverged(TrainingStopped):
    """A loss, or after an epoch a weight, became NaN or infinite."""


class OutOfMemory(TrainingStopped):
    """The device had no room for what a batch needs."""


def diverged(what: str, *, epoch: int, batch: int, where: Path, learning_rate: float) -> Diverged:
    """`epoch` and `batch` are 1-based; `where` is the folder of the checkpoint."""
    return Diverged(
        f"{what} in epoch {epoch}, batch {batch}. {_kept(epoch, where)} Lower training.learning_rate "
        f"(now {learning_rate:g}), or the budget of the attack; the same settings would diverge again."
    )


def out_of_memory(error: BaseException, *, epoch: int, batch: int, where: Path, parts: int) -> OutOfMemory:
    """`parts` is how many parts a batch is computed in at present."""
    return OutOfMemory(
        f"the device ran out of memory in epoch {epoch}, batch {batch} ({_first_line(error)}). "
        f"{_kept(epoch, where)} Set training.accumulation={2 * parts} (now {parts}), which computes a batch "
        f"in {2 * parts} parts, or lower training.batch_size."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: each device says it in its own way."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def _kept(epoch: int, where: Path) -> str:
    if epoch == 1:
        return "No epoch was finished, so there is no checkpoint."
    return f"The last good checkpoint is that of epoch {epoch - 1}, in {where}."


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).strip()
