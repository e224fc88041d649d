"""The pruned networks, and which collapsed: a low success rate of theirs is no robustness."""

from typing import Any

import numpy as np

from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, TEXT, YES_OR_NO, Part, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network and pruning rate that has records."""
    pruned = found.pruned
    if pruned.empty:
        return []
    every = []
    for model in (model for dataset in found.datasets for model in found.main_models(dataset)):
        mine = pruned[
            (pruned["dataset"] == model.dataset)
            & (pruned["variant"] == model.variant)
            & (pruned["seed"] == model.seed)
        ]
        for rate in sorted(found.profile.pruning.rates):
            records = mine[np.isclose(mine["rate"], rate)]
            if not records.empty:
                every.append(
                    {
                        "dataset": model.dataset,
                        "model": model.id,
                        "rate_percent": round(100 * rate),
                        "collapsed": metrics.one_answer(records) is not None,
                    }
                )
    return every


PART = Part(make=rows, schema=table(dataset=TEXT, model=TEXT, rate_percent=COUNT, collapsed=YES_OR_NO))
