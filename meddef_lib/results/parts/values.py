"""Every number that the paper prints, with what was measured and what becomes of it."""

from meddef_lib.results import verdicts
from meddef_lib.results.part import Part, listed

PARTS = {
    "values": Part(make=lambda found: verdicts.rows(found.paper, found.outcomes), schema=listed("value"))
}
