"""What the document tells of trainings, from two short ones."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from meddef_lib.params import GIVEN, TrainingParams
from meddef_lib.results.parts import trainings

FULL = SimpleNamespace(
    id="roct/full/paper/seed=0", dataset="roct", variant="full", mode="paper", seed=0, image_size=None
)


@pytest.fixture
def history():
    of_full = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "phase": ["warmup", "aggressive", "stabilization"],
            "eps": [0.015, 0.025, 0.03],
            "val_clean_balanced_accuracy": [0.5, 0.8, 0.7],
            "val_adversarial_accuracy": [np.nan, 0.1, 0.2],
            "images_per_second": [10.0, 30.0, 20.0],
        }
    ).assign(id=FULL.id, dataset="roct", variant="full", mode="paper", seed=0)
    return pd.concat([of_full, of_full.assign(id="roct/resnet18/clean/seed=0", extra=1.0)])


def test_a_training_tells_the_epoch_that_was_kept_and_what_it_took(history):
    told = {"best_epoch": 2, "train_images": 404, "seconds": 67.5}
    found = trainings.of_model(FULL, told, history)
    assert (found["epochs"], found["kept_epoch"], found["kept_balanced_accuracy"]) == (3, 2, 0.8)
    assert (found["kept_phase"], found["kept_eps"]) == ("aggressive", 0.025)
    assert found["kept_attacked_accuracy"] == 0.1
    assert (found["images"], found["seconds"], found["images_per_second"]) == (404, 67.5, 20.0)
    assert found["history"]["phase"] == ["warmup", "aggressive", "stabilization"]


def test_a_history_has_the_columns_that_its_training_filled(history):
    found = trainings.of_model(FULL, {"best_epoch": 1, "train_images": 1, "seconds": 1.0}, history)
    assert set(found["history"]) == {
        "epoch",
        "phase",
        "eps",
        "val_clean_balanced_accuracy",
        "val_adversarial_accuracy",
        "images_per_second",
    }


def profile(mode):
    params = TrainingParams(epochs=100, modes={"full": ("paper",)})
    return SimpleNamespace(
        profile=SimpleNamespace(training=params, variants=("full",)),
        book=SimpleNamespace(modes=lambda variant: (mode,)),
    )


def test_the_schedule_has_a_row_an_epoch():
    rows = trainings.phases(profile("paper"))
    assert [row["epoch"] for row in rows] == list(range(1, 101))
    phases = pd.Series([row["phase"] for row in rows]).value_counts(sort=False)
    assert phases.to_dict() == {"warmup": 8, "aggressive": 15, "stabilization": 77}
    assert {row["phase"]: row["phase_epochs"] for row in rows} == phases.to_dict()
    assert rows[-1] == {
        "epoch": 100,
        "phase": "stabilization",
        "phase_epochs": 77,
        "eps": 0.03,
        "adversarial_weight": 0.5,
        "step_size": 0.003,
    }


def test_given_weights_were_trained_by_no_schedule_of_ours():
    assert trainings.phases(profile(GIVEN)) == []
