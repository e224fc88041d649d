"""How much the maps of a model move under attack and where they lie, as means over images (MedDef, 4.8)."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from meddef_lib.results import collected, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.model import Model
from meddef_lib.results.part import OF_A_MODEL, ends, fields, part
from meddef_lib.results.statistics import Interval

# of an image; rank correlation is that of the clean and the attacked map
MASS = ("foreground_share", "mass_inside_clean", "mass_inside_adversarial")
CURVES = ("deletion", "insertion", "deletion_random", "insertion_random")  # random maps, on the same images
LIMITS = {"rank_correlation": Interval(-1, 1)} | dict.fromkeys((*MASS, *CURVES), Interval(0, 1))


@part(
    "saliency",
    **OF_A_MODEL,
    count="images map_size",
    **dict.fromkeys(LIMITS, fields(number="mean ci_low ci_high", count="n")),
)
def saliency(found: Collected) -> list[dict[str, Any]]:
    """A row a model whose maps are there."""
    every = [model for dataset in found.datasets for model in found.book.saliency_models(dataset)]
    return [row for model in every for row in of_model(model, found.saliency)]


def of_model(model: Model, records: pd.DataFrame) -> list[dict[str, Any]]:
    """Images, the side of a map, and the mean of each quantity over the images that have it; [] if not made.

    `records` has a row an image and model.
    """
    mine = collected.of_model(records, model)
    mine = mine[mine["image_size"] == (model.image_size or 0)] if len(mine) else mine
    if mine.empty:
        return []
    means = {name: mean(mine[name].dropna().tolist(), within) for name, within in LIMITS.items()}
    sizes = {"images": len(mine), "map_size": int(mine["map_size"].iloc[0])}
    return [collected.names_of(model) | sizes | means]


def mean(values: Sequence[float], within: Interval) -> dict[str, float | int | None]:
    """Mean with its t-interval over images, cut to what can be; None where there is none."""
    found = statistics.over_seeds(values, within=within)
    return {"mean": found.mean, **ends(found.interval), "n": len(values)}
