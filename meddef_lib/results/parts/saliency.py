"""How much the maps of a model move under attack and where they lie, as means over images (MedDef, 4.8)."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from meddef_lib.results import statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.model import Model
from meddef_lib.results.part import COUNT, NUMBER, TEXT, WHOLE, Part, each, fields, table
from meddef_lib.results.statistics import Interval

# of an image; rank correlation is that of the clean and the attacked map
LIMITS = {
    "rank_correlation": Interval(-1, 1),
    "foreground_share": Interval(0, 1),
    "mass_inside_clean": Interval(0, 1),
    "mass_inside_adversarial": Interval(0, 1),
    "deletion": Interval(0, 1),
    "insertion": Interval(0, 1),
    "deletion_random": Interval(0, 1),  # of random maps on the same images
    "insertion_random": Interval(0, 1),
}


def saliency(found: Collected) -> list[dict[str, Any]]:
    """A row a model whose maps are there."""
    every = [model for dataset in found.datasets for model in shown(found, dataset)]
    return [row for model in every for row in of_model(model, found.saliency)]


def shown(found: Collected, dataset: str) -> list[Model]:
    """The models whose maps are shown: those of the tables with the first seed, and a larger one."""
    first = [model for model in found.main_models(dataset) if model.seed == found.profile.seeds[0]]
    return [*first, *found.larger_models(dataset)]


def of_model(model: Model, records: pd.DataFrame) -> list[dict[str, Any]]:
    """Images, the side of a map, and the mean of each quantity over the images that have it; [] if not made.

    `records` has a row an image and model.
    """
    if records.empty:
        return []
    same = [records[name] == getattr(model, name) for name in ("dataset", "variant", "mode", "seed")]
    mine = records[pd.concat(same, axis=1).all(axis=1) & (records["image_size"] == (model.image_size or 0))]
    if mine.empty:
        return []
    names = {
        name: getattr(model, name) for name in ("id", "dataset", "variant", "mode", "seed", "image_size")
    }
    means = {name: mean(mine[name].dropna().tolist(), within) for name, within in LIMITS.items()}
    return [names | {"images": len(mine), "map_size": int(mine["map_size"].iloc[0])} | means]


def mean(values: Sequence[float], within: Interval) -> dict[str, float | int | None]:
    """Mean with its t-interval over images, cut to what can be; None where there is none."""
    found = statistics.over_seeds(values, within=within)
    interval = found.interval if found else None
    return {
        "mean": found.mean if found else None,
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "n": len(values),
    }


MEAN = fields(mean=NUMBER, ci_low=NUMBER, ci_high=NUMBER, n=COUNT)

PART = Part(
    make=saliency,
    schema=table(
        **each(TEXT, "id dataset variant mode"),
        **each(COUNT, "seed images map_size"),
        image_size=WHOLE,
        **dict.fromkeys(LIMITS, MEAN),
    ),
)
