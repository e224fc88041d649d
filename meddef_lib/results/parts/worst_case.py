"""The worst case of each network, beside the paper's own attack on the same images."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import NAMES, Collected, records_of
from meddef_lib.results.outcomes import WORST_CASE
from meddef_lib.results.part import COUNT, by_name, part, share_of
from meddef_lib.results.parts.diagnostics import marked

PAPERS_OWN = "pgd"  # the strongest of its attacks


@part(
    "worst_case",
    text="dataset variant mode",
    count="seed rate_percent n misclassified",
    number="eps accuracy ci_low ci_high pgd gap gap_low gap_high",
    flag="unreliable",
    fallen=by_name(COUNT),
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network, pruning rate and epsilon: accuracies in percent, the gap in points.

    n images; `misclassified` of them are so before any attack, `fallen` counts those that fell to each attack
    in turn. `pgd` is the accuracy under the PGD of the tables, at its last iterate, on the same images, None
    where it was not measured; `gap`, what it is above the worst case, with the interval of a paired
    difference. `unreliable` where the network failed a check of its robustness.
    """
    records = records_of(found, "attacked", "pruned")
    if records.empty:
        return []
    of_attack = {name: records[records["attack"] == name] for name in (WORST_CASE, PAPERS_OWN)}
    names = [*NAMES, "rate", "eps"]
    by_pgd = dict(iter(of_attack[PAPERS_OWN].groupby(names)))
    return marked(
        found,
        (
            _row(found, dict(zip(names, place, strict=True)), run, by_pgd.get(place))
            for place, run in of_attack[WORST_CASE].groupby(names, sort=False)
        ),
    )


def _row(
    found: Collected, place: dict[str, Any], run: pd.DataFrame, pgd: pd.DataFrame | None
) -> dict[str, Any]:
    stands = metrics.correct(run, "adv_pred")
    return {
        **{name: place[name] for name in (*NAMES, "eps")},
        "rate_percent": round(100 * place["rate"]),
        **share_of(stands, "accuracy"),
        **_gap(stands, pgd),
        "misclassified": int((run["clean_pred"] != run["label"]).sum()),
        "fallen": _fallen(found, place["dataset"], run),
    }


def _gap(stands: pd.Series, pgd: pd.DataFrame | None) -> dict[str, float | None]:
    names = ("pgd", "gap", "gap_low", "gap_high")
    right = metrics.correct(pgd, "adv_pred").reindex(stands.index) if pgd is not None else None
    if right is None or right.isna().any():  # PGD has not met each of these images
        return dict.fromkeys(names)
    right = right.astype(bool)
    test = statistics.mcnemar(stands, right)
    gap = (100 * test.difference, *test.interval.scaled(100))
    return dict(zip(names, (100 * float(right.mean()), *gap), strict=True))


def _fallen(found: Collected, dataset: str, run: pd.DataFrame) -> dict[str, int]:
    """How many images fell to each attack, told by the steps that they took (`Attack.most_steps`)."""
    entry = ATTACKS[WORST_CASE]
    settings = entry.settings(found.profile.attacks)
    most = entry.most_steps(settings, len(found.datasets[dataset].classes))
    fell = run[(run["clean_pred"] == run["label"]) & (run["adv_pred"] != run["label"])]
    stages = list(most)
    counted = Counter(np.searchsorted(list(most.values())[:-1], fell["steps_used"]).tolist())
    return {name: counted[number] for number, name in enumerate(stages)}
