"""Planted forgetting: a rate that is safe and one that is not, a class that goes first, changed answers."""

import numpy as np
import pandas as pd
import pytest

from meddef_lib.results import statistics
from meddef_lib.results.parts import forgetting, pictures

N = 200
LOST = {0.0: 0, 0.3: 1, 0.5: 40, 0.8: 90}  # images of class 1 that are lost at each rate, the first ones


def planted(lost=LOST, seeds=(0,), **names):
    """Records of a network that has every image right but these of class 1; images have ids from 1000."""
    label = np.arange(N) % 2
    frames = []
    for seed in seeds:
        for rate, count in lost.items():
            answers = label.copy()
            answers[np.flatnonzero(label == 1)[:count]] = 0
            rows = pd.DataFrame({"image_id": 1000 + np.arange(N), "label": label, "clean_pred": answers})
            model = {"dataset": "chest_xray", "variant": "full", "mode": "clean", "seed": seed, "rate": rate}
            run = {"attack": "pgd", "eps": 0.05, "key": "k", "adv_pred": 0}
            frames.append(rows.assign(**{**model, **run, **names}))
    return pd.concat(frames, ignore_index=True)


def answers(records):
    return forgetting.answers_of(records, "chest_xray", "full", "clean")


def test_the_safe_rate_is_the_last_one_before_a_significant_loss():
    safe = forgetting.safe_rate(answers(planted()))
    assert (safe.rate, safe.first_loss) == (0.3, 0.5)
    assert forgetting.interval(answers(planted())) == (0.3, 0.3), "40 of 200 images leave no doubt"


def test_a_doubtful_loss_widens_the_interval():
    low, high = forgetting.interval(answers(planted({0.0: 0, 0.3: 1, 0.5: 8, 0.8: 90})))
    assert (low, high) == (0.3, 0.5)


def test_what_never_loses_is_safe_as_far_as_was_tried_and_what_loses_at_once_nowhere():
    never = forgetting.safe_rate(answers(planted({0.0: 5, 0.3: 5, 0.8: 6})))
    assert (never.rate, never.first_loss) == (0.8, None)
    at_once = forgetting.safe_rate(answers(planted({0.0: 0, 0.3: 60, 0.8: 60})))
    assert (at_once.rate, at_once.first_loss) == (0.0, 0.3)


def test_a_collapsed_network_is_not_safe_though_few_images_show_no_loss():
    records = planted({0.0: 0, 0.3: 0, 0.8: 0})
    few = records[records["image_id"].isin([*range(1001, 1040, 2), *range(1000, 1008, 2)])]  # 20 of B, 4 of A
    few.loc[few["rate"] == 0.8, "clean_pred"] = 1
    found = answers(few)
    safe = forgetting.safe_rate(found)
    assert safe.p_values[0.8] > 0.05
    assert (safe.rate, safe.first_loss) == (0.3, 0.8)
    assert forgetting.interval(found) == (0.3, 0.3)


def test_a_gain_is_no_loss():
    safe = forgetting.safe_rate(answers(planted({0.0: 60, 0.3: 5, 0.8: 5})))
    assert (safe.rate, safe.first_loss) == (0.8, None)


def test_p_values_are_those_of_the_exact_test_corrected_over_the_rates():
    records = planted({0.0: 3, 0.3: 9, 0.5: 12})
    right = {
        rate: rows.set_index("image_id").eval("clean_pred == label") for rate, rows in records.groupby("rate")
    }
    expected = statistics.holm([statistics.mcnemar(right[0.0], right[rate]).p_value for rate in (0.3, 0.5)])
    assert list(forgetting.safe_rate(answers(records)).p_values.values()) == pytest.approx(expected)


def test_several_seeds_are_tested_by_their_mean_difference():
    seeds = planted(seeds=(0, 1, 2))
    assert forgetting.safe_rate(answers(seeds)).rate == 0.3
    one_forgets = pd.concat([planted({0.0: 0, 0.3: 100}), planted({0.0: 0, 0.3: 0}, seeds=(1, 2, 3, 4, 5))])
    assert forgetting.safe_rate(answers(one_forgets)).first_loss == 0.3


def test_images_that_a_rate_lacks_are_left_out_of_all():
    records = planted()
    part_of = records[(records["rate"] != 0.8) | (records["image_id"] < 1050)]
    assert len(answers(part_of).labels) == 50


def test_the_answer_of_most_seeds_counts():
    assert forgetting.modal(np.array([[0, 1, 2], [1, 1, 1], [1, 2, 0]])).tolist() == [1, 1, 2]


def test_recalls_say_which_class_goes_first():
    rows = forgetting.recalls(answers(planted()), ["NORMAL", "PNEUMONIA"])
    found = {(row["class"], row["rate_percent"]): row for row in rows}
    assert [found["NORMAL", rate]["recall"] for rate in (0, 30, 50, 80)] == [1, 1, 1, 1]
    assert [found["PNEUMONIA", rate]["recall"] for rate in (0, 30, 50, 80)] == [1, 0.99, 0.6, 0.1]
    low, high = statistics.wilson(60, 100)
    assert (found["PNEUMONIA", 50]["ci_low"], found["PNEUMONIA", 50]["ci_high"]) == (low, high)


# --- the frequency of classes ---------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 4])
def test_of_few_classes_there_is_no_correlation_and_the_reason_is_said(classes):
    found = forgetting.correlation([10] * classes, [1.0] * classes, [0.5] * classes)
    assert found["value"] is None
    assert found["reason"].startswith(f"{classes} classes: with fewer than 5")


def test_rare_classes_that_go_first_correlate():
    images = [1000, 500, 200, 100, 50, 20]
    found = forgetting.correlation(images, [0.9] * 6, [0.9, 0.8, 0.5, 0.6, 0.2, 0.1])
    assert found["value"] == pytest.approx(0.943, abs=0.001)
    assert 0 < found["ci_low"] < found["value"] < found["ci_high"] < 1
    assert found["reason"] == ""
    assert forgetting.correlation(images, [0.0] + [0.9] * 5, [0.1] * 6)["value"] is None


# --- in the document ------------------------------------------------------------------------------


def test_a_row_has_what_was_lost_and_gained_and_where(collected):
    records = planted()
    (row,) = forgetting.rows(
        collected(attacked=records[records["rate"] == 0], pruned=records[records["rate"] > 0])
    )
    assert (row["safe_rate"], row["first_loss"], row["largest_rate"], row["n"]) == (30, 50, 80, N)
    at = {point["rate_percent"]: point for point in row["rates"]}
    assert (at[50]["lost"], at[50]["gained"], at[50]["exemplars"]) == (40, 0, 40)
    assert at[0]["p_holm"] is None
    assert [rate for rate, point in at.items() if point["collapsed"]] == [80], "190 of 200 are one class"
    assert row["correlation"]["value"] is None
    assert row["unlearned"] == ""


def test_a_network_for_comparison_has_a_row_too(collected):
    (row,) = forgetting.rows(collected(compared=planted(variant="resnet18_cbam")))
    assert (row["variant"], row["safe_rate"]) == ("resnet18_cbam", 30)


def test_the_images_of_the_gallery_are_those_that_most_networks_change(collected):
    index = pd.DataFrame({"image_id": 1000 + np.arange(N), "class_name": ["A", "B"] * (N // 2)})

    class Images:
        pass

    images = Images()
    images.index = index
    records = pd.concat([planted(), planted({0.0: 0, 0.3: 3}, variant="no_afd")])
    found = collected(compared=records, data={"chest_xray": images})
    (entry,) = pictures.exemplars(found, "chest_xray")
    assert [(image["image_id"], image["row"], image["networks"]) for image in entry["images"]] == [
        (1001, 1, 2),  # at 30 % both lose it
        (1003, 3, 1),
        (1005, 5, 1),
    ]
    assert {image["among"] for image in entry["images"]} == {2}
    assert pictures.exemplars(collected(data={"chest_xray": images}), "chest_xray") == []
