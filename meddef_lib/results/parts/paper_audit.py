"""What the printed numbers say of each other, without a run, and how many findings have each grade."""

from collections import Counter
from dataclasses import asdict
from functools import cache
from typing import Any

from meddef_lib.paper.audit import GRADES, Finding, audit
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import fields, listed, part


@cache
def findings() -> tuple[Finding, ...]:
    """The findings, the gravest grade first; checked once a process."""
    return tuple(audit())


@part("paper_audit", listed("finding"))
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a finding."""
    return [asdict(finding) for finding in findings()]


@part("grades", fields(count=" ".join(GRADES)))
def grades(found: Collected) -> dict[str, int]:
    """Findings by grade, every one named, the gravest first."""
    counted = Counter(finding.grade for finding in findings())
    return {grade: counted[grade] for grade in GRADES}
