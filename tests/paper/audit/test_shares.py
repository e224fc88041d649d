"""Which percentages whole images can give: by hand, and by trying every count."""

import numpy as np
import pytest

from meddef_lib.paper.audit.shares import (
    PercentageOf,
    chance_of_best,
    chance_of_whole,
    counts_fitting,
    fitting,
    sizes_fitting,
)


@pytest.mark.parametrize(
    ("printed", "n", "expected"),
    [
        (50.00, 200, [100]),
        (80.33, 200, []),
        (33.33, 3, [1]),
        (0.00, 7, [0]),
        (100.00, 7, [7]),
        (0.13, 800, [1]),
    ],
)
def test_which_counts_are_printed_so(printed, n, expected):
    assert list(counts_fitting(printed, 2, n)) == expected


def test_a_tie_counts_under_either_rounding():
    assert list(counts_fitting(12.5, 1, 8)) == [1]
    assert list(counts_fitting(0.12, 2, 800)) == [1], "0.125 is 0.12 half to even"
    assert list(counts_fitting(0.13, 2, 800)) == [1], "and 0.13 half up"


def test_the_search_agrees_with_trying_every_count():
    for n in (7, 40, 333):
        for printed in (x / 100 for x in range(0, 10001, 37)):
            tried = [k for k in range(n + 1) if abs(100 * k / n - printed) <= 0.005 + 1e-9]
            assert set(counts_fitting(printed, 2, n)) <= set(tried)
            strictly = [k for k in tried if abs(100 * k / n - printed) < 0.005 - 1e-9]
            assert set(strictly) <= set(counts_fitting(printed, 2, n))


def test_many_percentages_and_sizes_at_once_as_one_by_one():
    printed, sizes = [0.0, 12.71, 33.33, 80.33, 99.97, 100.0], range(90, 130)
    table = fitting(printed, 2, sizes)
    for row, value in zip(table, printed, strict=True):
        assert [bool(counts_fitting(value, 2, n)) for n in sizes] == row.tolist()
    assert sizes_fitting([33.33, 50.0], 2, range(1, 13)) == [6, 12]


def test_means_over_batches_agree_with_trying_every_pair():
    """Two batches of four images and one of three."""
    possible = {f"{100 * (right / 4 + last / 3) / 3:.2f}" for right in range(9) for last in range(4)}
    reading = PercentageOf(images=11, batch=4)
    every = np.arange(10001) / 100
    found = {f"{value:.2f}" for value, fits in zip(every, reading.fits(every, 2), strict=True) if fits}
    assert found == possible
    assert reading.chance(2) == len(possible) / 10001
    assert PercentageOf(images=12, batch=4).fits([33.33, 30.0], 2).tolist() == [True, False], (
        "equal batches: shares"
    )


def test_means_over_runs_of_rounded_percentages_fit():
    # 1, 2 and 2 of 7 right: 14.29, 28.57 and 28.57, whose mean 23.81 is that of the shares, too
    assert PercentageOf(images=7, runs=3).fits(23.81, 2)
    # 1, 1 and 3 of 800: 0.12, 0.12 and 0.38 by half to even; 0.62 / 3 is 0.21, as is 5 of 2,400
    assert PercentageOf(images=800, runs=3).fits(0.21, 2)
    assert not PercentageOf(images=7, runs=3).fits(23.0, 2)


def test_the_chance_of_a_percentage_is_its_share_of_all():
    assert PercentageOf(images=100).chance(2) == 101 / 10001
    assert PercentageOf(images=20_000).chance(2) == 1
    assert PercentageOf(images=879, batch=32).chance(2) > 0.95


def test_how_many_sizes_random_percentages_fit():
    assert chance_of_best(1, 1, 0, [10, 20]) == pytest.approx(0.1 + 0.2)
    assert chance_of_best(2, 1, 0, [10]) == pytest.approx(1 - 0.9**2)
    assert chance_of_best(0, 0, 2, range(1, 5)) == 4, "nothing to fit: every size does"


def test_how_many_means_over_runs_are_shares_of_one_run():
    """By drawing sums of three counts of 400 images."""
    sums = np.random.default_rng(0).integers(100, 300, (4000, 3)).sum(1)
    printed = np.round(100 * sums / 1200, 2)
    share = PercentageOf(images=400).fits(printed, 2).mean()
    assert chance_of_whole(1, 1, PercentageOf(images=400, runs=3), 2) == pytest.approx(share, abs=0.03)
