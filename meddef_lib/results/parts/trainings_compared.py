"""What the training does: accuracies of the variants that were trained in more than one way."""

from collections.abc import Iterator
from typing import Any

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import (
    INTERVAL,
    NUMBER,
    OF_IMAGES,
    TEXT,
    Part,
    each,
    ends,
    number,
    of_images,
    table,
)


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
    measured = {
        (order.index(at.attack), at.eps or 0): (at, outcome)
        for at, outcome in found.by_mode.get((dataset, variant, mode), {}).items()
        if at.quantity == "accuracy" and not at.rate_percent
    }
    for _, (at, outcome) in sorted(measured.items(), key=lambda pair: pair[0]):
        place = {"attack": at.attack, "eps": at.eps, **of_images(outcome)}
        yield {"quantity": "accuracy", **place, **number("value", outcome)}
        balanced = outcome.alternatives.get("balanced_accuracy")
        yield {"quantity": "balanced_accuracy", **place, "value": balanced, **ends(None)}


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "dataset variant mode quantity attack"),
        **each(NUMBER, "eps value"),
        **INTERVAL,
        **OF_IMAGES,
    ),
)
