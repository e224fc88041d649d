"""How far confidence and accuracy are apart on clean images, with the first seed (the claim of 4.6)."""

from typing import Any

import pandas as pd

from meddef_lib.results import calibration, metrics
from meddef_lib.results.collected import Collected, first_models, of_model
from meddef_lib.results.outcomes import BOOTSTRAP_SEED
from meddef_lib.results.part import COUNT, INTERVAL, NUMBER, TEXT, Part, each, ends, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network of the tables: expected calibration errors and their bins, shares in [0, 1]."""
    if "clean_confidence" not in found.attacked:
        return []
    every = [
        (model, of_model(found.attacked, model))
        for dataset in found.datasets
        for model in first_models(found, dataset)
    ]
    return [
        {"dataset": model.dataset, "variant": model.variant, **_of_network(records)}
        for model, records in every
        if not records.empty
    ]


def _of_network(records: pd.DataFrame) -> dict[str, Any]:
    whole = metrics.most_images(records)
    confidence = whole["clean_confidence"].to_numpy()
    right = metrics.correct(whole, "clean_pred").to_numpy()
    return {
        "images": len(whole),
        "error": calibration.error(confidence, right),
        **ends(calibration.interval(confidence, right, seed=BOOTSTRAP_SEED)),
        "by_chance": calibration.by_chance(confidence, seed=BOOTSTRAP_SEED),
        "bins": calibration.bins(confidence, right),
    }


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "dataset variant"),
        images=COUNT,
        **each(NUMBER, "error by_chance"),
        **INTERVAL,
        bins=table(**each(NUMBER, "low high confidence accuracy"), images=COUNT),
    ),
)
