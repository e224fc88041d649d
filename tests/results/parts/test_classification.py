"""Confusion matrices, pruned networks of one answer, and trainings compared, from a few records."""

import pandas as pd
import pytest

from meddef_lib.results.parts import classification, names, trainings
from meddef_lib.results.results_json import plain


def test_a_matrix_comes_from_the_attack_that_saw_every_image(collected, records):
    attacked = pd.concat(
        [
            records("full", [0, 1], [1, 1], attack="jsma", eps=None),
            records("full", [0, 1, 1, 1], [0, 0, 0, 0]),
            records("full", [1, 1, 1, 1], [0, 0, 0, 0], mode="paper"),
            records("full", [1, 1, 1, 1], [0, 0, 0, 0], seed=1),
        ]
    )
    (row,) = classification.rows(collected(attacked=attacked))
    assert row["matrix"] == [[1, 1], [0, 2]]
    assert row["row_shares"] == [[0.5, 0.5], [0, 1]]
    assert (row["accuracy"], row["balanced_accuracy"]) == (0.75, 0.75)
    assert row["classes"][0] == {
        "class": "NORMAL",
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
    }


def test_metrics_of_each_class_under_attack(collected, records):
    attacked = pd.concat(
        [
            records("full", [0, 1, 0, 1], [1, 1, 0, 1]),
            records("full", [0, 1, 0, 1], [0, 0, 0, 0], attack="jsma", eps=None),
            records("full", [0, 1, 0, 1], [1, 0, 1, 0], seed=1),
            records("full", [0, 1, 0, 1], [1, 0, 1, 0], mode="paper"),
        ]
    )
    rows = plain(classification.attacked_classes(collected(attacked=attacked)))
    of = {(row["attack"], row["class"]): row for row in rows}
    assert len(rows) == len(of) == 4
    pneumonia = of["pgd", "PNEUMONIA"]
    assert (pneumonia["precision"], pneumonia["recall"]) == (pytest.approx(2 / 3), 1)
    assert (of["pgd", "NORMAL"]["precision"], of["pgd", "NORMAL"]["recall"]) == (1, 0.5)
    assert of["jsma", "PNEUMONIA"]["precision"] is None, "no image was taken for it"


def test_a_collapsed_network_is_known_by_its_rate(collected, records):
    pruned = pd.concat(
        [
            records("full", [0, 1, 1], [0, 1, 1], rate=0.3),
            records("full", [1, 1, 1], [1, 1, 1], rate=0.8),
            records("resnet18", [0, 0, 1], [0, 0, 1], rate=0.8),
        ]
    )
    rows = names.rows(collected("pruning.rates=[0, 0.3, 0.8]", pruned=pruned))
    assert [(row["model"], row["rate_percent"], row["collapsed"]) for row in rows] == [
        ("chest_xray/resnet18/clean/seed=0", 80, False),
        ("chest_xray/full/clean/seed=0", 30, False),
        ("chest_xray/full/clean/seed=0", 80, True),
    ]


def test_trainings_are_compared_where_a_variant_has_several(collected, records):
    prepared = {"published_counts": False, "data_version": "phantoms", "mean": 0.5, "std": 0.2, "counts": {}}
    found = collected(
        data={"chest_xray": type("Prepared", (), {"summary": prepared})()},
        attacked=pd.concat(
            [
                records("full", [0, 1, 0, 0], [1, 1, 1, 1]),
                records("full", [0, 1, 0, 1], [0, 1, 1, 1], mode="paper"),
                records("resnet18", [0, 1, 0, 1], [0, 1, 1, 1]),  # trained in one way
            ]
        ),
    )
    rows = [row for row in trainings.compared(found) if row["dataset"] == "chest_xray"]
    shown = {(row["mode"], row["quantity"], row["attack"]): row["value"] for row in rows}
    assert shown == {
        ("clean", "accuracy", ""): 75,
        ("clean", "balanced_accuracy", ""): 75,
        ("clean", "accuracy", "pgd"): 50,
        ("clean", "balanced_accuracy", "pgd"): 50,
        ("paper", "accuracy", ""): 100,
        ("paper", "balanced_accuracy", ""): 100,
        ("paper", "accuracy", "pgd"): 75,
        ("paper", "balanced_accuracy", "pgd"): 75,
    }
    assert all(row["ci_low"] < row["value"] for row in rows if row["quantity"] == "accuracy")
