"""The section of the paper with the tables that each claim is tested on; else its own section."""

from meddef_lib.paper import claims
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.claims import Claim
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import TEXT, Part, by_name

SECTIONS = {
    "confusion": "4.6",
    "error_rate": "4.6",
    "calibration_error": "4.6",
    "precision": "4.7",
    "recall": "4.7",
    "f1": "4.7",
}


def sections(found: Collected) -> dict[str, str]:
    """By the id of the claim."""
    return {claim.id: section(claim) for claim in claims.read()}


def section(claim: Claim) -> str:
    """Where the numbers of one claim stand: 4.4 where any is of pruned networks, else by the quantity."""
    if claim.test is None:
        return claim.section
    sides = [side for one in claims.comparisons(claim.test) for side in (one.left, one.right)]
    tested = [side for side in sides if isinstance(side, Address)]
    pruned = any(side.rate_percent or side.quantity == "attack_success_rate" for side in tested)
    return "4.4" if pruned else SECTIONS.get(tested[0].quantity, "4.3")


PART = Part(make=sections, schema=by_name(TEXT))
