"""Intervals and tests against scipy, statsmodels and numbers from the literature."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from meddef_lib.results import metrics, statistics


def test_wilson_interval() -> None:
    low, high = statistics.wilson(609, 624)
    theirs = stats.binomtest(609, 624).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high))
    assert statistics.wilson(0, 0) is None
    low, high = statistics.wilson(10, 10)
    assert low == pytest.approx(1 / (1 + 1.959964**2 / 10))
    assert high == pytest.approx(1.0)


def test_wilson_of_f1_is_the_interval_of_the_share_behind_it() -> None:
    matrix = np.array([[40, 5], [7, 90]])  # class 0: 40 hits of 52 images of it or taken for it
    low, high = statistics.wilson_of_f1(40, 52)
    share = statistics.wilson(40, 52)
    assert low < metrics.f1_scores(matrix)[0] < high
    assert (low / (2 - low), high / (2 - high)) == pytest.approx(share)
    assert statistics.wilson_of_f1(0, 0) is None


def test_the_interval_of_an_f1_holds_for_few_images() -> None:
    low, high = statistics.wilson_of_f1(5, 6)  # a class of five images, all found, and one taken for it
    assert 0.5 < low < 10 / 11 < high < 1

    # of 24 such images about 19 in 20 intervals have the true F1 in them (Lam et al. 2023)
    cells, true = [5 / 24, 1 / 24, 1 / 24, 17 / 24], 10 / 12  # TP, FP, FN and the others
    draws = np.random.default_rng(0).multinomial(24, cells, size=400)
    found = [
        statistics.wilson_of_f1(int(hits), int(hits + wrong + missed)) for hits, wrong, missed, _ in draws
    ]
    assert np.mean([one is None or one.low <= true <= one.high for one in found]) > 0.92


def test_interval_in_percent() -> None:
    assert statistics.Interval(0.25, 0.5).scaled(100) == (25.0, 50.0)


def test_mean_over_seeds_by_hand() -> None:
    mean, (low, high) = statistics.over_seeds([96.0, 97.0, 98.0])
    assert mean == 97.0
    assert high - mean == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)  # t(0.975, 2 degrees of freedom)
    assert mean - low == pytest.approx(high - mean)
    assert statistics.over_seeds([96.0]) == (96.0, None)
    assert statistics.over_seeds([]) == (None, None)
    assert statistics.over_seeds([0.0, 0.0, 0.0]) == (0.0, None), "no width is no interval"


def test_the_interval_over_seeds_ends_where_the_quantity_does() -> None:
    values, percent = [98.9, 99.6, 99.9], statistics.Interval(0.0, 100.0)
    free, cut = statistics.over_seeds(values), statistics.over_seeds(values, within=percent)
    assert free.interval.high == pytest.approx(100.74, abs=0.005)
    assert cut.interval == (free.interval.low, 100)
    assert statistics.over_seeds([0.0, 0.1, 0.4], within=percent).interval.low == 0


def test_mcnemar_by_hand() -> None:
    first = pd.Series([True, True, True, False, True], index=[5, 4, 3, 2, 1])
    second = pd.Series([True, False, False, False, False], index=[1, 2, 3, 4, 5])
    found = statistics.mcnemar(first, second)
    assert (found.only_first, found.only_second) == (3, 0)
    assert found.p_value == pytest.approx(2 * 0.5**3)
    assert statistics.mcnemar(first, first).p_value == 1.0


def test_mcnemar_is_a_sign_test() -> None:
    rng = np.random.default_rng(0)
    first, second = (pd.Series(rng.random(200) < share) for share in (0.9, 0.8))
    found = statistics.mcnemar(first, second)
    expected = stats.binomtest(found.only_first, found.only_first + found.only_second).pvalue
    assert found.p_value == pytest.approx(expected)


def test_a_paired_test_refuses_other_images() -> None:
    with pytest.raises(ValueError, match="same images: 2 and 2 given, 1 in both"):
        statistics.mcnemar(pd.Series([True, False], index=[1, 2]), pd.Series([True, False], index=[2, 3]))


def test_paired_difference_by_hand() -> None:
    # of 8 images two only by the first: (2 + 1) / 10 and (0 + 1) / 10
    found = statistics.paired_difference(2, 0, 8)
    half = 1.959964 * np.sqrt((0.4 - 0.2**2) / 10)
    assert found == pytest.approx((-0.2 - half, -0.2 + half))
    assert statistics.paired_difference(0, 0, 8).high > 0, "equal on 8 images is not surely equal"
    assert statistics.paired_difference(3, 3, 40).low == pytest.approx(
        -statistics.paired_difference(3, 3, 40).high
    )
    assert statistics.paired_difference(1, 0, 1).low >= -1


def test_paired_difference_covers_the_true_one() -> None:
    rng = np.random.default_rng(0)
    draws = rng.multinomial(60, [0.15, 0.05, 0.8], size=2000)
    intervals = [statistics.paired_difference(int(first), int(second), 60) for first, second, _ in draws]
    assert 0.93 <= np.mean([low <= -0.1 <= high for low, high in intervals]) <= 0.99


def test_holm_by_hand() -> None:
    assert statistics.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert statistics.holm([]).tolist() == []
    assert statistics.holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def test_holm_agrees_with_statsmodels() -> None:
    p_values = np.random.default_rng(0).random(40) ** 3
    p_values[7] = p_values[3]  # a tie
    assert statistics.holm(list(p_values)) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize(("share", "n"), [(0.9, 240), (0.5, 968), (0.1, 100)])
def test_smallest_difference_has_the_stated_power(share: float, n: int) -> None:
    difference = statistics.smallest_detectable_difference(share, n)
    other = share - difference if share > 0.5 else share + difference
    effect = 2 * np.arcsin(np.sqrt(share)) - 2 * np.arcsin(np.sqrt(other))
    power = NormalIndPower().power(abs(effect), nobs1=n, alpha=0.05, ratio=1)
    assert power == pytest.approx(0.8, abs=1e-3)


def test_smallest_difference_shrinks_with_n() -> None:
    few, many = (statistics.smallest_detectable_difference(1.0, n) for n in (96, 968))
    assert few > many > 0
    assert few == pytest.approx(0.0397, abs=0.001)


def test_the_interval_of_a_balanced_accuracy_by_hand() -> None:
    low, high = statistics.of_balanced_accuracy([[8, 2], [1, 9]])
    ends = [statistics.wilson(8, 10), statistics.wilson(9, 10)]
    below = np.sqrt((0.8 - ends[0].low) ** 2 + (0.9 - ends[1].low) ** 2) / 2
    above = np.sqrt((0.8 - ends[0].high) ** 2 + (0.9 - ends[1].high) ** 2) / 2
    assert (low, high) == pytest.approx((0.85 - below, 0.85 + above))
    assert statistics.of_balanced_accuracy([[1, 0], [0, 1]]).low < 0.5, "two images show nothing"
    assert statistics.of_balanced_accuracy([[4, 0], [0, 4]]).low > 0.5, "eight do"
    assert statistics.of_balanced_accuracy([[3, 0], [0, 0]]).high == 1, "over the classes that have images"
    assert statistics.of_balanced_accuracy([[0, 0], [0, 0]]) is None


def test_the_interval_of_a_balanced_accuracy_covers_the_true_one() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        first, second = rng.binomial(40, 0.7), rng.binomial(12, 0.95)
        low, high = statistics.of_balanced_accuracy([[first, 40 - first], [12 - second, second]])
        covered += low <= (0.7 + 0.95) / 2 <= high
    assert covered / 500 == pytest.approx(0.95, abs=0.03)


# --- quantiles ------------------------------------------------------------------------------------


def test_a_quantile_lies_in_its_interval_as_often_as_it_says():
    random, held = np.random.default_rng(0), 0
    for _ in range(400):
        values = random.exponential(size=40)
        low, high = statistics.quantile(values, 0.25)[1]
        held += low <= -np.log(0.75) <= high
    assert held / 400 >= statistics.CONFIDENCE - 0.02


def test_the_interval_of_a_quantile_is_between_ranked_values_and_open_of_few():
    value, interval = statistics.quantile(np.arange(100.0), 0.5)
    assert (value, *interval) == (49, 39, 60), "the 40th and the 61st of a hundred (Conover 1999)"
    assert statistics.quantile(np.array([3.0]), 0.5) == (3, (-np.inf, np.inf))
    assert statistics.quantile(np.array([1, np.inf, np.inf]), 0.5)[0] == np.inf


def test_a_p_value_is_told_on_its_side_of_the_level() -> None:
    told = {0.0496: "0.0496", 0.04996: "0.04996", 0.05: "0.05", 0.0504: "0.05", 0.012: "0.012", 0.81: "0.81"}
    assert {p: statistics.p_text(p) for p in told} == told
    assert (statistics.p_text(0.3, "= "), statistics.p_text(1e-9, "= ")) == ("= 0.3", "< 0.001")
    assert statistics.p_text(np.nan) == "–"
