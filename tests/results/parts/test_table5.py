"""Table 5: what is quoted beside what was measured, from planted records."""

import pandas as pd
import pytest

from meddef_lib.paper import published
from meddef_lib.results import results_json, statistics
from meddef_lib.results.parts import table5
from tests.results.parts.test_forgetting import planted

FIRST = {"status": "measured", "dataset": "chest_xray"}


def row(found, **where):
    (one,) = [row for row in table5.rows(found) if where.items() <= row.items()]
    return one


@pytest.fixture
def attacked():
    """`attacked("full", {0: 2, 0.3: 5})`: of ten images that are right, so many fall at each pruning rate."""

    def made(variant, fallen, **names):
        images = pd.DataFrame({"image_id": range(10), "label": 0, "clean_pred": 0})
        model = {"dataset": "chest_xray", "variant": variant, "mode": "clean", "seed": 0}
        run = {"attack": "pgd", "eps": 0.05, "key": "k"}
        frames = [
            images.assign(adv_pred=[1] * count + [0] * (10 - count), rate=float(rate), **model | run | names)
            for rate, count in fallen.items()
        ]
        return pd.concat(frames, ignore_index=True)

    return made


def test_every_figure_of_table_5_has_a_row_also_where_nothing_was_run(collected):
    rows = table5.rows(collected())
    methods = published.read().comparison
    assert {(one["method"], one["quoted"]) for one in rows} == {
        (method.method, figure.text) for method in methods for figure in method.quoted
    }
    assert {one["status"] for one in rows} == {"not_run"}
    assert all(one["how"] for one in rows)
    assert {one["dataset"] for one in rows if one["method"] == "MedDef (ROCT)"} == {"roct"}
    assert len([one for one in rows if one["method"] == "Chen et al."]) == 2, "one a data set"


def test_the_success_rate_is_compared_at_its_place_and_the_nearest_is_named(collected, attacked):
    records = attacked("resnet18_cbam", {0: 9, 0.3: 6, 0.8: 3})
    other = attacked("full", {0: 1, 0.3: 2})
    found = row(collected(compared=pd.concat([records, other])), method="Chen et al.", **FIRST)
    assert (found["reproduced"], found["n"], found["rate_percent"], found["eps"]) == (60, 10, 30, 0.05)
    assert (found["ci_low"], found["ci_high"]) == statistics.wilson(6, 10).scaled(100)
    assert (found["quoted_low"], found["quoted_high"]) == (22.82, 47.58)
    assert [point["rate_percent"] for point in found["points"] if point["nearest"]] == [80]
    assert {point["rate_percent"]: point["reproduced"] for point in found["points"]} == {
        0: 90,
        30: 60,
        80: 30,
    }


def test_meddefs_own_rows_are_of_the_full_network(collected, attacked):
    ways = [attacked("full", {0: 1, 0.3: 2}, mode=mode) for mode in ("clean", "paper")]
    rows = [
        one
        for one in table5.rows(collected(compared=pd.concat(ways)))
        if one["method"] == "MedDef (Chest X-Ray)"
    ]
    assert [(one["mode"], one["reproduced"], one["quoted_low"]) for one in rows] == [
        ("clean", 20, 3.41),
        ("paper", 20, 3.41),
    ]


def test_several_seeds_are_a_mean_with_the_interval_of_their_spread(collected, attacked):
    seeds = [attacked("full", {0.3: count}, seed=seed) for seed, count in enumerate((2, 4, 6))]
    found = row(collected(compared=pd.concat(seeds)), method="MedDef (Chest X-Ray)", **FIRST)
    spread = statistics.over_seeds([0.2, 0.4, 0.6], within=statistics.Interval(0, 1))
    assert found["reproduced"] == pytest.approx(40)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(spread.interval.scaled(100)))


def test_a_network_that_pgd_did_not_meet_there_says_so(collected, attacked):
    found = row(
        collected(compared=attacked("full", {0: 1})), method="MedDef (Chest X-Ray)", dataset="chest_xray"
    )
    assert (found["status"], found["reproduced"]) == ("cannot_run", None)
    assert found["how"] == "PGD did not meet it at 30 % pruned and epsilon 0.05."


def test_safe_rates_stand_with_their_interval_and_correlations_with_why_there_are_none(collected):
    found = collected(compared=planted())
    safe = row(found, metric="safe_rate", **FIRST)
    assert (safe["reproduced"], safe["ci_low"], safe["ci_high"], safe["n"]) == (30, 30, 30, 200)
    none = row(found, metric="frequency_correlation", dataset="chest_xray")
    assert (none["status"], none["reproduced"]) == ("cannot_run", None)
    assert none["how"].startswith("2 classes")


def test_a_network_that_learned_nothing_has_nothing_to_forget(collected):
    rows = planted().assign(clean_pred=0)
    safe = row(collected(compared=rows), metric="safe_rate", dataset="chest_xray")
    assert (safe["status"], safe["reproduced"]) == ("cannot_run", None)
    assert safe["how"].startswith("Not learned")


# --- boosted trees --------------------------------------------------------------------------------


@pytest.fixture
def boosted(collected, tmp_path, monkeypatch):
    """Of ten images nine are right; PGD on the head takes the first three, Square the third and fourth."""

    def right(count, fallen=()):
        return [0 if place < count and place not in fallen else 1 for place in range(10)]

    answers = {
        ("head", "pgd"): right(9, range(9)),
        ("pipeline", "pgd"): right(9, (0, 1, 2)),
        ("pipeline", "square"): right(9, (2, 3)),
    }
    frames = [
        pd.DataFrame({"image_id": range(10), "label": 0, "clean_pred": right(9), "adv_pred": found}).assign(
            shown_to=shown, attack=attack
        )
        for (shown, attack), found in answers.items()
    ]
    pd.concat(frames).to_parquet(tmp_path / "records.parquet")
    found = collected()
    there = {"boosted/chest_xray/resnet18/clean/seed=0": tmp_path}
    monkeypatch.setattr(type(found), "folder", lambda self, id: there.get(id))
    return found


def test_boosted_trees_count_an_image_that_withstands_both_attacks(boosted):
    clean = row(boosted, metric="boosted_accuracy", **FIRST)
    assert (clean["reproduced"], clean["n"], clean["quoted_low"]) == (90, 10, 90.54)
    robust = row(boosted, metric="boosted_robust_accuracy", **FIRST)
    assert (robust["reproduced"], robust["attack"], robust["eps"]) == (50, "both", 0.05)
    assert (robust["ci_low"], robust["ci_high"]) == statistics.wilson(5, 10).scaled(100)
    assert {point["attack"]: point["reproduced"] for point in robust["points"]} == {"pgd": 60, "square": 70}
    assert (robust["variant"], robust["mode"]) == ("resnet18", "clean")


def test_without_xgboost_the_row_says_how_to_get_it(collected, monkeypatch):
    monkeypatch.setattr(table5, "find_spec", lambda name: None)
    for one in table5.rows(collected()):
        said = "pip install -c constraints.txt -e '.[comparison]'" in one["how"]
        assert said == (one["method"] == "Vasan & Hammoudeh"), one["how"]


def test_the_document_takes_it(collected, attacked):
    schema = results_json.schema()["properties"]["table5"]["items"]
    found = collected(compared=attacked("full", {0: 1, 0.3: 2}))
    for one in table5.rows(found):
        assert set(one) == set(schema["required"])
    names = {"method", "dataset", "metric", "quoted", "reproduced", "n", "ci_low", "ci_high", "setting"}
    assert names <= set(schema["required"])
    assert all(one["setting"] for one in table5.rows(found)), "what differs is said of every row"
