"""Every number of a run under the address of the paper's: means over seeds, other ways of training beside."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from meddef_lib.paper.addresses import SCALE, UNITS, Address
from meddef_lib.results import metrics, outcomes, setting, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.outcomes import Outcome, Outcomes, joined_notes
from meddef_lib.results.statistics import Interval

Place = tuple[str, str, str]  # data set, variant, way of training


def of_run(found: Collected) -> Outcomes:
    """Means over seeds of the first way of training, the other ways beside."""
    every: Outcomes = {}
    for dataset in found.data:
        every |= from_data(found, dataset)
        for variant in found.profile.variants:
            first, *others = found.book.modes(variant)
            main: Outcomes = dict(found.by_mode.get((dataset, variant, first), {}))
            for mode in others:
                beside = found.by_mode.get((dataset, variant, mode), {})
                main = with_alternative(main, beside, f"trained_{mode}")
            every |= main
    for dataset, sizes in found.sizes.items():
        keys = (found.key("sizes", dataset),)
        for variant, size in sizes.items():  # those of phantoms are the paper's, too
            at = Address(dataset=dataset, quantity="parameters", variant=variant)
            every[at] = Outcome(per_seed=(size / 1e6,), keys=keys)
    return every


def from_data(found: Collected, dataset: str) -> Outcomes:
    """Counts and pixel statistics of a prepared data set, and the duplicates that its audit found.

    Duplicates are the files beyond the first of each group of equal ones. What had nothing to be measured on
    (pixels of training images), or was not made, is left out.
    """
    counts, summary = found.data[dataset].summary["counts"], found.data[dataset].summary
    images = {split: sum(of_class.values()) for split, of_class in counts.items()}
    items = {"total": sum(images.values()), **images}
    items |= {
        f"{split}/{name}": number for split, of_class in counts.items() for name, number in of_class.items()
    }
    numbers: dict[Address, float | None] = {
        Address(dataset=dataset, quantity="images", item=item): number for item, number in items.items()
    }
    numbers[Address(dataset=dataset, quantity="pixel_mean")] = summary["mean"]
    numbers[Address(dataset=dataset, quantity="pixel_std")] = summary["std"]
    if dataset in found.audits:
        audited = found.audits[dataset].summary
        duplicates = audited["exact_duplicate_files"] - audited["exact_duplicate_groups"]
        numbers[Address(dataset=dataset, quantity="duplicates")] = duplicates
    measured_in, facts = _setting(found, dataset), found.paper.setting(dataset)
    return {
        address: Outcome(
            per_seed=(float(value),),
            deviations=setting.deviations(measured_in, address, facts),
            phantom=found.profile.data.source == "phantoms",
            keys=(found.key("audit" if address.quantity == "duplicates" else "prepared", dataset),),
        )
        for address, value in numbers.items()
        if value is not None
    }


def by_mode(found: Collected) -> dict[Place, Outcomes]:
    """The numbers of each way of training; of pruned networks where it is pruned."""
    by_seed: dict[Place, dict[int, Outcomes]] = {}
    unlearned: dict[Any, str] = {}  # by network; those as they were trained come first
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
                unlearned[name] = metrics.unlearned(rows, found.datasets[dataset].classes)
            of_rate = {at: replace(one, unlearned=unlearned.get(name, "")) for at, one in of_rate.items()}
            of_seed = by_seed.setdefault((dataset, variant, mode), {})
            # unpruned: the attack cells, which come first and have every epsilon
            of_seed[seed] = of_rate | of_seed.get(seed, {})
    return {
        place: over_seeds({seed: runs[seed] for seed in found.profile.seeds if seed in runs})
        for place, runs in by_seed.items()
    }


def _setting(found: Collected, dataset: str, mode: str = "") -> dict[str, Any]:
    return setting.of_run(found.profile, found.datasets[dataset], found.data[dataset].summary, mode=mode)


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
    interval = estimate.interval
    own = [
        (one.high - one.low, one, outcome.per_seed[0])
        for outcome in there.values()
        if (one := outcome.interval)
    ]
    if estimate.mean is not None and own:
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
