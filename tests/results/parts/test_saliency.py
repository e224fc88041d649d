"""Means of saliency numbers, checked by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from meddef_lib.results.parts import saliency
from meddef_lib.results.statistics import Interval


def model(variant="full", seed=0, image_size=None):
    id = f"roct/{variant}/clean/seed={seed}"
    return SimpleNamespace(
        id=id, dataset="roct", variant=variant, mode="clean", seed=seed, image_size=image_size
    )


def records(of, **numbers):
    rows = pd.DataFrame(dict.fromkeys(saliency.LIMITS, np.nan) | numbers)
    return rows.assign(
        dataset="roct",
        variant=of.variant,
        mode="clean",
        seed=of.seed,
        image_size=of.image_size or 0,
        map_size=7,
    )


def test_a_mean_counts_the_images_that_have_the_number_and_has_its_interval():
    found = saliency.mean([0.2, 0.4, 0.6], Interval(0, 1))
    half = 4.302653 * 0.2 / np.sqrt(3)  # the t-quantile of two degrees of freedom
    assert found["mean"] == pytest.approx(0.4)
    assert found["ci_low"] == 0  # 0.4 - half lies below what a share can be
    assert 0.4 - half < 0
    assert found["ci_high"] == pytest.approx(0.4 + half)
    assert found["n"] == 3


def test_without_images_there_is_no_mean_and_of_one_image_no_interval():
    assert saliency.mean([], Interval(0, 1)) == {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    assert saliency.mean([0.5], Interval(0, 1)) == {"mean": 0.5, "ci_low": None, "ci_high": None, "n": 1}


def test_the_numbers_are_those_of_the_model():
    small, large = model(), model(image_size=224)
    frame = pd.concat(
        [
            records(small, deletion=[0.1, np.nan]),
            records(large, deletion=[0.9, 0.9]),
            records(model(variant="resnet18"), deletion=[0.5, 0.5]),
        ]
    )
    (row,) = saliency.of_model(small, frame)
    assert (row["images"], row["map_size"]) == (2, 7)
    assert row["deletion"] == {"mean": 0.1, "ci_low": None, "ci_high": None, "n": 1}
    assert row["rank_correlation"]["n"] == 0
    assert saliency.of_model(large, frame)[0]["deletion"]["mean"] == 0.9


def test_a_model_without_maps_has_no_row():
    assert saliency.of_model(model(), pd.DataFrame()) == []
    assert saliency.of_model(model(seed=1), records(model(), deletion=[0.1])) == []
