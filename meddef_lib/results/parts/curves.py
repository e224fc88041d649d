"""Accuracy and success rate along a sweep: ours and the paper's at every measured and every printed place."""

from collections.abc import Iterable, Iterator
from typing import Any

from meddef_lib.paper.addresses import Address, Quantity
from meddef_lib.results.collected import Collected
from meddef_lib.results.outcomes import lookup
from meddef_lib.results.part import COUNT, NUMBER, TEXT, YES_OR_NO, Part, each, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a place, in percent; clean images have the attack "".

    Accuracy under attack goes over epsilon, success rate and clean accuracy go over the share of pruned
    weights.
    """
    return [
        row
        for dataset in found.datasets
        for row in (*_over_eps(found, dataset), *_over_rates(found, dataset), *_clean(found, dataset))
    ]


def _over_eps(found: Collected, dataset: str) -> Iterator[dict[str, Any]]:
    attacks = found.profile.attacks
    for attack in attacks.methods:
        for variant in found.profile.variants:
            printed = _printed(found, dataset, "accuracy", variant, attack)
            for eps in sorted({round(float(place), 6) for place in (*attacks.eps, *printed)}):
                yield _row(found, dataset, "accuracy", variant, attack, eps, 0, printed.get(eps))


def _over_rates(found: Collected, dataset: str) -> Iterator[dict[str, Any]]:
    pruning = found.profile.pruning
    for attack in pruning.methods:
        for variant in found.profile.variants:
            printed = _printed(found, dataset, "attack_success_rate", variant, attack)
            for rate in sorted({*_percent(pruning.rates), *(int(place) for place in printed)}):
                paper = printed.get(float(rate))
                yield _row(found, dataset, "attack_success_rate", variant, attack, pruning.eps, rate, paper)


def _clean(found: Collected, dataset: str) -> Iterator[dict[str, Any]]:
    for variant in found.profile.variants:
        for rate in _percent(found.profile.pruning.rates):
            row = _row(found, dataset, "accuracy", variant, "", None, rate, None)
            if row["ours"] is not None:
                yield row


def _percent(rates: Iterable[float]) -> list[int]:
    return [round(100 * rate) for rate in rates]


def _printed(
    found: Collected, dataset: str, quantity: Quantity, variant: str, attack: str
) -> dict[float, float]:
    """What a table prints of one model under one attack, by place; {} where it does not."""
    for table_ in found.paper.tables.values():
        if (table_.dataset, table_.quantity) == (dataset, quantity) and attack in table_.columns:
            return table_.column(variant, attack)
    return {}


def _row(
    found: Collected,
    dataset: str,
    quantity: Quantity,
    variant: str,
    attack: str,
    eps: float | None,
    rate_percent: int,
    paper: float | None,
) -> dict[str, Any]:
    address = Address(
        dataset=dataset,
        quantity=quantity,
        variant=variant,
        attack=attack,
        eps=eps,
        rate_percent=rate_percent,
    )
    outcome = lookup(found.outcomes, address)
    interval = outcome.interval if outcome else None
    return {
        "dataset": dataset,
        "quantity": quantity,
        "attack": attack,
        "variant": variant,
        "eps": eps,
        "rate_percent": rate_percent,
        "paper": paper,
        "ours": outcome.value if outcome else None,
        "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None,
        "balanced_accuracy": outcome.alternatives.get("balanced_accuracy") if outcome else None,
        "collapsed": bool(outcome and outcome.collapsed),
    }


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "dataset quantity attack variant"),
        **each(NUMBER, "eps paper ours ci_low ci_high balanced_accuracy"),
        rate_percent=COUNT,
        collapsed=YES_OR_NO,
    ),
)
