"""Table 5: other defences as printed, and what this run measured in the rows that are MedDef's (4.5)."""

from typing import Any

from meddef_lib.models.variants import FULL
from meddef_lib.paper.addresses import Address
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, each, table

ATTACK = "pgd"  # of which Table 5 gives success rates


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a method, in the order of the table."""
    return [
        {name: getattr(entry, name) for name in ("method", "year", "strategy", "data", "printed", "dataset")}
        | {"ours": _measured(found, entry.dataset)}
        for entry in found.paper.comparison
    ]


def _measured(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """The success rate of the full model at each pruning rate, in percent."""
    measured = []
    for rate in found.profile.pruning.rates:
        percent = round(100 * rate)
        address = Address(
            dataset=dataset,
            quantity="attack_success_rate",
            variant=FULL.id,
            attack=ATTACK,
            eps=found.profile.pruning.eps,
            rate_percent=percent,
        )
        outcome = found.outcomes.get(address)
        if outcome is not None and outcome.value is not None:
            measured.append({"rate_percent": percent, "success_rate": outcome.value})
    return measured


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "method strategy data printed dataset"),
        year=COUNT,
        ours=table(rate_percent=COUNT, success_rate=NUMBER),
    ),
)
