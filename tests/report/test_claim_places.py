"""Each claim leads to the section of the report with the tables that it is tested on."""

import pytest

from meddef_lib.paper import claims
from meddef_lib.report.sections import verdicts

CLAIMS = {claim.id: claim for claim in claims.read()}


@pytest.mark.parametrize(
    ("id", "section"),
    [
        ("afd_costs_1_27", "s4-3-"),  # said in 3.3.1, tested on Table 1
        ("afd_against_pgd", "s4-1-4-4-"),  # tested on Table 3
        ("chest_40_beats_unpruned", "s4-1-4-4-"),  # clean accuracy, but pruned
        ("drusen_errors_are_cnv", "s4-6-"),
        ("low_misclassification", "s4-6-"),
        ("few_missed_pneumonias", "s4-7-"),
        ("superior_localisation", "s4-8-"),  # not testable: where the paper says it
    ],
)
def test_a_claim_leads_to_its_tables(id: str, section: str) -> None:
    assert verdicts.place_of_claim(CLAIMS[id]).startswith(section)


def test_every_claim_leads_to_a_section_that_the_report_has() -> None:
    known = {*verdicts.PLACES.values(), "headline"}
    assert {verdicts.place_of_claim(claim) for claim in CLAIMS.values()} <= known
