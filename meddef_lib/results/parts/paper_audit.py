"""What the printed numbers say of each other, without a run."""

from dataclasses import asdict
from functools import cache
from typing import Any

from meddef_lib.paper.audit import Finding, audit
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import Part, listed


@cache
def findings() -> tuple[Finding, ...]:
    """The findings, the gravest grade first; checked once a process."""
    return tuple(audit())


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a finding."""
    return [asdict(finding) for finding in findings()]


PART = Part(make=rows, schema=listed("finding"))
