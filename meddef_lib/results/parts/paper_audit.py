"""What the printed numbers say of each other, without a run."""

from dataclasses import asdict
from typing import Any

from meddef_lib.paper.audit import audit
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import Part, listed


def rows(found: Collected) -> list[dict[str, Any]]:
    """The findings, in the order of the checks."""
    return [asdict(finding) for finding in audit()]


PART = Part(make=rows, schema=listed("finding"))
