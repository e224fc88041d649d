"""A test image of each class under every attack and budget, to be looked at, with Grad-CAM of both."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.evaluation.method import Method
from meddef_lib.evaluation.saliency import examples, grad_cam
from meddef_lib.models import files

STILL = {"attack": "", "eps": None, "linf": 0.0, "changed": 0.0}  # of a clean image


def make(space: Workspace) -> None:
    """Make a "gallery/..." cell: one test image a class under each run of an attack, and maps of both.

    Settings: runs, a list of {attack: `Attack.recipe`, eps: number or None}; eps_scale, as for records; seed
    of attacks that draw. Inputs: `model` (a trained model), `data` (a prepared data set). The map shows the
    evidence for the class that the model predicts on the clean image, on both images.

    Writes `gallery.npz`, of n images and r runs: clean uint8 (n, h, w), added float16 (r, n, h, w), the
    change as the mean of the channels, clean_map float32 (n, k, k), maps float32 (r, n, k, k), at least 0.
    Writes `gallery.parquet`, the n clean images and then those of each run: image_id, class_name, attack,
    eps (as it is named), predicted, confidence in [0, 1], linf, changed (the share of the 3 h w values).
    """
    data = prepared.load(space.inputs["data"])
    model = files.load(space.inputs["model"], space.device)
    network = Attacked(model, Computing(device=space.device))
    shown = examples(data, 1, space.device)
    scores = network.scores(shown.images)
    explained = scores.argmax(dim=1)
    named = shown.rows[["image_id", "class_name"]]
    rows = [_rows(named, scores, **STILL)]
    added: list[NDArray[np.float16]] = []
    maps: list[NDArray[np.float32]] = []
    runs, seed = space.settings["runs"], space.settings["seed"]
    scale = space.settings.get("eps_scale", 1.0)
    for number, run in enumerate(runs):
        method = Method.of_recipe(run["attack"], run["eps"], seed=seed, scale=scale)
        found = method.perturb(model, shown.images, shown.labels, shown.ids, len(shown.images))
        change = found.adversarial - shown.images
        size = change.flatten(1).abs()
        rows.append(
            _rows(
                named,
                network.scores(found.adversarial),
                attack=method.id,
                eps=run["eps"],
                linf=size.amax(dim=1).cpu().numpy(),
                changed=(size > 0).float().mean(dim=1).cpu().numpy(),
            )
        )
        added.append(change.mean(dim=1).cpu().numpy().astype(np.float16))
        maps.append(grad_cam(model, found.adversarial, explained).coarse)
        space.progress(number + 1, len(runs), method.id)
    pd.concat(rows, ignore_index=True).to_parquet(space.folder / "gallery.parquet", index=False)
    np.savez_compressed(
        space.folder / "gallery.npz",
        clean=shown.stored,
        added=np.stack(added),
        clean_map=grad_cam(model, shown.images, explained).coarse,
        maps=np.stack(maps),
    )


def _rows(named: pd.DataFrame, scores: Tensor, **columns: Any) -> pd.DataFrame:
    answers = {"predicted": scores.argmax(dim=1), "confidence": scores.amax(dim=1)}
    found = named.assign(**columns, **{name: value.cpu().numpy() for name, value in answers.items()})
    return found.astype({"eps": "float64"})
