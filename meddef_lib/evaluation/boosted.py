"""Deep features, principal components and boosted trees, attacked: a "boosted/..." cell.

After Vasan and Hammoudeh (2024): a network's pooled features, standardised, projected on their principal
components, and classified by boosted trees that saw features of clean and of attacked training images. No
gradient passes the trees: PGD makes its images on a linear head on the same components; Square needs none.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from meddef_lib.attacks.calling import Trace
from meddef_lib.attacks.gradient import pgd
from meddef_lib.attacks.square import square
from meddef_lib.data import prepared
from meddef_lib.data.prepared import Prepared
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.evaluation.batch import Method
from meddef_lib.evaluation.deep_features import (
    Boosted,
    Features,
    Pooled,
    Projected,
    boost,
    head_of,
    linear,
    of_torchvision,
    projected_by,
    projection,
    read_trees,
)
from meddef_lib.evaluation.records import records
from meddef_lib.models import files
from meddef_lib.models.blocks import pixels

ARRAYS, TREES = "pipeline.safetensors", "booster.json"


def make(space: Workspace) -> None:
    """Make `records.parquet`, `pipeline.safetensors`, `booster.json` and `boosted.json`.

    Records are those of `evaluation.records`, a row an image, attack and network: images that PGD made on the
    linear head, shown to it (`shown_to` "head") and to the pipeline ("pipeline"), and Square on the pipeline.
    Settings: backbone; images and, where not all are fitted, training_images, at most so many; eps,
    step_size (pixels in [0, 1]), steps; queries; components, trees, depth, crafting_steps; batch_size; seed.
    Inputs: data, and model where the backbone is a network of ours; else `speed` says the file of
    torchvision's `weights`. What was fitted is kept in `work`, as are finished batches of records.
    """
    settings = space.settings
    data = prepared.load(space.inputs["data"])
    fitted = space.work / "fitted"
    if not fitted.is_dir():
        _fit(space, data, _backbone(space), fitted)
    arrays, booster = load_file(fitted / ARRAYS), read_trees(fitted / TREES)
    projected = Projected(_backbone(space), arrays).to(space.device).eval()
    head = head_of(projected, arrays["weight"], arrays["bias"])
    rows = data.subset("test", limit=settings["images"], seed=settings["seed"])
    how = {name: settings[name] for name in ("eps", "step_size", "steps")}
    queries = {"eps": settings["eps"], "queries": settings["queries"]}
    boosted = Boosted(projected, booster)
    runs: dict[str, tuple[nn.Module, str, Callable[..., Tensor], dict[str, Any]]] = {
        "head": (head, "pgd", pgd, how),
        "transfer": (boosted, "pgd", _made_on(head), how),
        "square": (boosted, "square", square, queries),
    }
    # fold and memory format are of networks; here a copy is as fast as its original
    computing = Computing(settings["batch_size"], fold=False, channels_last="off", device=space.device)
    frames = []
    for number, (name, (network, attack, function, options)) in enumerate(runs.items()):
        searches = attack == "square"
        work = space.work / name
        work.mkdir(exist_ok=True)

        def progress(done: int, total: int, text: str = "", number: int = number) -> None:
            space.progress(number * total + done, len(runs) * total, text)

        found = records(
            Attacked(network, computing),
            data.images[rows],
            data.labels[rows],
            data.index["image_id"].to_numpy()[rows],
            Method(attack, function, options, settings["seed"], True, searches, searches),
            work=work,
            progress=progress,
        )
        frames.append(found.assign(shown_to="head" if network is head else "pipeline"))
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "records.parquet", index=False)
    shutil.copytree(fitted, space.folder, dirs_exist_ok=True)


def _backbone(space: Workspace) -> Pooled:
    if "model" in space.inputs:
        return Pooled(files.load(space.inputs["model"], space.device))
    network = of_torchvision(space.settings["backbone"], Path(space.speed["weights"]))
    return Pooled(network.to(space.device))


def _made_on(head: nn.Module) -> Callable[..., Tensor]:
    """PGD on another network than the one that is asked: the attack of a transfer."""

    def attack(_model: nn.Module, images: Tensor, labels: Tensor, *, trace: Trace, **options: Any) -> Tensor:
        own = Trace()
        made = pgd(head, images, labels, **options, trace=own)
        trace.steps_used, trace.zero_gradient = own.steps_used, own.zero_gradient
        return made

    return attack


# --- fitting --------------------------------------------------------------------------------------


def _fit(space: Workspace, data: Prepared, features: Pooled, folder: Path) -> None:
    """Fit everything on the training images; the folder appears whole."""
    settings = space.settings
    rows = data.subset("train", limit=settings.get("training_images"), seed=settings["seed"])
    labels = data.labels[rows]
    clean = _features(features, (pixels(part) for part in _batches(space, data, rows)))
    arrays = projection(clean, settings["components"])
    projected = Projected(features, arrays).to(space.device).eval()
    inputs, answers = projected_by(arrays, clean), labels
    if settings["crafting_steps"]:
        first = head_of(projected, *linear(inputs, labels))
        attacked = _features(features, _crafted(space, data, rows, first))
        inputs = np.concatenate([inputs, projected_by(arrays, attacked)])
        answers = np.concatenate([labels, labels])
    arrays["weight"], arrays["bias"] = linear(inputs, answers)
    booster = boost(inputs, answers, settings["trees"], settings["depth"], settings["seed"])
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    (part / ARRAYS).write_bytes(save(arrays))
    booster.save_model(part / TREES)
    about = {
        "backbone": settings["backbone"],
        "features": clean.shape[1],
        "components": arrays["components"].shape[1],
        "training_images": len(labels),
        "attacked_training_images": len(answers) - len(labels),
        "trees": settings["trees"],
    }
    (part / "boosted.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(folder)


def _batches(space: Workspace, data: Prepared, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    size = space.settings["batch_size"]
    for start in range(0, len(rows), size):
        space.progress(start, len(rows), "training images")
        yield torch.as_tensor(data.images[rows[start : start + size]]).to(space.device)


def _features(features: Pooled, batches: Iterator[Tensor]) -> Features:
    with torch.no_grad():
        return np.concatenate([features(batch).cpu().numpy() for batch in batches])


def _crafted(space: Workspace, data: Prepared, rows: NDArray[np.int64], head: nn.Module) -> Iterator[Tensor]:
    settings, ids = space.settings, data.index["image_id"].to_numpy()
    how = {name: settings[name] for name in ("eps", "step_size", "seed")}
    size = settings["batch_size"]
    for number, part in enumerate(_batches(space, data, rows)):
        of = rows[number * size : number * size + len(part)]
        labels = torch.as_tensor(data.labels[of]).to(space.device)
        image_ids = torch.as_tensor(ids[of])
        yield pgd(head, pixels(part), labels, steps=settings["crafting_steps"], image_ids=image_ids, **how)
