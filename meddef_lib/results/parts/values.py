"""Every number that the paper prints, with what was measured and what becomes of it."""

from typing import Any

from meddef_lib.results import verdicts
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import Part, listed
from meddef_lib.results.parts.diagnostics import unreliable


def rows(found: Collected) -> list[dict[str, Any]]:
    """The entries; `unreliable` are robust numbers of a network that failed a check of its robustness."""
    failed = unreliable(found)
    every = verdicts.rows(found.paper, found.outcomes)
    for row, value in zip(every, found.paper.values.values(), strict=True):
        at = value.address
        row["unreliable"] = (
            at is not None and at.attack != "" and (at.dataset, at.variant, None, at.rate_percent) in failed
        )
    return every


PARTS = {"values": Part(make=rows, schema=listed("value"))}
