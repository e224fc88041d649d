"""Every equation stands beside what is built: classes, tests and open places that exist."""

from importlib import import_module

import pytest

from meddef_lib import paths
from meddef_lib.report.sections import equations
from meddef_lib.report.sections.equations import EQUATIONS, NOVELTIES


def test_all_seven_are_there_in_order():
    assert [one.number for one in EQUATIONS] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("one", EQUATIONS, ids=lambda one: f"eq{one.number}")
def test_what_computes_an_equation_and_what_checks_it_exist(one):
    module, _, name = one.by.rpartition(".")
    assert hasattr(import_module(module), name)
    file, _, test = one.test.partition("::")
    assert f"def {test}(" in (paths.ROOT / file).read_text(encoding="utf-8")


def test_each_row_shows_the_reading_of_the_run_and_leads_to_the_ledger(view_of):
    view = view_of()
    rows = equations.equations(view).frame.set_index("equation")
    places = {entry["id"] for entry in view.document["ledger"]}
    assert all(set(row.split()) <= places for row in rows["open"])
    assert rows.loc[3, "built"] != rows.loc[3, "printed"]
    assert rows.loc[6, "built"] == rows.loc[6, "printed"]
    other = view_of("mini", ["model.afd_order=relu_bn", "model.attention_on=fused"])
    rows = equations.equations(other).frame.set_index("equation")
    assert rows.loc[3, "built"] == rows.loc[3, "printed"]
    assert rows.loc[6, "built"] != rows.loc[6, "printed"]


def test_the_statements_of_3_4_lead_to_claims_that_exist(view_of):
    view = view_of()
    known = {claim["id"] for claim in view.document["claims"]}
    assert {id for _, ids in NOVELTIES.values() for id in ids} <= known
    chart, read, table = equations.novelty(view)
    assert len(table.rows) == 4
    assert len(chart.data) == sum(len(ids) for _, ids in NOVELTIES.values())
    assert "statements that no claim tests: 1 of 4" in read.html
