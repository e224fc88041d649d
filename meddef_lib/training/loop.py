"""The training loop: epochs with validation, history, checkpoints and progress."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib.durations import duration
from meddef_lib.engine.recipe import Progress, silent
from meddef_lib.inference_mode import ordinary
from meddef_lib.training import batches, checkpoint, schedule, underway, validation
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.checkpoint import CheckpointError
from meddef_lib.training.learner import Learner, peak_memory_mib, reset_peak_memory
from meddef_lib.training.losses import PartLoss, Step, part_loss
from meddef_lib.training.schedule import Phase
from meddef_lib.training.underway import Best, Plan, Run
from meddef_lib.training.validation import Measured

LEAST_PART = 2  # images: batch normalisation of a map of one position needs two
BATCHES_BETWEEN_CHECKS = 32  # of the loss on a GPU: reading it makes the host wait


class TrainingStopped(RuntimeError):
    """Base of both: the message has epoch, batch, the last good checkpoint and a suggestion."""


class Diverged(TrainingStopped):
    """A loss, or after an epoch a weight, became NaN or infinite."""


class OutOfMemory(TrainingStopped):
    """The device had no room for what a batch needs."""


@dataclass(frozen=True)
class Fitted:
    """The outcome of a training: its history, one row an epoch, and the epoch whose weights are kept."""

    history: pd.DataFrame
    best: Best


@torch.inference_mode(False)
def fit(
    model: nn.Module,
    train: ImageSet,
    validate: ImageSet,
    plan: Plan,
    *,
    work: Path,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
    loss_of: PartLoss = part_loss,
) -> Fitted:
    """Train `model` in place and leave in it the weights of the best epoch.

    That is the one with the best `Measured.criterion` among those at the schedule's full budget, where there
    are any. `work` keeps the checkpoint of the last finished epoch: called again after a kill with the same
    arguments, the training goes on from there, and its weights are, byte for byte on the same machine, those
    of a training that was never interrupted. All randomness comes from `plan.seed`; the global random state
    is left as it was. `loss_of` is what a part of a batch is trained on: its labels, in the way of the plan's
    mode, where nothing else is said. Raises ValueError, CheckpointError, and TrainingStopped where the loss
    diverges or memory runs out.
    """
    _check(train, validate, plan)
    given, model = model, ordinary(model)
    device = torch.device(device)
    run = underway.begin(model, train, validate, plan, work, device, progress, loss_of)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        while run.epochs_done < plan.params.epochs:
            try:
                _epoch(run)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise _out_of_memory(run, error) from error
    finished = checkpoint.load(work)
    if finished is None or run.best is None or finished.state["epochs_done"] != run.epochs_done:
        raise CheckpointError(
            f"the checkpoint in {work} was removed or damaged by something else; start again"
        )
    with torch.inference_mode(given is not model):  # what that mode made can be written to in it alone
        given.load_state_dict(finished.best_weights(), strict=True)
    return Fitted(underway.as_table(run), run.best)


def _epoch(run: Run) -> None:
    """Train one epoch, measure it, adjust, and write the checkpoint."""
    plan, group, learner = run.plan, run.plan.group, run.learner
    started = time.perf_counter()
    reset_peak_memory(learner.device)
    phase = schedule.phase_of(run.epochs_done, plan.mode, plan.params)
    if plan.mode == "paper":
        phase = schedule.adjusted(phase, run.safety, plan.params.safety, plan.params.schedule)
    loss, seen = _train_epoch(run, phase)
    trained = time.perf_counter()
    group.average_running_statistics_(learner.model)
    measured = validation.measure(
        learner,
        run.validate,
        run.exposure,
        num_classes=plan.num_classes,
        # what memory allows in training it allows here; by all parts, so that one process that accumulates
        # and several that do not attack the same batches from the same starts
        batch_size=max(1, plan.batch_size // plan.parts),
        pinned=plan.pinned,
        group=group,
    )
    _refuse_broken_weights(run, measured)
    factor = 1.0
    if plan.mode == "paper":
        factor = schedule.safety_factor(run.safety, plan.params.safety)
        run.safety = schedule.after_epoch(run.safety, measured.clean_balanced_accuracy, plan.params.safety)
    full = phase.at_full_budget
    improved = run.best is None or run.best.beaten_by(measured, at_full_budget=full)
    if improved:
        run.best = Best(run.epochs_done + 1, full, measured.criterion, measured.loss)
    run.history.append(
        underway.row(run, phase, factor, loss, seen, measured)
        | {
            "best_so_far": improved,
            "seconds": time.perf_counter() - started,
            "images_per_second": len(run.train) / (trained - started),
            "peak_memory_mib": peak_memory_mib(learner.device),
        }
    )
    if group.leads:
        underway.save(run, improved)
    group.wait()


def _train_epoch(run: Run, phase: Phase) -> tuple[float, Tensor]:
    """One pass over the training images: the mean loss, and the tally on the CPU, both over all processes."""
    plan, group, learner = run.plan, run.plan.group, run.learner
    drawn = batches.plan_epoch(len(run.train), plan.batch_size, plan.parts, run.rng)
    own = range(group.rank * plan.params.accumulation, (group.rank + 1) * plan.params.accumulation)
    loaded = batches.stream(
        run.train,
        (batch[part] for batch in drawn.parts for part in own),
        learner.device,
        pinned=plan.pinned,
    )
    generator = torch.Generator(device=learner.device)
    sizes = [sum(len(part) for part in batch) for batch in drawn.parts]
    losses = torch.zeros(len(sizes), device=learner.device)
    seen = torch.zeros(2, 3, device=learner.device)
    interval = 1 if learner.device.type == "cpu" else BATCHES_BETWEEN_CHECKS
    learner.model.train()
    for batch, size in enumerate(sizes):
        run.batch = batch
        done = (run.epochs_done + batch / len(sizes)) / plan.params.epochs
        for moved in run.optimizer.param_groups:
            moved["lr"] = schedule.learning_rate(done, plan.params)
        parts = ((*next(loaded), int(drawn.seeds[batch, part])) for part in own)
        step = Step(plan.mode, phase, plan.params, batch, generator)
        losses[batch], counted = train_batch(
            learner, run.optimizer, parts, step, images=size, processes=group.size, loss_of=run.loss_of
        )
        seen += counted
        if (batch + 1) % interval == 0 or batch + 1 == len(sizes):
            first = batch - batch % interval
            broken = (~losses[first : batch + 1].isfinite()).nonzero()
            if len(broken):
                place = first + int(broken[0])
                raise _diverged(run, f"the loss became {losses[place].item()}", place)
            _tell(run, batch + 1, len(sizes))
    group.sum_(losses)
    group.sum_(seen)
    weights = torch.tensor(sizes, dtype=losses.dtype) / sum(sizes)
    return (losses.cpu() @ weights).item(), seen.cpu()


def train_batch(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    parts: Iterable[tuple[Tensor, Tensor, int]],
    step: Step,
    *,
    images: int,
    processes: int = 1,
    loss_of: PartLoss = part_loss,
) -> tuple[Tensor, Tensor]:
    """One step of the optimizer on a batch of `images` images, of which this process has `parts`.

    Each part is grey levels uint8 (n, h, w), labels int64 (n,) and the seed of its random choices. Returns,
    on the device, this process's share of the mean loss, and the tally of `losses.tally`, shape (2, 3).
    """
    loss_of_batch = torch.zeros((), device=learner.device)
    seen = torch.zeros(2, 3, device=learner.device)
    for grey, labels, seed in parts:
        torch.manual_seed(seed)  # dropout
        step.generator.manual_seed(seed)
        inputs = batches.augment(batches.as_images(grey), step.params.augmentation, generator=step.generator)
        loss, counted = loss_of(learner, batches.as_input(inputs, learner.memory_format), labels, step)
        share = len(labels) / images
        # several processes take the mean of their gradients, one process the sum over its parts
        (loss * (share * processes)).backward()
        loss_of_batch += loss.detach() * share
        seen += counted
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss_of_batch, seen


def _tell(run: Run, batches_done: int, batches_of_epoch: int) -> None:
    epochs, done = run.plan.params.epochs, run.epochs_done * batches_of_epoch + batches_done
    total = epochs * batches_of_epoch
    here = done - run.epochs_before * batches_of_epoch  # by this process
    left = (time.perf_counter() - run.started) / here * (total - done)
    place = f"epoch {run.epochs_done + 1}/{epochs}, batch {batches_done}/{batches_of_epoch}"
    if run.plan.group.leads:
        run.progress(done, total, f"{place}, {duration(left)} left")


def _check(train: ImageSet, validate: ImageSet, plan: Plan) -> None:
    for name, images in (("training", train), ("validation", validate)):
        if not len(images):
            raise ValueError(
                f"there are no {name} images; a training needs both training and validation images"
            )
    smallest = len(train) // batches.batch_count(len(train), plan.batch_size) // plan.parts
    if smallest < LEAST_PART:
        raise ValueError(
            f"{len(train)} training images in batches of {plan.batch_size}, {plan.parts} parts a batch, make "
            f"parts of {smallest}; batch normalisation needs {LEAST_PART}. Raise training.batch_size, or "
            "lower training.accumulation or training.data_parallel"
        )


def _refuse_broken_weights(run: Run, measured: Measured) -> None:
    """The last update has no loss after it, and a checkpoint of broken weights would be of no use."""
    weights = run.learner.model.state_dict()
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken or not math.isfinite(measured.loss):
        what = f"{broken[0]} is not finite" if broken else f"the validation loss is {measured.loss}"
        raise _diverged(run, f"{what} after the last update", run.batch)


def _diverged(run: Run, what: str, batch: int) -> Diverged:
    """`what` is broken by this batch (0-based) of the epoch that the run is in."""
    return Diverged(
        f"{what} in epoch {run.epochs_done + 1}, batch {batch + 1}. {_kept(run)} Lower "
        f"training.learning_rate (now {run.plan.params.learning_rate:g}), or the budget of the attack; the "
        "same settings would diverge again."
    )


def _out_of_memory(run: Run, error: BaseException) -> OutOfMemory:
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
