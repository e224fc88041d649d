"""What is said of a column, how two columns agree, and the numbers that are printed of records."""

import numpy as np
import pandas as pd
import pytest

from meddef_lib.params import protocol
from meddef_lib.results import agreement
from meddef_lib.results.agreement import Agreement, AttackColumn, number

MEASURE = protocol.read().measure
NAN = np.full((1, 3), np.nan)


def column(values, clean=90.0, fgsm=NAN, bim=NAN, majority=50.0, n=200):
    others = {"fgsm": np.atleast_2d(fgsm).astype(float), "bim": np.atleast_2d(bim).astype(float)}
    return AttackColumn(np.array([values], float), np.array([[clean]]), others, majority, n)


def test_statements_are_equal_within_one_image_or_the_stated_points():
    found = column([90.9, 95.0, 50.5], fgsm=[10.0, 95.4, 60.0])
    said = agreement.statements(found, "accuracy", MEASURE, attack="pgd")
    assert said["clean"].tolist() == [[0, 1, -1]]
    assert said["trend"].tolist() == [[1, -1]]
    assert said["fgsm"].tolist() == [[1, 0, -1]]
    assert said["majority"].tolist() == [[-1, -1, 1]]
    assert np.isnan(said["bim"]).all()
    assert "zero" not in said
    few = agreement.statements(column([95.0, 95.0, 85.0], n=10), "accuracy", MEASURE, attack="bim")
    assert few["clean"].tolist() == [[0, 0, 0]]
    assert "bim" not in few


def test_tables_over_pruning_ask_for_zeros_and_not_for_clean_accuracy():
    said = agreement.statements(column([0.2, 3.0, 0.0]), "attack_success_rate", MEASURE, attack="pgd")
    assert said["zero"].tolist() == [[1, -1, 1]]
    assert not {"clean", "majority"} & set(said)


def test_agreement_is_one_half_beside_equal_and_nothing_for_the_opposite():
    printed, made = column([95, 95, 95]), column([95, 85, 90])
    resampled = AttackColumn(
        np.stack([made.values, printed.values]), made.clean, made.others, made.majority, made.n
    )
    found = agreement.compare(printed, resampled, "accuracy", MEASURE, attack="pgd")
    # trend 0 0 against -1 1; clean 1 1 1 against 1 -1 0; majority alike
    assert found.statements == 8
    assert found.agreement == pytest.approx((0.5 + 0.5 + 1 + 0 + 0.5 + 3) / 8)
    assert found.distance == pytest.approx(5)
    assert found.agreements.tolist() == [1]


def test_what_cannot_be_told_apart_is_ordered_by_distance():
    wobble = np.random.default_rng(0).normal(0, 0.05, 500)

    def one(share, distance, noise):
        return Agreement(share, distance, 10, share + noise)

    found = {
        "far": one(0.9, 40.0, wobble),
        "near": one(0.88, 1.0, np.zeros(500)),
        "worse": one(0.5, 0.1, wobble),
        "worst": one(0.4, 0.0, wobble),
        "empty": Agreement(np.nan, np.nan, 0, np.full(500, np.nan)),
    }
    assert agreement.not_told_apart(found) == ["near", "far"]
    assert agreement.ranked(found) == ["near", "far", "worse", "worst"]
    assert agreement.ranked({"empty": found["empty"]}) == []


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("accuracy", 60.0),
        ("success_over_correct", 50.0),
        ("success_over_all", 40.0),
        ("relative_drop", 25.0),
        ("100 - success_over_correct", 50.0),
        ("100 - success_over_all", 60.0),
        ("100 - relative_drop", 75.0),
    ],
)
def test_numbers_of_records(printed, expected):
    # of five images four are correct; the attack flips two of them and turns the mistake right
    records = pd.DataFrame({"label": [0] * 5, "clean_pred": [0, 0, 0, 0, 1], "adv_pred": [0, 0, 1, 1, 0]})
    drawn = np.array([[1, 1, 1, 1, 1], [5, 0, 0, 0, 0], [0, 0, 0, 0, 5]])
    found = number(records, printed, drawn)
    assert found[0] == pytest.approx(expected)
    assert np.isnan(found[2]) == (printed not in ("accuracy", "success_over_all", "100 - success_over_all"))


def test_a_relative_drop_is_never_below_nothing():
    records = pd.DataFrame({"label": [0, 0], "clean_pred": [0, 1], "adv_pred": [0, 0]})
    assert number(records, "relative_drop", np.ones((1, 2))) == 0
