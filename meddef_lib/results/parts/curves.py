"""Accuracy and success rate along a sweep: ours and the paper's at every measured and every printed place."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.paper.addresses import Address, Quantity, rate_under
from meddef_lib.results.collected import Collected
from meddef_lib.results.outcomes import lookup
from meddef_lib.results.part import beside, number, part
from meddef_lib.results.parts.diagnostics import marked


@part(
    "curves",
    text="dataset quantity attack variant",
    number="eps paper ours ci_low ci_high balanced_accuracy",
    count="rate_percent",
    flag="collapsed unreliable",
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a place, in percent; clean images have the attack "".

    Accuracy under attack goes over epsilon, success rate and clean accuracy go over the share of pruned
    weights; clean accuracy has only places that were measured. `unreliable` where the network failed a check.
    """
    return marked(found, (row for dataset in found.datasets for row in _of_dataset(found, dataset)))


def _of_dataset(found: Collected, dataset: str) -> Iterator[dict[str, Any]]:
    attacks, pruning, variants = found.profile.attacks, found.profile.pruning, found.profile.variants
    rates = [round(100 * rate) for rate in pruning.rates]
    for attack, variant in product(attacks.methods, variants):
        printed = _printed(found, dataset, "accuracy", variant, attack)
        own = [eps for eps in ATTACKS[attack].eps(attacks) if eps is not None]
        # one without epsilon has the same number at each
        for eps in sorted({round(place, 6) for place in (*(own or attacks.eps), *printed)}):
            yield _row(found, rate_under(attack, dataset, "accuracy", variant, eps=eps), printed.get(eps))
    for attack, variant in product(pruning.methods, variants):
        printed = _printed(found, dataset, "attack_success_rate", variant, attack)
        for rate in sorted({*rates, *(int(place) for place in printed)}):
            at = rate_under(
                attack, dataset, "attack_success_rate", variant, eps=pruning.eps, rate_percent=rate
            )
            yield _row(found, at, printed.get(float(rate)))
    for variant, rate in product(variants, rates):
        row = _row(
            found, rate_under("clean", dataset, "accuracy", variant, eps=None, rate_percent=rate), None
        )
        if row["ours"] is not None:
            yield row


def _printed(
    found: Collected, dataset: str, quantity: Quantity, variant: str, attack: str
) -> dict[float, float]:
    """What a table prints of one model under one attack, by place; {} where it does not."""
    printed = found.paper.table_of(quantity, dataset)
    return printed.column(variant, attack) if printed and attack in printed.columns else {}


def _row(found: Collected, at: Address, paper: float | None) -> dict[str, Any]:
    places = ("dataset", "quantity", "attack", "variant", "eps", "rate_percent")
    outcome = lookup(found.outcomes, at)
    return (
        {name: getattr(at, name) for name in places}
        | {"paper": paper}
        | number("ours", outcome)
        | beside(outcome)
    )
