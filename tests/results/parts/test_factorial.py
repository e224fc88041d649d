"""Planted differences between networks and trainings are found, with intervals that cover them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from jsonschema import validate

from meddef_lib.results import statistics
from meddef_lib.results.part import named
from meddef_lib.results.parts import factorial
from meddef_lib.results.statistics import contrast

VARIANTS, MODES = ("resnet18", "resnet18_wide", "full"), ("clean", "paper", "pgd", "trades")
EPS = 0.05
PLANTED = {"full": 0.1, "pgd": 0.3, ("full", "trades"): 0.2}  # on top of a share of 0.3
REAL = ("data.source=folders",)


def chance(variant, mode, planted):
    return 0.3 + sum(planted.get(name, 0.0) for name in (variant, mode, (variant, mode)))


@pytest.fixture
def run(collected, records):
    """The part of networks that keep what is planted; an image that one network misses, others miss, too."""

    def made(planted, *overrides, images=400, seeds=(0,), without=(), **changed):
        frames = []
        for variant, mode, seed in product(VARIANTS, MODES, seeds):
            hard = np.random.default_rng(seed).random(images) * 0.7
            own = (
                np.random.default_rng([seed, VARIANTS.index(variant), MODES.index(mode)]).random(images) * 0.3
            )
            labels = np.arange(images) % 2
            right = hard + own < np.quantile(hard + own, chance(variant, mode, planted))
            answers = np.where(right, labels, 1 - labels)
            names = {"mode": mode, "seed": seed, "attack": "worst_case", "eps": EPS}
            frame = records(variant, list(labels), list(answers), **names)
            if (variant, mode) not in without:
                frames.append(frame.assign(clean_pred=changed.get(f"{variant}_{mode}", frame["clean_pred"])))
        every = pd.concat(frames, ignore_index=True)
        of_tables = every["variant"] != "resnet18_wide"
        found = collected(
            f"seeds={list(seeds)}",
            *overrides,
            attacked=every[of_tables],
            compared=every[~of_tables].assign(rate=0.0),
        )
        part = factorial.factorial(found)
        validate(part, named("factorial").schema)
        return part

    return made


def effects(part, eps=EPS):
    return {
        (row["variant"], row["other_variant"], row["mode"], row["other_mode"]): row
        for row in part["effects"]
        if row["eps"] == eps
    }


def truth(place, planted):
    """What the planted shares make of one row, in points."""
    variant, other, mode, other_mode = place
    shares = {(v, m): 100 * chance(v, m, planted) for v, m in product(VARIANTS, MODES)}

    def mean(v, m):
        return np.mean([share for (a, b), share in shares.items() if v in (a, "") and m in (b, "")])

    if variant and mode:
        return mean(variant, mode) - mean(other, mode) - mean(variant, other_mode) + mean(other, other_mode)
    return mean(variant, mode) - mean(other, other_mode)


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_planted_effects_are_found_and_their_intervals_cover_them(run, seeds):
    part = run(PLANTED, *REAL, seeds=seeds)
    found = effects(part)
    assert len(found) == 3 + 6 + 6, (
        "pairs of networks, pairs of trainings, and what is beyond the first of both"
    )
    for place, row in found.items():
        assert row["ci_low"] <= truth(place, PLANTED) <= row["ci_high"], place
        assert row["difference"] == pytest.approx(truth(place, PLANTED), abs=0.5)
    assert found["full", "resnet18_wide", "", ""]["p_holm"] < 0.05
    assert found["resnet18_wide", "resnet18", "", ""]["p_holm"] > 0.5
    assert found["", "", "pgd", "clean"]["p_holm"] < 0.05
    assert found["full", "resnet18", "trades", "clean"]["p"] < 0.05
    assert found["full", "resnet18", "paper", "clean"]["p_holm"] > 0.5
    assert len(part["cells"]) == 12 * len(seeds)
    assert {row["dataset"] for row in part["missing"]} == {"roct"}, "of which there are no records"


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_where_nothing_is_planted_every_interval_covers_zero(run, seeds):
    found = effects(run({}, *REAL, seeds=seeds))
    assert all(row["ci_low"] < 0 < row["ci_high"] for row in found.values())
    assert not any(row["p_holm"] < 0.05 for row in found.values())


def test_the_sentence_is_made_from_the_numbers(run):
    said = run(PLANTED, *REAL)["sentence"]
    assert "worst case at 0.05 (400 images; mean over clean training, the paper's training" in said
    assert "by architecture from 37.5 % with ResNet18 to 52.5 % with MedDef (Full DAAM)" in said
    assert "by training from 33.3 % with clean training to 63.3 % with PGD training" in said
    assert "MedDef (Full DAAM) less Wide ResNet18: +15.0 points [+" in said
    assert "Told apart by these images: the architectures and the trainings; an interaction in 1 of 6" in said
    assert said.count("another seed may move these numbers") == 1
    assert "Diabetic" not in said
    nothing = run({}, *REAL)["sentence"]
    assert (
        "Told apart by these images: not the architectures nor the trainings; an interaction in 0" in nothing
    )


def test_clean_images_are_an_outcome_of_their_own(run):
    part = run(PLANTED, *REAL)
    assert {row["difference"] for row in effects(part, None).values()} == {0}, "all are right on clean images"
    assert all(row["ci_low"] < 0 < row["ci_high"] for row in effects(part, None).values()), "of 400 images"
    assert part["cells"][0]["clean_accuracy"] == 100


def test_a_training_with_a_network_missing_is_left_out_and_named(run):
    part = run(PLANTED, *REAL, without=[("resnet18_wide", "pgd")])
    chest = [row for row in part["missing"] if row["dataset"] == "chest_xray"]
    assert chest == [{"dataset": "chest_xray", "variant": "resnet18_wide", "mode": "pgd", "seed": 0}]
    assert not any("pgd" in (row["mode"], row["other_mode"]) for row in part["effects"])
    assert "Wide ResNet18 on Chest X-ray (pneumonia): PGD training." in part["sentence"]
    whole = {row["level"]: row for row in part["levels"] if row["eps"] == EPS}
    assert whole["clean"]["accuracy"] == pytest.approx(100 / 3)


def test_a_network_that_gives_every_image_one_answer_counts_for_no_effect(run):
    part = run(PLANTED, *REAL, full_paper=0)
    (row,) = [row for row in part["cells"] if row["says_nothing"]]
    assert (row["variant"], row["mode"]) == ("full", "paper")
    assert not any("paper" in (row["mode"], row["other_mode"]) for row in part["effects"])
    assert "has not learned. " in part["sentence"]


def test_without_records_or_without_one_whole_training_there_is_no_effect(run, collected):
    nothing = factorial.factorial(collected(*REAL))
    assert (nothing["cells"], nothing["effects"]) == ([], [])
    assert "not there yet" in nothing["sentence"]
    assert len(nothing["missing"]) == 2 * 12
    lacking = run(PLANTED, *REAL, without=[("resnet18_wide", mode) for mode in MODES])
    assert (len(lacking["cells"]), lacking["effects"]) == (8, [])


def test_phantoms_get_numbers_and_no_verdict(run):
    part = run(PLANTED)
    assert len(part["effects"]) == 2 * 15
    assert part["sentence"].startswith("Measured on made-up images, which say nothing")


@pytest.mark.parametrize(
    "weights",
    [[[1, -1]], [[0.5, 0.5], [-0.5, -0.5]], [[1, -1], [-1, 1]]],
    ids=["pair", "main effect", "interaction"],
)
def test_the_interval_of_a_contrast_covers_as_often_as_it_says(weights):
    rng, weights = np.random.default_rng(1), np.array(weights, dtype=float)
    shares = np.array([[0.6, 0.5], [0.4, 0.45]])[: len(weights)]
    covered = []
    for _ in range(400):
        score = 0.7 * rng.random((60, 1, 1)) + 0.3 * rng.random((60, *weights.shape))
        found = contrast([score < shares], weights)  # between 0.3 and 0.7 its share grows evenly
        covered.append(found.interval.low <= np.sum(weights * shares) / 0.7 <= found.interval.high)
    assert 0.92 < np.mean(covered) < 0.995


def test_the_interval_of_two_networks_is_that_of_paired_shares():
    first, second = np.arange(40) < 22, np.arange(40) % 5 < 2
    both = np.column_stack([second, first])
    found = contrast([both], np.array([1.0, -1.0]))
    counts = (int(np.sum(first & ~second)), int(np.sum(second & ~first)), 40)
    assert found.interval == pytest.approx(statistics.paired_difference(*counts))
    assert found.difference == pytest.approx(np.mean(second) - np.mean(first))


def test_seeds_that_disagree_widen_the_interval_beyond_that_of_their_images():
    weights = np.array([1.0, -1.0])
    images = np.arange(100)[:, None]
    alike = contrast([images < [60, 50]] * 3, weights)
    apart = contrast([images < [60 + shift, 50] for shift in (-20, 0, 20)], weights)
    assert (alike.difference, apart.difference) == pytest.approx((0.1, 0.1))
    assert apart.interval.low < alike.interval.low < 0.1 < alike.interval.high < apart.interval.high
    assert apart.p > alike.p
