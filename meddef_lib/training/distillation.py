"""Defensive distillation: a network learns, at a temperature, what another answers (Papernot et al. 2016).

The teacher is trained on labels as any network (`loop.fit`), its logits divided by the temperature T; the
student, of the same architecture and from the same first weights, on the teacher's softmax at T in the place
of labels. What is kept are the student's weights, whose logits in use are those at T = 1.
"""

import json
import time
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from meddef_lib import precision
from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Progress, Workspace, silent
from meddef_lib.models.files import save
from meddef_lib.models.network import built
from meddef_lib.models.tempered import Tempered
from meddef_lib.params import ModelParams, TrainingParams
from meddef_lib.training import batches, checkpoint, failures, hardware, schedule, underway, validation
from meddef_lib.training.augmentation import augment
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.checkpoint import CheckpointError
from meddef_lib.training.loop import Fitted, fit
from meddef_lib.training.losses import tally
from meddef_lib.training.underway import Best, Plan, Run


def make(space: Workspace) -> None:
    """Make a "distilled/..." cell: the student's `model.safetensors`, `model.json`, `history.parquet` and
    `training.json`.

    Settings: those of a "train/..." cell in the mode clean, and temperature. Input `data`: a prepared data
    set, of which the test images are not touched. One process trains, whatever `training.data_parallel` says.
    """
    settings, temperature = space.settings, space.settings["temperature"]
    params = TrainingParams.restored(settings["training"])
    space.ran["precision"] = precision.name(params.autocast, space.device)
    plan = Plan(
        mode="clean",
        params=params,
        num_classes=settings["num_classes"],
        batch_size=settings["training"]["batch_size"],
        seed=settings["seed"],
        pinned=space.speed.get("pinned_copies", True),
    )
    data = prepared.load(space.inputs["data"])

    def of_split(split: str) -> ImageSet:
        rows = data.subset(split, seed=plan.seed)
        return ImageSet(data.images, rows, data.labels[rows])

    train, validate = of_split("train"), of_split("val")
    teacher, student = (
        built(
            settings,
            plan.num_classes,
            mean=settings["mean"],
            std=settings["std"],
            options=ModelParams.restored(settings["model"]),
            seed=plan.seed,
        )
        for _ in range(2)
    )

    def told(part: int, who: str) -> Progress:
        def progress(done: int, total: int, text: str = "") -> None:
            space.progress(part * total + done, 2 * total, f"{who}, {text}")

        return progress

    softened = Tempered(teacher, temperature)
    work, device = space.work, space.device
    fit(softened, train, validate, plan, work=work / "teacher", device=device, progress=told(0, "teacher"))
    fitted = distil(
        Tempered(student, temperature),
        softened,
        train,
        validate,
        plan,
        work=work / "student",
        device=device,
        progress=told(1, "student"),
    )
    save(student.cpu(), space.folder, {"image_size": settings["image_size"]})
    fitted.history.to_parquet(space.folder / "history.parquet", index=False)
    summary = {
        **plan.settings(),
        "temperature": temperature,
        "best_epoch": fitted.best.epoch,
        "train_images": len(train),
        "validation_images": len(validate),
    }
    text = json.dumps(summary, indent=1, allow_nan=False)
    (space.folder / "training.json").write_text(text + "\n", encoding="utf-8")


@torch.inference_mode(False)
def distil(
    student: nn.Module,
    teacher: nn.Module,
    train: ImageSet,
    validate: ImageSet,
    plan: Plan,
    *,
    work: Path,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> Fitted:
    """Train `student` in place on the softmax of `teacher`, and leave in it the weights of the best epoch.

    Both give logits (n, classes) at the temperature. As in `loop.fit` the best epoch is told by validation
    labels, `work` keeps a checkpoint, and all randomness comes from `plan.seed`. Raises CheckpointError and
    TrainingStopped.
    """
    run = underway.begin(student, train, validate, plan, work, torch.device(device), progress)
    device = run.learner.device
    teacher.to(device).eval().requires_grad_(False)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        while run.epochs_done < plan.params.epochs:
            _epoch(run, teacher)
    finished = checkpoint.load(work)
    if finished is None or run.best is None:
        raise CheckpointError(
            f"the checkpoint in {work} was removed or damaged by something else; start again"
        )
    student.load_state_dict(finished.best_weights(), strict=True)
    return Fitted(underway.as_table(run), run.best)


def _epoch(run: Run, teacher: nn.Module) -> None:
    """Train one epoch, measure it and write the checkpoint."""
    plan, learner = run.plan, run.learner
    started = time.perf_counter()
    hardware.reset_peak_memory(learner.device)
    phase = schedule.phase_of(run.epochs_done, plan.mode, plan.params)
    loss, seen = _train_epoch(run, teacher)
    trained = time.perf_counter()
    measured = validation.measure(
        learner,
        run.validate,
        run.exposure,
        num_classes=plan.num_classes,
        batch_size=max(1, plan.batch_size // plan.parts),
        pinned=plan.pinned,
        group=plan.group,
    )
    if not (isfinite(loss) and isfinite(measured.loss)):
        raise failures.diverged(
            f"the loss became {loss}, on validation images {measured.loss}",
            epoch=run.epochs_done + 1,
            batch=run.batch + 1,
            where=run.work,
            learning_rate=plan.params.learning_rate,
        )
    improved = run.best is None or run.best.beaten_by(measured, at_full_budget=True)
    if improved:
        run.best = Best(run.epochs_done + 1, True, measured.criterion, measured.loss)
    run.history.append(
        underway.row(run, phase, 1.0, loss, seen, measured)
        | {
            "best_so_far": improved,
            "seconds": time.perf_counter() - started,
            "images_per_second": len(run.train) / (trained - started),
            "peak_memory_mib": hardware.peak_memory_mib(learner.device),
        }
    )
    underway.save(run, improved)


def _train_epoch(run: Run, teacher: nn.Module) -> tuple[float, Tensor]:
    """One pass over the training images: the mean loss, and the tally of labels (2, 3) on the CPU."""
    plan, learner = run.plan, run.learner
    drawn = batches.plan_epoch(len(run.train), plan.batch_size, plan.parts, run.rng)
    parts = (part for batch in drawn.parts for part in batch)
    loaded = batches.stream(run.train, parts, learner.device, pinned=plan.pinned)
    generator = torch.Generator(device=learner.device)
    total = torch.zeros((), device=learner.device)
    seen = torch.zeros(2, 3, device=learner.device)
    learner.model.train()
    for run.batch, seeds in enumerate(drawn.seeds):
        done = (run.epochs_done + run.batch / len(drawn.seeds)) / plan.params.epochs
        for moved in run.optimizer.param_groups:
            moved["lr"] = schedule.learning_rate(done, plan.params)
        images = sum(len(part) for part in drawn.parts[run.batch])
        for seed in seeds:
            grey, labels = next(loaded)
            torch.manual_seed(int(seed))  # dropout
            generator.manual_seed(int(seed))
            inputs = augment(batches.as_images(grey), plan.params.augmentation, generator=generator)
            inputs = batches.as_input(inputs, learner.memory_format)
            with torch.no_grad():
                answers = teacher(inputs).softmax(dim=1)
            logits = learner.train_logits(inputs)
            loss = cross_entropy(logits, answers) * (len(labels) / images)
            loss.backward()
            total += loss.detach() * (images / len(run.train))
            seen += tally((logits, labels), None)
        run.optimizer.step()
        run.optimizer.zero_grad(set_to_none=True)
        text = f"epoch {run.epochs_done + 1}/{plan.params.epochs}"
        run.progress(
            run.epochs_done * len(drawn.seeds) + run.batch + 1,
            plan.params.epochs * len(drawn.seeds),
            text,
        )
    return total.item(), seen.cpu()
