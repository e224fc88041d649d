"""Curves and tables of rates: ours at the paper's places, and what the paper does not print."""

import pytest

from meddef_lib.paper.addresses import Address
from meddef_lib.results.outcomes import Outcome
from meddef_lib.results.parts import names, tables
from meddef_lib.results.statistics import Interval


def at(quantity="accuracy", variant="full", **where):
    return Address(dataset="chest_xray", quantity=quantity, variant=variant, **where)


MEASURED = {
    at(): Outcome(per_seed=(90.0,), alternatives={"balanced_accuracy": 85.0}),
    at(attack="pgd", eps=0.05): Outcome(
        per_seed=(40.0,), interval=Interval(30.0, 50.0), alternatives={"balanced_accuracy": 45.0}
    ),
    at(attack="jsma"): Outcome(per_seed=(20.0,)),
    at("attack_success_rate", attack="pgd", eps=0.05, rate_percent=30): Outcome(per_seed=(60.0,)),
    at(rate_percent=30): Outcome(per_seed=(80.0,)),
    at(variant="mine", attack="pgd", eps=0.05): Outcome(
        per_seed=(10.0,), alternatives={"balanced_accuracy": 55.0}, collapsed="Collapsed."
    ),
}


MINE = {
    **{"reproduced": 10.0, "ci_low": None, "ci_high": None},
    **{"balanced_accuracy": 55.0, "collapsed": True},
}


@pytest.fixture
def found(collected):
    return collected(outcomes=MEASURED)


def test_a_curve_has_every_measured_and_every_printed_place(found):
    rows = tables.rows(found)
    over_eps = {
        row["eps"]: row
        for row in rows
        if (row["dataset"], row["variant"], row["attack"]) == ("chest_xray", "full", "pgd")
        and row["quantity"] == "accuracy"
    }
    assert set(over_eps) >= {0.01, 0.05, 0.1} | set(found.profile.attacks.eps)
    there = over_eps[0.05]
    paper = found.paper.values["table2/full/eps=0.05/pgd"].value
    assert (there["ours"], there["ci_low"], there["ci_high"], there["paper"]) == (40, 30, 50, paper)
    assert (there["balanced_accuracy"], there["collapsed"]) == (45, False)
    assert over_eps[0.01]["ours"] is None


def test_an_attack_with_budgets_of_its_own_has_a_curve_of_those(collected):
    worst = at(attack="worst_case", eps=round(8 / 255, 6))
    found = collected("attacks.worst_case.eps=[0.05, 8/255]", outcomes={worst: Outcome(per_seed=(7.0,))})
    of_full = [
        row for row in tables.rows(found) if (row["dataset"], row["variant"]) == ("chest_xray", "full")
    ]
    ours = {row["eps"]: row["ours"] for row in of_full if row["attack"] == "worst_case" and row["eps"]}
    assert ours == {round(8 / 255, 6): 7, 0.05: None}


def test_the_worst_case_is_a_column_of_every_table_and_none_of_the_papers(collected):
    under = {"attack": "worst_case", "eps": 0.05}
    interval = Interval(1.0, 9.0)
    measured = {
        at(**under): Outcome(per_seed=(5.0,), n=64, interval=interval),
        at("attack_success_rate", **under, rate_percent=30): Outcome(per_seed=(95.0,), n=60),
    }
    found = collected(outcomes=measured)
    made = {one["quantity"]: one for one in tables.tables(found) if one["dataset"] == "chest_xray"}
    for quantity, position, value in (("accuracy", 0.05, 5), ("attack_success_rate", 30, 95)):
        assert made[quantity]["columns"][-1] == "worst_case"
        rows = [row for row in made[quantity]["rows"] if row["variant"] == "full"]
        (row,) = [row for row in rows if row["position"] == position]
        assert row["ours"]["worst_case"]["reproduced"] == value
        assert "worst_case" not in row["ids"]
    (row,) = [row for row in made["accuracy"]["rows"] if (row["variant"], row["position"]) == ("full", 0.05)]
    shown = row["ours"]["worst_case"]
    assert (shown["n"], shown["ci_low"], shown["ci_high"]) == (64, 1, 9)


def test_an_attack_without_epsilon_stands_at_every_one(found):
    rows = [row for row in tables.rows(found) if row["attack"] == "jsma" and row["quantity"] == "accuracy"]
    ours = {row["ours"] for row in rows if (row["dataset"], row["variant"]) == ("chest_xray", "full")}
    assert ours == {20}


def test_clean_accuracy_over_pruning_has_only_what_was_measured(found):
    clean = [row for row in tables.rows(found) if row["attack"] == ""]
    assert [(row["rate_percent"], row["ours"]) for row in clean] == [(0, 90), (30, 80)]


def test_a_printed_table_names_its_numbers_by_id(found):
    by_place = {(one["dataset"], one["quantity"]): one for one in tables.tables(found)}
    table2 = by_place["chest_xray", "accuracy"]
    assert (table2["id"], table2["name"], table2["axis"]) == ("table2", "Table 2", "eps")
    row = next(row for row in table2["rows"] if (row["variant"], row["position"]) == ("full", 0.05))
    assert row["ids"]["pgd"] == "table2/full/eps=0.05/pgd"
    assert row["ids"]["clean"] == "table2/full/clean"
    assert row["ours"] == {}
    assert {id for row in table2["rows"] for id in row["ids"].values()} <= set(found.paper.values)
    table4 = by_place["chest_xray", "attack_success_rate"]
    assert {id for row in table4["rows"] for id in row["ids"].values()} <= set(found.paper.values)


def test_what_the_paper_does_not_print_has_our_numbers(found):
    row = tables.cells(found, "chest_xray", "accuracy", "mine", 0.05, ["clean", "pgd"])
    assert row == {"ids": {}, "ours": {"pgd": MINE | {"n": None, "zero_gradients": 0}}}
    vars(found)["paper"] = found.paper.model_copy(update={"tables": {}})
    by_place = {(one["dataset"], one["quantity"]): one for one in tables.tables(found)}
    own = by_place["chest_xray", "accuracy"]
    assert (own["id"], own["name"], own["title"]) == ("accuracy-chest_xray", "", "")
    assert own["columns"][:2] == ["parameters", "clean"]
    assert {row["variant"] for row in own["rows"]} == set(found.profile.variants)
    row = next(row for row in own["rows"] if (row["variant"], row["position"]) == ("full", 0.05))
    assert row["ids"] == {}
    assert {name: one["reproduced"] for name, one in row["ours"].items()} == {
        "clean": 90,
        "pgd": 40,
        "jsma": 20,
    }
    over_rates = by_place["chest_xray", "attack_success_rate"]["rows"]
    row = next(row for row in over_rates if (row["variant"], row["position"]) == ("full", 30))
    assert row["ours"]["pgd"]["reproduced"] == 60
    assert tables.rows(found), "without printed places"


def test_things_call_themselves(found):
    called = names.names(found)
    assert set(called["variants"]) >= set(found.profile.variants)
    assert called["variants"]["full"] == found.paper.variants["full"]
    assert called["attacks"]["pgd"] == {"title": "PGD", "has_eps": True, "approximated": ""}
    assert not called["attacks"]["jsma"]["has_eps"]
    assert called["datasets"]["chest_xray"]["classes"] == ["NORMAL", "PNEUMONIA"]
