"""The pruned networks, and which collapsed: a low success rate of theirs is no robustness."""

from typing import Any

import numpy as np

from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected, of_model
from meddef_lib.results.part import COUNT, TEXT, YES_OR_NO, Part, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network and pruning rate that has records."""
    if found.pruned.empty:
        return []
    every = [
        (model, rate, records[np.isclose(records["rate"], rate)])
        for dataset in found.datasets
        for model in found.main_models(dataset)
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


PART = Part(make=rows, schema=table(dataset=TEXT, model=TEXT, rate_percent=COUNT, collapsed=YES_OR_NO))
