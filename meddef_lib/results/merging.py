"""Several networks as one number: means over seeds, and other ways of training beside the tables' one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from meddef_lib.paper.addresses import SCALE, UNITS, Address
from meddef_lib.results import statistics
from meddef_lib.results.outcomes import Outcome, Outcomes, joined_notes
from meddef_lib.results.statistics import Interval


def over_seeds(runs: Mapping[int, Mapping[Address, Outcome]]) -> Outcomes:
    """One outcome an address from the same model trained with several seeds: their mean and t-interval.

    `runs` are by seed, each of one model. A number that does not exist for one of the seeds is left out of
    its mean. Its interval is never narrower than the widest of theirs: they were tested on the same images,
    and others could still differ. A number of which one seed's network collapsed, or has not learned the
    task, says so.
    """
    addresses = dict.fromkeys(address for run in runs.values() for address in run)
    return {
        address: _merged(address, {seed: run[address] for seed, run in runs.items() if address in run})
        for address in addresses
    }


def _merged(address: Address, by_seed: Mapping[int, Outcome]) -> Outcome:
    outcomes = list(by_seed.values())
    there = {seed: outcome for seed, outcome in by_seed.items() if outcome.per_seed}
    per_seed = tuple(value for outcome in there.values() for value in outcome.per_seed)
    scale = Interval(0.0, 1.0).scaled(SCALE[UNITS[address.quantity]])
    estimate = statistics.over_seeds(per_seed, within=scale)
    interval = estimate.interval if estimate else None
    own = [
        (one.high - one.low, one, outcome.per_seed[0])
        for outcome in there.values()
        if (one := outcome.interval)
    ]
    if estimate and own:
        width, widest, value = max(own)
        if interval is None or width > interval.high - interval.low:
            away = estimate.mean - value if np.ptp(per_seed) else 0.0
            interval = Interval(max(scale.low, widest.low + away), min(scale.high, widest.high + away))
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.alternatives)
    return replace(
        next(iter(there.values()), outcomes[0]),
        per_seed=per_seed,
        seeds=tuple(there),
        interval=interval,
        hits=tuple(series for outcome in there.values() for series in outcome.hits),
        keys=tuple(dict.fromkeys(key for outcome in outcomes for key in outcome.keys)),
        zero_gradients=max(outcome.zero_gradients for outcome in outcomes),
        collapsed=joined_notes(*(outcome.collapsed for outcome in outcomes)),
        unlearned=joined_notes(*(outcome.unlearned for outcome in outcomes)),
        note=joined_notes(*(outcome.note for outcome in outcomes)),
        deviations=tuple(dict.fromkeys(text for outcome in outcomes for text in outcome.deviations)),
        alternatives={
            name: _mean([outcome.alternatives.get(name) for outcome in outcomes]) for name in names
        },
    )


def with_alternative(
    main: Mapping[Address, Outcome], other: Mapping[Address, Outcome], name: str
) -> Outcomes:
    """`main` with the values of `other` beside its own, such as another training mode's.

    They are called `name`, the alternatives of `other` `name_balanced_accuracy` and so on.
    """
    found = dict(main)
    for address in (address for address in main if address in other):
        outcome, theirs = main[address], other[address]
        beside = {f"{name}_{key}": value for key, value in theirs.alternatives.items()}
        said = f"{name}: {theirs.collapsed}" if theirs.collapsed else ""
        found[address] = replace(
            outcome,
            alternatives={**outcome.alternatives, name: theirs.value, **beside},
            note=joined_notes(outcome.note, said),
        )
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None
