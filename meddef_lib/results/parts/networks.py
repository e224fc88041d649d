"""The networks of a run, and which collapsed when pruned: a low success rate of theirs is no robustness."""

from typing import Any

import numpy as np

from meddef_lib.models.variants import VARIANTS
from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected, names_of, of_model
from meddef_lib.results.model import Model
from meddef_lib.results.part import OF_A_MODEL, part
from meddef_lib.results.parts.names import TRAININGS


@part("models", **OF_A_MODEL, text="title", flag="main")
def models(found: Collected) -> list[dict[str, Any]]:
    """A row a network, data set by data set; those of larger images, which are for saliency alone, last."""
    return [
        names_of(model)
        | {
            "title": title(found, model),
            "main": not model.image_size and model.mode == found.book.modes(model.variant)[0],
        }
        for dataset in found.datasets
        for model in (*found.book.models(dataset), *found.book.larger_models(dataset))
    ]


def title(found: Collected, model: Model) -> str:
    """The name of its variant, how it was trained and, where there are several, its seed and image size."""
    seed = f", seed {model.seed}" if len(found.profile.seeds) > 1 else ""
    size = f", {model.image_size} px" if model.image_size else ""
    return f"{VARIANTS[model.variant].title} ({TRAININGS[model.mode]}{seed}{size})"


@part("networks", text="dataset model", count="rate_percent", flag="collapsed")
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a pruned network and rate that has records."""
    if found.pruned.empty:
        return []
    every = [
        (model, rate, records[np.isclose(records["rate"], rate)])
        for dataset in found.datasets
        for model in found.book.main_models(dataset)
        for records in [of_model(found.pruned, model)]
        for rate in sorted(found.profile.pruning.rates)
    ]
    return [
        {
            "dataset": model.dataset,
            "model": model.id,
            "rate_percent": round(100 * rate),
            "collapsed": metrics.one_answer(records) is not None,
        }
        for model, rate, records in every
        if not records.empty
    ]
