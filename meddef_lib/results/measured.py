"""Every number of a run under the address of the paper's, made from the tables that it has collected."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from meddef_lib.results import merging, outcomes, says_nothing, setting
from meddef_lib.results.collected import Collected
from meddef_lib.results.outcomes import Outcomes

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # stored, but not trained
Place = tuple[str, str, str]  # data set, variant, way of training


def of_run(found: Collected) -> Outcomes:
    """Means over seeds of the first way of training, the other ways beside."""
    every: Outcomes = {}
    for dataset in found.data:
        every |= _of_data(found, dataset)
        for (of, variant), shapes in found.shapes.items():
            if of == dataset:
                keys, size = found.keys("train", dataset, variant), parameters(shapes)
                every |= outcomes.from_parameters(dataset, variant, size, keys=keys)
        for variant in found.profile.variants:
            every |= _of_variant(found, dataset, variant)
    return every


def parameters(shapes: Mapping[str, Sequence[int]]) -> int:
    """How many trainable parameters the stored arrays of a network hold, which are told by name and shape."""
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(BUFFERS))


def _of_data(found: Collected, dataset: str) -> Outcomes:
    return outcomes.from_data(
        dataset,
        found.data[dataset].summary,
        found.audits[dataset].summary if dataset in found.audits else None,
        setting=_setting(found, dataset),
        facts=found.paper.setting(dataset),
        keys=found.keys("prepared", dataset),
        audit_keys=found.keys("audit", dataset),
    )


def _of_variant(found: Collected, dataset: str, variant: str) -> Outcomes:
    first, *others = found.modes(variant)
    main: Mapping[Any, Any] = found.by_mode.get((dataset, variant, first), {})
    for mode in others:
        beside = found.by_mode.get((dataset, variant, mode), {})
        main = merging.with_alternative(main, beside, f"trained_{mode}")
    return dict(main)


def by_mode(found: Collected) -> dict[Place, Outcomes]:
    """The numbers of each way of training; of pruned networks where it is pruned."""
    by_seed: dict[Place, dict[int, Outcomes]] = {}
    unlearned: dict[tuple[str, str, str, int], str] = {}  # of networks as they were trained, which come first
    for records in (found.attacked.assign(rate=0.0), found.pruned):
        if records.empty:
            continue
        for network, rows in records.groupby(["dataset", "variant", "mode", "seed", "rate"]):
            dataset, variant, mode, seed, rate = cast(tuple[Any, ...], network)
            if dataset not in found.data:
                continue
            of_rate = outcomes.from_records(
                rows,
                dataset=dataset,
                classes=found.datasets[dataset].classes,
                variant=variant,
                setting=_setting(found, dataset, mode),
                facts=found.paper.setting(dataset),
                rate_percent=round(100 * rate),
                keys=sorted(rows["key"].unique()),
            )
            name = (dataset, variant, mode, seed)
            if rate == 0 and name not in unlearned:
                unlearned[name] = says_nothing.unlearned(rows, found.datasets[dataset].classes)
            of_rate = {at: replace(one, unlearned=unlearned.get(name, "")) for at, one in of_rate.items()}
            of_seed = by_seed.setdefault((dataset, variant, mode), {})
            # unpruned: the attack cells, which come first and have every epsilon
            of_seed[seed] = of_rate | of_seed.get(seed, {})
    return {
        place: merging.over_seeds({seed: runs[seed] for seed in found.profile.seeds if seed in runs})
        for place, runs in by_seed.items()
    }


def _setting(found: Collected, dataset: str, mode: str = "") -> dict[str, Any]:
    """The setting that numbers of a data set were measured in."""
    return setting.of_run(found.profile, found.datasets[dataset], found.data[dataset].summary, mode=mode)
