"""Calibration errors: by hand, of networks that are right as often as they say, and of those that are not."""

import numpy as np
import pandas as pd
import pytest

from meddef_lib.paper.addresses import Address
from meddef_lib.results import calibration, outcomes
from meddef_lib.results.parts import classification


def test_the_error_by_hand() -> None:
    confidence = [0.95, 0.99, 0.61, 0.65]  # two bins: 0.933 to 1, and 0.6 to 0.667
    right = [True, True, True, False]
    assert calibration.error(confidence, right) == pytest.approx((2 * 0.03 + 2 * 0.13) / 4)
    first, second = calibration.bins(confidence, right)
    assert (first["confidence"], first["accuracy"], first["images"]) == (pytest.approx(0.63), 0.5, 2)
    assert (second["low"], second["high"]) == pytest.approx((14 / 15, 1))
    assert calibration.error([0.5, 0.5, 1.0], [True, False, True]) == 0


def test_confident_mistakes_are_found_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 879)
    honest, sure = rng.random(879) < confidence, rng.random(879) < confidence - 0.2
    by_chance = calibration.by_chance(confidence, seed=0)
    assert 0 < by_chance < 0.05, "of few images a bin"
    assert calibration.error(confidence, honest) == pytest.approx(by_chance, abs=0.02)
    interval = calibration.interval(confidence, sure, seed=0)
    assert interval.low < calibration.error(confidence, sure) < interval.high
    assert interval.low > 0.1 > calibration.interval(confidence, honest, seed=0).high


def test_it_is_a_number_of_the_run(collected, records) -> None:
    attacked = records("full", [0, 1, 0, 0], [1, 1, 0, 1]).assign(clean_confidence=[0.9, 0.95, 0.9, 0.8])
    (row,) = classification.calibrations(collected(attacked=attacked))
    assert (row["variant"], row["images"]) == ("full", 4)
    assert row["error"] == pytest.approx((2 * 0.1 + 0.05 + 0.8) / 4)
    assert sum(one["images"] for one in row["bins"]) == 4
    address = Address(dataset="chest_xray", quantity="calibration_error", variant="full")
    found = outcomes.from_records(
        attacked,
        dataset="chest_xray",
        classes=("NORMAL", "PNEUMONIA"),
        variant="full",
        setting={"data.source": "folders"},
    )
    assert found[address].value == pytest.approx(100 * row["error"])
    assert found[address].interval.low <= found[address].value <= found[address].interval.high
    assert classification.calibrations(collected(attacked=pd.DataFrame())) == []
