"""Test images of every class to be looked at: under PGD with Grad-CAM and its numbers; under every attack."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from meddef_lib.attacks.gradient import pgd
from meddef_lib.data import prepared
from meddef_lib.data.prepared import Prepared
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.evaluation.batch import Method
from meddef_lib.evaluation.foreground import foreground
from meddef_lib.evaluation.saliency import grad_cam, logits_of, numbers
from meddef_lib.models import files
from meddef_lib.models.blocks import pixels

STILL = {"attack": "", "eps": None, "linf": 0.0, "changed": 0.0}  # of a clean image


@dataclass(frozen=True)
class Examples:
    """Test images of every class."""

    rows: pd.DataFrame  # of the prepared data's index, numbered anew
    stored: NDArray[np.uint8]  # (n, h, w)
    images: Tensor  # (n, 3, h, w) in [0, 1]
    labels: Tensor  # int64 (n,)
    ids: Tensor  # int64 (n,)


def examples(data: Prepared, count: int, device: str) -> Examples:
    """The `first_of_every_class`, on a device."""
    shown = first_of_every_class(data.index, count)
    stored = data.images[shown.index.to_numpy()]
    labels, ids = (torch.tensor(shown[name].to_list(), device=device) for name in ("label", "image_id"))
    images = pixels(torch.from_numpy(stored)).to(device)
    return Examples(shown.reset_index(drop=True), stored, images, labels, ids)


def first_of_every_class(index: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` test images of each class with the smallest ids, which are hashes: a draw without a seed.

    `index` is that of prepared data; its row labels are kept. Classes come in order.
    """
    test = index[index["split"] == "test"].sort_values(["label", "image_id"])
    return test.groupby("label").head(count)


def make_saliency(space: Workspace) -> None:
    """Make a "saliency/..." cell: maps of a few test images, clean and under PGD, and their numbers.

    Settings: `saliency` (images_per_class, eps, deletion_steps, least_map), `attack` (step_size, steps),
    `seed` of the attack's start and of the random maps. Inputs: `model` (a trained model), `data` (a prepared
    data set). The images are the same for every model. A map shows the evidence for the class that the model
    predicts on the clean image, on both images: a map of another class would move for that reason alone.

    Writes `maps.npz`, arrays over the images: image_id, label, class_name, explained (the class), clean and
    adversarial (grey in [0, 1], the channels' mean), foreground, and of both images the map as drawn and as
    the layer has it (clean_map, clean_coarse, ...). Writes `saliency.parquet`, one row an image: image_id,
    label, class_name, explained, adversarial_pred, map_size (k), foreground_share (the mass inside of a flat
    map), and what `numbers` returns.
    """
    settings = space.settings["saliency"]
    model = files.load(space.inputs["model"], space.device)
    shown = examples(prepared.load(space.inputs["data"]), settings["images_per_class"], space.device)
    images = shown.images
    space.progress(0, 3, "PGD")
    adversarial = pgd(
        model,
        images,
        shown.labels,
        eps=settings["eps"],
        step_size=space.settings["attack"]["step_size"],
        steps=space.settings["attack"]["steps"],
        seed=space.settings["seed"],
        image_ids=shown.ids,
    )
    space.progress(1, 3, "Grad-CAM")
    explained = logits_of(model, images).argmax(dim=1)
    clean_maps, adversarial_maps = (grad_cam(model, batch, explained) for batch in (images, adversarial))
    space.progress(2, 3, "deletion and insertion")
    masks = np.stack([foreground(image) for image in shown.stored])
    found = numbers(
        model,
        images,
        explained,
        clean_maps,
        adversarial_maps,
        masks,
        steps=settings["deletion_steps"],
        least_map=settings["least_map"],
        seed=space.settings["seed"],
    )
    rows = shown.rows[["image_id", "label", "class_name"]].assign(
        explained=explained.cpu().numpy(),
        adversarial_pred=logits_of(model, adversarial).argmax(dim=1).cpu().numpy(),
        map_size=clean_maps.size,
        foreground_share=masks.mean(axis=(1, 2)),
    )
    pd.concat([rows, found], axis=1).to_parquet(space.folder / "saliency.parquet", index=False)
    np.savez_compressed(
        space.folder / "maps.npz",
        image_id=rows["image_id"].to_numpy(np.int64),
        label=rows["label"].to_numpy(np.int64),
        class_name=np.array(list(rows["class_name"]), dtype=np.str_),
        explained=rows["explained"].to_numpy(np.int64),
        clean=images.mean(dim=1).cpu().numpy(),
        adversarial=adversarial.mean(dim=1).cpu().numpy(),
        foreground=masks,
        clean_map=clean_maps.drawn,
        adversarial_map=adversarial_maps.drawn,
        clean_coarse=clean_maps.coarse,
        adversarial_coarse=adversarial_maps.coarse,
    )
    space.progress(3, 3)


def make_gallery(space: Workspace) -> None:
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
