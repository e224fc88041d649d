"""How far confidence and accuracy are apart on clean images, with the first seed (the claim of 4.6)."""

from typing import Any

from meddef_lib.results import calibration, metrics
from meddef_lib.results.collected import Collected, of_model
from meddef_lib.results.outcomes import BOOTSTRAP_SEED
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, each, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network of the tables: expected calibration errors and their bins, shares in [0, 1]."""
    every: list[dict[str, Any]] = []
    records, seed = found.attacked, found.profile.seeds[0]
    if records.empty or "clean_confidence" not in records:
        return every
    for dataset in found.datasets:
        for model in (model for model in found.main_models(dataset) if model.seed == seed):
            mine = of_model(records, model)
            if mine.empty:
                continue
            whole = max((run for _, run in mine.groupby(["attack", "eps"], dropna=False)), key=len)
            confidence = whole["clean_confidence"].to_numpy()
            right = metrics.correct(whole, "clean_pred").to_numpy()
            interval = calibration.interval(confidence, right, seed=BOOTSTRAP_SEED)
            every.append(
                {
                    "dataset": dataset,
                    "variant": model.variant,
                    "images": len(whole),
                    "error": calibration.error(confidence, right),
                    "ci_low": interval.low,
                    "ci_high": interval.high,
                    "by_chance": calibration.by_chance(confidence, seed=BOOTSTRAP_SEED),
                    "bins": calibration.bins(confidence, right),
                }
            )
    return every


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "dataset variant"),
        images=COUNT,
        **each(NUMBER, "error ci_low ci_high by_chance"),
        bins=table(**each(NUMBER, "low high confidence accuracy"), images=COUNT),
    ),
)
