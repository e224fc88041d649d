"""How many findings about the printed numbers have each grade, the gravest first."""

from collections import Counter

from meddef_lib.paper.audit import GRADES
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, Part, fields
from meddef_lib.results.parts.paper_audit import findings


def grades(found: Collected) -> dict[str, int]:
    """By grade, every one named."""
    counted = Counter(finding.grade for finding in findings())
    return {grade: counted[grade] for grade in GRADES}


PART = Part(make=grades, schema=fields(**dict.fromkeys(GRADES, COUNT)))
