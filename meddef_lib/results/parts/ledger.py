"""Each place where the paper is silent or says two things, and what this project does there."""

from meddef_lib.paper import assumptions
from meddef_lib.results import ledger
from meddef_lib.results.part import Part, listed

PART = Part(
    make=lambda found: ledger.rows(assumptions.read(), found.profile, found.datasets),
    schema=listed("assumption"),
)
