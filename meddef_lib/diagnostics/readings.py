"""What a network answers to images made by other readings of the protocol: a "readings/..." cell."""

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib.attacks.calling import box, input_gradients
from meddef_lib.attacks.jsma import jsma
from meddef_lib.attacks.objectives import cross_entropy
from meddef_lib.attacks.starts import uniform_like
from meddef_lib.diagnostics.subject import tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import finished
from meddef_lib.evaluation.attacked import Attacked, Computing, require_logits
from meddef_lib.models import files
from meddef_lib.pruning import prune
from meddef_lib.results.agreement import OF_A_RUN

Run = Mapping[str, Any]


def make(space: Workspace) -> None:
    """Make `records.parquet`: a row an image and run: image_id, label, clean_pred, adv_pred and `OF_A_RUN`.

    Settings: split; images and slow_images (at most so many, drawn by class); runs, each with `OF_A_RUN`, the
    rest of `perturbed` and slow (whether it sees the few images); mean and std of the data set's pixels;
    eps_scale (pixels in [0, 1] a unit of eps and of step_size); jsma (its settings); batch_size; seed.
    Inputs: model, data, and another, a separately trained network, where a run is made on one.
    """
    settings = space.settings
    limits = {False: settings["images"], True: min(settings["images"], settings["slow_images"])}
    shown = {slow: tested(space, limit) for slow, limit in limits.items()}
    computing = Computing(batch_size=settings["batch_size"], device=space.device)
    trained = files.load(space.inputs["model"], space.device)
    other = space.inputs.get("another")
    another = Attacked(files.load(other, space.device), computing) if other else None
    networks: dict[tuple[float, str], Attacked] = {}
    clean: dict[Any, Tensor] = {}
    finished.claim(space.work, settings)
    frames = []
    for number, run in enumerate(settings["runs"]):
        (images, labels, ids), cut = shown[run["slow"]], (run["rate"], run["scope"])
        found = finished.read(space.work, number, ids.numpy())
        if found is None:
            if cut not in networks:
                networks[cut] = Attacked(prune(trained, *cut) if run["rate"] else trained, computing)
                require_logits(networks[cut].model, images)
            if (network := networks[cut], run["slow"]) not in clean:
                clean[network, run["slow"]] = network.scores(images).argmax(dim=1)
            attacked = answers(network, another, images, labels, ids, run, settings)
            columns = {"label": labels, "clean_pred": clean[network, run["slow"]], "adv_pred": attacked}
            found = pd.DataFrame({"image_id": ids} | {name: of.cpu().numpy() for name, of in columns.items()})
            found = found.assign(**{name: run[name] for name in OF_A_RUN})
            finished.write(found, space.work, number)
        frames.append(found)
        space.progress(number + 1, len(settings["runs"]), "runs")
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "records.parquet", index=False)


def answers(
    network: Attacked,
    another: Attacked | None,
    images: Tensor,
    labels: Tensor,
    ids: Tensor,
    run: Run,
    settings: Mapping[str, Any],
) -> Tensor:
    """The network's answers (n,) to the images that a run makes.

    Shapes: images (n, 3, h, w) in [0, 1]; labels and ids int64 (n,). `settings` are those of `make` that
    are not of one run. Raises ValueError where the images are to be made on `another` network and it is None.
    """
    looked_at = another if run["made_on"] == "another" else network
    if looked_at is None:
        raise ValueError(f"the run {run['procedure']} is made on another network, and there is none")
    found = []
    # of nearly equal size: in training mode a single image has no batch statistics
    for part in torch.arange(len(images)).tensor_split(-(-len(images) // network.computing.batch_size)):
        batch = images[part]
        batch = batch.contiguous(memory_format=network.computing.memory_format(batch))
        made = perturbed(looked_at, batch, labels[part], ids[part], run, settings)
        found.append(network.scores(made).argmax(dim=1))
    return torch.cat(found)


def perturbed(
    network: Attacked, images: Tensor, labels: Tensor, ids: Tensor, run: Run, settings: Mapping[str, Any]
) -> Tensor:
    """The images (n, 3, h, w) that a run makes, looking at `network`.

    A run has eps (the budget) and step_size (along the sign of the gradient of the loss, against it where it
    is negative); steps, or None for JSMA on pairs of pixels; random_start (uniform in the ball); budget
    (whether eps bounds the change); space, what eps and steps are of: `pixels` in [0, 1], `standardised`
    ones, or `standardised_clamped`, of which each step leaves [0, 1] alone; and made_on, `training_mode` for
    batch statistics and dropout.
    """
    if run["steps"] is None:
        return jsma(network.fast(images), images, labels, **settings["jsma"])
    mean, std = settings["mean"], settings["std"]
    unit = settings["eps_scale"] * (1.0 if run["space"] == "pixels" else std)
    eps = unit * run["eps"]
    lower, upper = box(images, eps) if run["budget"] else (torch.zeros_like(images), torch.ones_like(images))
    point = images.clone()
    if run["random_start"]:
        point.add_(uniform_like(images, ids, seed=settings["seed"]), alpha=eps)
        torch.clamp(point, lower, upper, out=point)
    if run["space"] == "standardised_clamped":
        lower, upper = (bound.clamp(mean, mean + std) for bound in (lower, upper))
    in_training = run["made_on"] == "training_mode"
    # a copy: a pass in training mode moves its running averages
    looked_at: nn.Module = copy.deepcopy(network.model) if in_training else network.fast(images)
    with torch.random.fork_rng() if in_training else nullcontext():
        torch.manual_seed(settings["seed"]) if in_training else None
        with input_gradients(looked_at) as input_gradient:
            looked_at.train(in_training)
            for _ in range(run["steps"]):
                gradient = input_gradient(point, lambda logits: cross_entropy(logits, labels))[2]
                point.add_(gradient.sign(), alpha=unit * run["step_size"])
                torch.clamp(point, lower, upper, out=point)
    return point
