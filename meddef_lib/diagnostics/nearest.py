"""The least budget that flips each image of a network, as trained and pruned: a "least_eps/..." cell."""

import pandas as pd

from meddef_lib.diagnostics.least_eps import APGD, NOBODY, PGD, least_eps
from meddef_lib.diagnostics.tested import tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.models import files
from meddef_lib.pruning import prune

BY = {NOBODY: "", PGD: "pgd", APGD: "apgd_ce"}


def make(space: Workspace) -> None:
    """Make `least_eps.parquet`: a row an image and pruning rate.

    Columns: rate, image_id, label, clean_pred, least_eps (pixels in [0, 1]; 0 where the image is
    misclassified already, infinite where no budget up to the largest flips it), by ("pgd" or "apgd_ce", which
    found that; else ""). Settings: split; images; rates and the scope of pruning; search, what
    `least_eps` is called with, budgets in pixels; batch_size; seed. Inputs: model, data.
    """
    settings = space.settings
    images, labels, ids = tested(space)
    trained = files.load(space.inputs["model"], space.device)
    computing = Computing(batch_size=settings["batch_size"], device=space.device)
    size = computing.batch_size
    frames = []
    for number, rate in enumerate(settings["rates"]):
        pruned = prune(trained, rate, scope=settings["scope"]) if rate else trained
        network = Attacked(pruned, computing)
        for start in range(0, len(images), size):
            part = slice(start, start + size)
            found = least_eps(
                network.model,
                images[part],
                labels[part],
                image_ids=ids[part],
                seed=settings["seed"],
                fast=network.fast(images[part]),
                **settings["search"],
            )
            columns = {
                "rate": float(rate),
                "image_id": ids[part],
                "label": labels[part].cpu(),
                "clean_pred": network.scores(images[part]).argmax(dim=1).cpu(),
                "least_eps": found.eps.double().cpu(),
                "by": [BY[by] for by in found.by.tolist()],
            }
            frames.append(pd.DataFrame(columns))
            done = number * len(images) + start + len(labels[part])
            space.progress(done, len(settings["rates"]) * len(images), "images")
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "least_eps.parquet", index=False)
