"""The findings on the first screen are chosen by the rule that is printed beside them."""

from math import sqrt

import pytest

from meddef_lib.paper import published
from meddef_lib.results import findings
from meddef_lib.results.parts.claims import faults
from meddef_lib.results.parts.claims import findings as audit


def claim(id, own_verdict, holds, tested, **changed):
    against = ["y"] * max(0, tested - holds - 2)  # two are undecided, where there are so many
    own = {"verdict": own_verdict, "for": ["x"] * holds, "against": against, "tested": tested}
    return {
        "id": id,
        "text": f"claim {id}",
        "indicative": False,
        "verdict": "smoke",
        "in_paper": own,
    } | changed


def document(claims=(), audit=(), numbers=()):
    return {"claims": claims, "paper_audit": audit, "values": numbers}


def test_a_weight_is_grade_times_share_times_root_of_the_cells():
    (found,) = findings.most_important(document([claim("a", "does_not_hold", 4, 16)]))
    assert (found["many"], found["in_favour"], found["against"], found["of"]) == (10, 4, 10, 16)
    assert found["weight"] == pytest.approx(3 * 10 / 16 * sqrt(16))


def test_the_heaviest_come_first_and_no_kind_more_than_twice():
    claims = [claim(str(n), "does_not_hold", 0, n) for n in range(4, 10)]
    claims += [claim("h", "holds", 4, 4), claim("m", "mixed", 2, 4), claim("u", "undecided", 0, 4)]
    found = findings.most_important(document(claims))
    assert [one["about"] for one in found] == ["9", "8", "h", "m"]


def test_what_the_run_decides_comes_before_the_papers_own_tables():
    decided = {"verdict": "holds", "for": ["x"] * 9, "against": [], "tested": 9}
    rows = [claim("a", "mixed", 1, 9) | decided, claim("b", "mixed", 1, 9, indicative=True) | decided]
    first, second = findings.most_important(document(rows))
    assert (first["kind"], first["about"]) == ("holds_run", "a")
    assert (first["tendency"], second["tendency"]) == (False, True)
    assert second["weight"] == pytest.approx(first["weight"] / 2), "a tendency weighs half"


def test_a_claim_that_nothing_tested_is_no_finding():
    assert findings.most_important(document([claim("a", "not_testable", 0, 0)])) == []


def test_checks_and_numbers_count_what_is_at_fault_and_what_agrees():
    faults = [
        {"check": "quoted_figures", "id": f"q/{n}", "grade": grade}
        for n, grade in enumerate(("consistent", "contradiction", "impossible", "unsupported"))
    ]
    other = {"check": "cited_works", "id": "c/1", "grade": "contradiction"}
    numbers = [{"unit": "millions", "status": "within_tolerance"}] * 10
    numbers += [{"unit": "percent", "status": "smoke"}]
    found = {one["kind"]: one for one in findings.most_important(document([], [*faults, other], numbers))}
    assert set(found) == {"contradiction", "agrees"}
    counted = {
        kind: tuple(one[name] for name in ("many", "in_favour", "against", "of"))
        for kind, one in found.items()
    }
    assert counted == {"contradiction": (2, 1, 2, 4), "agrees": (10, 10, 0, 10)}
    assert found["contradiction"]["about"] == "q/1"


def test_the_checks_that_may_be_told_are_checks_of_the_audit():
    assert set(findings.CHECKED) <= {finding.check for finding in audit()}


def test_a_printed_number_is_in_doubt_by_findings_about_its_own_row_alone():
    assert "model_size/table2/full" in faults("table2/full/eps=0.05/pgd", "percent")
    assert faults("table2/full/parameters", "millions") == [], "which are no rates"
    assert faults("data/roct/test/DRUSEN", "count") == []
    assert "matrix_against_metrics/roct/DRUSEN" in faults("per_class/roct/DRUSEN/recall", "share")
    graded = {finding.id: finding.grade for finding in audit()}
    for value in published.read().values.values():
        assert all(graded[one] in findings.FAULTS for one in faults(value.id, value.unit))
