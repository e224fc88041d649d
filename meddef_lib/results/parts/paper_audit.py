"""What the printed numbers say of each other, without a run, and how many findings have each grade."""

from collections import Counter
from dataclasses import asdict
from functools import cache
from typing import Any

from meddef_lib.paper.audit import GRADES, Finding, audit
from meddef_lib.results.collected import Collected
from meddef_lib.results.findings import FAULTS
from meddef_lib.results.part import fields, listed, part


@cache
def findings() -> tuple[Finding, ...]:
    """The findings, the gravest grade first; checked once a process."""
    return tuple(audit())


FAULTED = {  # checks of a row or a class, and the unit of the numbers there that they are about
    "one_size_for_a_model": "percent",
    "common_denominator": "percent",
    "matrix_against_metrics": "share",
}


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


@part("paper_audit", listed("finding"))
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a finding."""
    return [asdict(finding) for finding in findings()]


@part("grades", fields(count=" ".join(GRADES)))
def grades(found: Collected) -> dict[str, int]:
    """Findings by grade, every one named, the gravest first."""
    counted = Counter(finding.grade for finding in findings())
    return {grade: counted[grade] for grade in GRADES}
