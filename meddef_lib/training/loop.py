"""The training loop: epochs with validation, history, checkpoints and progress; and the store's maker."""

import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib import precision
from meddef_lib.data import prepared
from meddef_lib.data.prepared import Prepared
from meddef_lib.engine.recipe import Progress, Workspace, silent
from meddef_lib.models.files import save
from meddef_lib.models.network import built
from meddef_lib.params import ModelParams, TrainingMode, TrainingParams
from meddef_lib.training import (
    batches,
    checkpoint,
    distributed,
    failures,
    hardware,
    safety,
    schedule,
    validation,
)
from meddef_lib.training.augmentation import augment
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.checkpoint import Checkpoint, CheckpointError
from meddef_lib.training.distributed import Group
from meddef_lib.training.losses import Learner, part_loss
from meddef_lib.training.safety import SafetyState
from meddef_lib.training.schedule import Phase
from meddef_lib.training.twin import twin_of
from meddef_lib.training.validation import Exposure, Measured

LEAST_PART = 2  # images: batch normalisation of a map of one position needs two
BATCHES_BETWEEN_CHECKS = 32  # of the loss on a GPU: reading it makes the host wait
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Plan:
    """How a network is trained; together with the images and the first weights it decides the result."""

    mode: TrainingMode
    params: TrainingParams
    num_classes: int
    batch_size: int
    seed: int
    group: Group = field(default_factory=Group)

    @property
    def parts(self) -> int:
        """Into how many parts each batch is divided, over all processes."""
        return self.params.accumulation * self.group.size

    def settings(self) -> dict[str, Any]:
        """The plan as JSON values, for a checkpoint."""
        training = self.params.model_dump(mode="json", exclude={"modes"})
        names = ("mode", "num_classes", "batch_size", "seed")
        return {name: getattr(self, name) for name in names} | {"training": training}


@dataclass(frozen=True)
class Best:
    """The best epoch (1-based) so far, by `Measured.criterion`; ties go to the lower validation loss."""

    epoch: int
    criterion: float
    loss: float

    def beaten_by(self, measured: Measured) -> bool:
        """Whether these measurements are better."""
        return (measured.criterion, -measured.loss) > (self.criterion, -self.loss)


@dataclass(frozen=True)
class Trained:
    """The outcome of a training: its history, one row an epoch, and the epoch whose weights are kept."""

    history: pd.DataFrame
    best: Best


@dataclass
class _Run:
    """A training under way."""

    plan: Plan
    learner: Learner
    optimizer: torch.optim.Optimizer
    train: ImageSet
    validate: ImageSet
    exposure: Exposure
    work: Path
    progress: Progress
    # what changes from epoch to epoch; a checkpoint has all of it, beside weights and moments
    rng: np.random.Generator
    safety: SafetyState
    best: Best | None
    history: list[dict[str, Any]]
    # where this process is, for messages and the time that is left
    epochs_before: int = 0
    batch: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def epochs_done(self) -> int:
        return len(self.history)


def fit(
    model: nn.Module,
    train: ImageSet,
    validate: ImageSet,
    plan: Plan,
    *,
    work: Path,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Trained:
    """Train `model` in place and leave in it the weights of the epoch that was best on the validation
    images.

    `work` keeps the checkpoint of the last finished epoch: called again after a kill with the same
    arguments, the training goes on from there, and its weights are, byte for byte on the same machine,
    those of a training that was never interrupted. All randomness comes from `plan.seed`; the global random
    state is left as it was.

    The epoch that is kept is the best on the validation images (`validation.Measured.criterion`), of which
    70 % are attacked in every mode but `clean`. Raises ValueError, CheckpointError, and TrainingStopped
    where the loss diverges or memory runs out.
    """
    _check(train, validate, plan)
    device = torch.device(device)
    run = _begin(model, train, validate, plan, work, device, progress)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        while run.epochs_done < plan.params.epochs:
            try:
                _epoch(run)
            except (RuntimeError, MemoryError) as error:
                if not failures.is_out_of_memory(error):
                    raise
                raise failures.out_of_memory(
                    error,
                    epoch=run.epochs_done + 1,
                    batch=run.batch + 1,
                    where=work,
                    parts=plan.params.accumulation,
                ) from error
    finished = checkpoint.load(work)
    if finished is None or run.best is None:
        raise CheckpointError(f"the checkpoint in {work} was removed by something else")
    model.load_state_dict(finished.best_weights(), strict=True)
    return Trained(_history(run), run.best)


def learner_of(
    model: nn.Module,
    params: TrainingParams,
    *,
    image_size: int,
    device: torch.device,
    memory_format: torch.memory_format,
    group: Group,
) -> Learner:
    """Bring the network to its device and memory format, in place, and give the ways through it."""
    model.to(device).to(memory_format=memory_format)
    twin = twin_of(model, torch.zeros(1, 3, image_size, image_size, device=device))
    if params.compile:
        model.compile()  # in place: the names in the state dict stay
        twin.network.compile()
    return Learner(
        model=model,
        train_logits=hardware.in_precision(group.wrapped(model, device), params, device),
        logits=hardware.in_precision(model, params, device),
        twin=twin,
        twin_logits=hardware.in_precision(twin.network, params, device),
        device=device,
        memory_format=memory_format,
    )


def train_batch(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    parts: Iterable[tuple[Tensor, Tensor, int]],
    *,
    plan: Plan,
    phase: Phase,
    batch: int,
    images: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One step of the optimizer on batch number `batch` of `images` images, of which this process has
    `parts`.

    Each part is grey levels uint8 (n, h, w), labels int64 (n,) and the seed of its random choices. Returns,
    on the device, this process's share of the mean loss, and the tally of `losses.tally`, shape (2, 3).
    """
    loss_of_batch = torch.zeros((), device=learner.device)
    seen = torch.zeros(2, 3, device=learner.device)
    for grey, labels, seed in parts:
        torch.manual_seed(seed)  # dropout
        generator.manual_seed(seed)
        inputs = augment(batches.as_images(grey), plan.params.augmentation, generator=generator)
        loss, counted = part_loss(
            learner,
            batches.as_input(inputs, learner.memory_format),
            labels,
            mode=plan.mode,
            phase=phase,
            params=plan.params,
            batch=batch,
            generator=generator,
        )
        share = len(labels) / images
        # several processes take the mean of their gradients, one process the sum over its parts
        (loss * (share * plan.group.size)).backward()
        loss_of_batch += loss.detach() * share
        seen += counted
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss_of_batch, seen


def _begin(
    model: nn.Module,
    train: ImageSet,
    validate: ImageSet,
    plan: Plan,
    work: Path,
    device: torch.device,
    progress: Progress,
) -> _Run:
    """A new run, or the one that the checkpoint in `work` remembers."""
    found = checkpoint.load(work)
    if found is None:
        memory_format = hardware.memory_format(plan.params, device, train.pixels.shape[-1])
    else:
        _refuse_another(found, plan, train, validate, work)
        memory_format = MEMORY_FORMATS[found.state["memory_format"]]
    learner = learner_of(
        model,
        plan.params,
        image_size=train.pixels.shape[-1],
        device=device,
        memory_format=memory_format,
        group=plan.group,
    )
    run = _Run(
        plan=plan,
        learner=learner,
        optimizer=hardware.adam(model, plan.params, device),
        train=train,
        validate=validate,
        exposure=validation.exposure(len(validate), plan.mode, plan.params, seed=plan.seed),
        work=work,
        progress=progress,
        rng=np.random.default_rng(plan.seed),
        safety=SafetyState(),
        best=None,
        history=[],
    )
    if found is not None:
        checkpoint.restore(model, run.optimizer, found.last)
        run.rng.bit_generator.state = found.state["random"]
        run.safety = SafetyState(**found.state["safety"])
        run.best = Best(**found.state["best"])
        run.history = found.state["history"]
        run.epochs_before = run.epochs_done
    return run


def _epoch(run: _Run) -> None:
    """Train one epoch, measure it, adjust, and write the checkpoint."""
    plan, group, learner = run.plan, run.plan.group, run.learner
    started = time.perf_counter()
    hardware.reset_peak_memory(learner.device)
    phase = schedule.phase_of(run.epochs_done, plan.mode, plan.params)
    if plan.mode == "paper":
        phase = safety.adjusted(phase, run.safety, plan.params.safety, plan.params.schedule)
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
        pinned=plan.params.pinned_copies,
        group=group,
    )
    _refuse_broken_weights(run, measured)
    factor = safety.factor(run.safety, plan.params.safety)
    if plan.mode == "paper":
        run.safety = safety.after_epoch(run.safety, measured.clean_balanced_accuracy, plan.params.safety)
    improved = run.best is None or run.best.beaten_by(measured)
    if improved:
        run.best = Best(run.epochs_done + 1, measured.criterion, measured.loss)
    run.history.append(
        _row(run, phase, factor, loss, seen, measured)
        | {
            "best_so_far": improved,
            "seconds": time.perf_counter() - started,
            "images_per_second": len(run.train) / (trained - started),
            "peak_memory_mib": hardware.peak_memory_mib(learner.device),
        }
    )
    if group.leads:
        _save(run, improved)
    group.wait()


def _train_epoch(run: _Run, phase: Phase) -> tuple[float, Tensor]:
    """One pass over the training images: the mean loss, and the tally on the CPU, both over all processes."""
    plan, group, learner = run.plan, run.plan.group, run.learner
    drawn = batches.plan_epoch(len(run.train), plan.batch_size, plan.parts, run.rng)
    own = range(group.rank * plan.params.accumulation, (group.rank + 1) * plan.params.accumulation)
    loaded = batches.stream(
        run.train,
        (batch[part] for batch in drawn.parts for part in own),
        learner.device,
        pinned=plan.params.pinned_copies,
    )
    generator = torch.Generator(device=learner.device)
    sizes = [sum(len(part) for part in batch) for batch in drawn.parts]
    losses = torch.zeros(len(sizes), device=learner.device)
    seen = torch.zeros(2, 3, device=learner.device)
    interval = 1 if learner.device.type == "cpu" else BATCHES_BETWEEN_CHECKS
    learner.model.train()
    for batch, size in enumerate(sizes):
        run.batch = batch
        parts = ((*next(loaded), int(drawn.seeds[batch, part])) for part in own)
        losses[batch], counted = train_batch(
            learner,
            run.optimizer,
            parts,
            plan=plan,
            phase=phase,
            batch=batch,
            images=size,
            generator=generator,
        )
        seen += counted
        if (batch + 1) % interval == 0 or batch + 1 == len(sizes):
            first = batch - batch % interval
            _refuse_broken_loss(run, losses[first : batch + 1], first)
            _tell(run, batch + 1, len(sizes))
    group.sum_(losses)
    group.sum_(seen)
    weights = torch.tensor(sizes, dtype=losses.dtype) / sum(sizes)
    return (losses.cpu() @ weights).item(), seen.cpu()


def _row(
    run: _Run, phase: Phase, factor: float, loss: float, seen: Tensor, measured: Measured
) -> dict[str, Any]:
    """One line of the history; what was not measured is None."""
    (clean_loss, clean_accuracy), (attacked_loss, attacked_accuracy) = (_means(row) for row in seen)
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


def _history(run: _Run) -> pd.DataFrame:
    table = pd.DataFrame(run.history)
    kinds = {"epoch": "int64", "phase": "str", "best_so_far": "bool"}
    # a column of None alone would have no type in Parquet
    return table.astype({name: kinds.get(name, "float64") for name in table.columns})


def _means(sums: Tensor) -> tuple[float | None, float | None]:
    """Mean loss and accuracy of one row of a tally."""
    loss, correct, images = sums.tolist()
    return (loss / images, correct / images) if images else (None, None)


def _tell(run: _Run, batches_done: int, batches_of_epoch: int) -> None:
    epochs, done = run.plan.params.epochs, run.epochs_done * batches_of_epoch + batches_done
    total = epochs * batches_of_epoch
    here = done - run.epochs_before * batches_of_epoch  # by this process
    left = (time.perf_counter() - run.started) / here * (total - done)
    place = f"epoch {run.epochs_done + 1}/{epochs}, batch {batches_done}/{batches_of_epoch}"
    if run.plan.group.leads:
        run.progress(done, total, f"{place}, {_duration(left)} left")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


# --- checks


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


def _refuse_another(found: Checkpoint, plan: Plan, train: ImageSet, validate: ImageSet, work: Path) -> None:
    before, now = found.state["training"], _identity(plan, train, validate)
    different = [key for key in now if before.get(key) != now[key]]
    if different:
        raise CheckpointError(
            f"the checkpoint in {work} belongs to another training (it differs in {', '.join(different)}); "
            "use another folder, or delete this one to begin anew"
        )


def _identity(plan: Plan, train: ImageSet, validate: ImageSet) -> dict[str, Any]:
    return plan.settings() | {"train_images": train.digest(), "validation_images": validate.digest()}


def _refuse_broken_loss(run: _Run, losses: Tensor, first_batch: int) -> None:
    broken = (~losses.isfinite()).nonzero()
    if len(broken):
        batch = int(broken[0])
        raise failures.diverged(
            f"the loss became {losses[batch].item()}",
            epoch=run.epochs_done + 1,
            batch=first_batch + batch + 1,
            where=run.work,
            learning_rate=run.plan.params.learning_rate,
        )


def _refuse_broken_weights(run: _Run, measured: Measured) -> None:
    """The last update of an epoch has no loss after it, and a checkpoint of broken weights would be of no
    use."""
    weights = run.learner.model.state_dict()
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken or not math.isfinite(measured.loss):
        what = f"{broken[0]} is not finite" if broken else f"the validation loss is {measured.loss}"
        raise failures.diverged(
            f"{what} after the last update",
            epoch=run.epochs_done + 1,
            batch=run.batch + 1,
            where=run.work,
            learning_rate=run.plan.params.learning_rate,
        )


# --- files


def _save(run: _Run, improved: bool) -> None:
    if run.best is None:
        raise AssertionError("an epoch was measured, so there is a best one")
    names = {value: name for name, value in MEMORY_FORMATS.items()}
    state = {
        "training": _identity(run.plan, run.train, run.validate),
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


# --- the store's cell


def make(space: Workspace) -> None:
    """Make a "train/..." cell: `model.safetensors`, `model.json`, `history.parquet`, `training.json`.

    Settings: dataset, variant, mode, seed, num_classes, image_size, mean, std, training and model
    (parameters), train_limit and val_limit (images, or None). Input `data`: a prepared data set, of which
    the test images are not touched. `training.data_parallel` above 1 trains in so many processes.
    """
    params = TrainingParams.restored(space.settings["training"])
    space.ran["precision"] = precision.name(params.autocast, space.device)
    if params.data_parallel == 1:
        train_cell(space, Group())
    else:
        distributed.launch(space, params.data_parallel)


def train_cell(space: Workspace, group: Group) -> None:
    """What `make` does, in one of the processes of `group`; the first of them writes the files."""
    settings = space.settings
    started = time.perf_counter()
    params = TrainingParams.restored(settings["training"])
    if not isinstance(params.batch_size, int):
        raise ValueError(f"settings.training.batch_size is {params.batch_size!r}; a cell needs a number")
    plan = Plan(
        mode=settings["mode"],
        params=params,
        num_classes=settings["num_classes"],
        batch_size=params.batch_size,
        seed=settings["seed"],
        group=group,
    )
    data = prepared.load(space.inputs["data"])
    train, validate = (
        _image_set(data, split, settings[f"{split}_limit"], plan.seed) for split in ("train", "val")
    )
    model = built(
        settings,
        plan.num_classes,
        mean=settings["mean"],
        std=settings["std"],
        options=ModelParams.restored(settings["model"]),
        seed=plan.seed,
    )
    trained = fit(model, train, validate, plan, work=space.work, device=space.device, progress=space.progress)
    if group.leads:
        save(model.cpu(), space.folder, {"image_size": settings["image_size"]})
        trained.history.to_parquet(space.folder / "history.parquet", index=False)
        summary = {
            **plan.settings(),
            "best_epoch": trained.best.epoch,
            "best_criterion": trained.best.criterion,
            "train_images": len(train),
            "validation_images": len(validate),
            "seconds": trained.history["seconds"].sum(),  # of all epochs, whichever process computed them
            "seconds_of_last_process": time.perf_counter() - started,
        }
        text = json.dumps(summary, indent=1, allow_nan=False)
        (space.folder / "training.json").write_text(text + "\n", encoding="utf-8")


def _image_set(data: Prepared, split: str, limit: int | None, seed: int) -> ImageSet:
    rows = data.subset(split, limit=limit, seed=seed)
    return ImageSet(data.images, rows, data.labels[rows])
