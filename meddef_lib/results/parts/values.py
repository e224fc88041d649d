"""Every number that the paper prints, with what was measured and what becomes of it."""

from typing import Any

from meddef_lib.results import verdicts
from meddef_lib.results.collected import Collected
from meddef_lib.results.findings import FAULTS
from meddef_lib.results.part import Part, listed
from meddef_lib.results.parts.diagnostics import unreliable
from meddef_lib.results.parts.paper_audit import findings

FAULTED = {  # checks of a row or a class, and the unit of the numbers there that they are about
    "one_size_for_a_model": "percent",
    "common_denominator": "percent",
    "matrix_against_metrics": "share",
}


def rows(found: Collected) -> list[dict[str, Any]]:
    """The entries; `unreliable` are robust numbers of a network that failed a check of its robustness."""
    failed = unreliable(found)
    every = verdicts.rows(found.paper, found.outcomes)
    for row, value in zip(every, found.paper.values.values(), strict=True):
        at = value.address
        row["unreliable"] = (
            at is not None and at.attack != "" and (at.dataset, at.variant, None, at.rate_percent) in failed
        )
        row["faulted_by"] = faults(value.id, value.unit)
    return every


def faults(id: str, unit: str) -> list[str]:
    """The findings of the audit, by id, that fault the row or class that a printed number stands in.

    `model_size/table2/full` is about the rates in `table2/full/...`; a finding about a whole table is about
    no one number.
    """
    places = set(id.split("/"))
    return [
        finding.id
        for finding in findings()
        if finding.grade in FAULTS and FAULTED.get(finding.check) == unit
        if places.issuperset(finding.id.split("/")[1:])
    ]


PARTS = {"values": Part(make=rows, schema=listed("value"))}
