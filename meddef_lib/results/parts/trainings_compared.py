"""What the training does: accuracies of the variants that were trained in more than one way."""

from collections.abc import Iterator
from typing import Any

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, TEXT, WHOLE, Part, each, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a number of an unpruned network: `accuracy` and `balanced_accuracy`, in percent."""
    several = [variant for variant in found.profile.variants if len(found.modes(variant)) > 1]
    return [
        {"dataset": dataset, "variant": variant, "mode": mode, **row}
        for dataset in found.datasets
        for variant in several
        for mode in found.modes(variant)
        for row in _accuracies(found, dataset, variant, mode)
    ]


def _accuracies(found: Collected, dataset: str, variant: str, mode: str) -> Iterator[dict[str, Any]]:
    """Clean, balanced and robust accuracy of one way of training, in the order of the profile's attacks."""
    order = ["", *found.profile.attacks.methods]
    measured = [
        (address, outcome)
        for address, outcome in found.by_mode.get((dataset, variant, mode), {}).items()
        if address.quantity == "accuracy" and not address.rate_percent
    ]
    for address, outcome in sorted(
        measured, key=lambda pair: (order.index(pair[0].attack), pair[0].eps or 0)
    ):
        interval = outcome.interval
        yield {
            "quantity": "accuracy",
            "attack": address.attack,
            "eps": address.eps,
            "value": outcome.value,
            "ci_low": interval.low if interval else None,
            "ci_high": interval.high if interval else None,
            "n": outcome.n,
            "zero_gradients": outcome.zero_gradients,
        }
        yield {
            "quantity": "balanced_accuracy",
            "attack": address.attack,
            "eps": address.eps,
            "value": outcome.alternatives.get("balanced_accuracy"),
            "ci_low": None,
            "ci_high": None,
            "n": outcome.n,
            "zero_gradients": outcome.zero_gradients,
        }


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "dataset variant mode quantity attack"),
        **each(NUMBER, "eps value ci_low ci_high"),
        n=WHOLE,
        zero_gradients=COUNT,
    ),
)
