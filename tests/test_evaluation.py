"""Records: what the columns mean, that a killed run goes on, and that a failed attack raises."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from meddef_lib import evaluation
from meddef_lib.attacks.registry import ATTACKS, Attack
from meddef_lib.evaluation import AttackError, Computing

PLAIN = Computing(batch_size=2, fold=False, channels_last="off")


class Brightness(nn.Module):
    """Class 1 where the mean pixel is above a half; remembers how many images it was shown at once."""

    def __init__(self):
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        score = self.sharpness * (images.flatten(1).mean(dim=1) - 0.5)
        return torch.stack([-score, score], dim=1)


def grey(*levels):
    """uint8 (n, 4, 4), each of one level."""
    return np.stack([np.full((4, 4), level, dtype=np.uint8) for level in levels])


def test_columns_of_a_model_whose_answers_are_known():
    # 0.39 and 0.59: an eps of 0.12 takes both over the line; 0.78 stays; the last is wrong to begin with
    images, labels = grey(100, 150, 200, 100), [0, 1, 1, 1]
    found = evaluation.attack(
        Brightness(), images, labels, "fgsm", {"eps": 0.12}, image_ids=[5, 6, 7, 8], computing=PLAIN
    )
    assert found["image_id"].tolist() == [5, 6, 7, 8]
    assert found["clean_pred"].tolist() == [0, 1, 1, 0]
    assert found["adv_pred"].tolist() == [1, 0, 1, 0]
    assert found["worst_pred"].tolist() == [1, 0, 1, 0]
    assert found["linf"].to_numpy() == pytest.approx(0.12, abs=1e-6)
    assert found["l0"].tolist() == [48] * 4
    assert found["l2"].to_numpy() == pytest.approx(0.12 * 48**0.5, abs=1e-5)
    score = 20 * (100 / 255 - 0.5)
    assert found["clean_confidence"][0] == pytest.approx(1 / (1 + np.exp(2 * score)), abs=1e-5)
    assert [sum(row) for row in found["adv_scores"]] == pytest.approx([1.0] * 4)
    assert found["attack"].unique().tolist() == ["fgsm"]
    assert found["eps"].unique().tolist() == [0.12]
    assert not found["early_stop"].any()


def test_worst_case_spends_no_step_on_what_is_wrong_already():
    found = evaluation.attack(
        Brightness(),
        grey(100, 100, 200),
        [0, 1, 1],
        "bim",
        {"eps": 0.2, "step_size": 0.02, "steps": 20, "early_stop": True},
        computing=PLAIN,
    )
    assert found["steps_used"].tolist()[1] == 0
    assert found["worst_pred"].tolist() == [1, 0, 1]
    assert 0 < found["steps_used"][0] < 20
    assert found["early_stop"].all()


def test_records_do_not_depend_on_how_they_are_cut_up(tmp_path):
    images, labels = grey(*range(60, 200, 10)), [0, 1] * 7
    settings = {"eps": 0.1, "step_size": 0.03, "steps": 4}
    whole = evaluation.attack(
        Brightness(), images, labels, "pgd", settings, computing=Computing(batch_size=64, fold=False)
    )
    parts = evaluation.attack(Brightness(), images, labels, "pgd", settings, computing=PLAIN, work=tmp_path)
    columns = ["image_id", "label", "clean_pred", "adv_pred", "worst_pred", "steps_used", "l0"]
    pd.testing.assert_frame_equal(whole[columns], parts[columns])


def test_what_was_finished_is_not_computed_again(tmp_path, monkeypatch):
    calls = []

    def interrupted(model, images, labels, *, eps, trace=None):
        calls.append(len(images))
        if len(calls) == 2:
            raise RuntimeError("the power went")
        return images.clone()

    monkeypatch.setitem(ATTACKS, "fgsm", Attack("fgsm", interrupted, frozenset()))
    images, labels = grey(100, 110, 120, 130, 140), [0, 0, 0, 1, 1]
    arguments = (Brightness(), images, labels, "fgsm", {"eps": 0.1})
    with pytest.raises(RuntimeError, match="the power went"):
        evaluation.attack(*arguments, computing=PLAIN, work=tmp_path)
    found = evaluation.attack(*arguments, computing=PLAIN, work=tmp_path)
    assert calls == [2, 2, 2, 1], "the first batch is read from its file"
    assert found["image_id"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "broken",
    [
        lambda images: images + 0.5,
        lambda images: images * float("nan"),
        lambda images: images - 2,
    ],
    ids=["beyond the budget", "NaN", "no pixels"],
)
def test_an_attack_that_returns_no_image_within_its_budget_is_a_failure(monkeypatch, broken):
    def attack(model, images, labels, *, eps, trace=None):
        return broken(images)

    monkeypatch.setitem(ATTACKS, "fgsm", Attack("fgsm", attack, frozenset()))
    with pytest.raises(AttackError, match="fgsm failed on image 0"):
        evaluation.attack(Brightness(), grey(10, 20), [0, 0], "fgsm", {"eps": 0.1}, computing=PLAIN)


def test_an_unknown_attack_is_named():
    with pytest.raises(ValueError, match="no attack 'magic'"):
        evaluation.attack(Brightness(), grey(10), [0], "magic", {}, computing=PLAIN)


def test_the_first_images_of_each_class_are_kept(tmp_path):
    images, labels = grey(10, 20, 30, 200, 210, 220), [0, 0, 0, 1, 1, 1]
    keep = tmp_path / "adversarial.npz"
    evaluation.attack(
        Brightness(), images, labels, "fgsm", {"eps": 0.1}, computing=PLAIN, keep=keep, keep_images=2
    )
    found = np.load(keep)
    assert found["label"].tolist() == [0, 0, 1, 1]
    assert found["image_id"].tolist() == [0, 1, 3, 4]
    assert found["clean"].dtype == found["adversarial"].dtype == np.float32
    assert found["adversarial_uint8"].dtype == np.uint8
    assert np.abs(found["adversarial"] - found["clean"]).max() == pytest.approx(0.1, abs=1e-6)


class Lazy:
    """Many images, made when they are asked for; remembers how many at most at once."""

    def __init__(self, count):
        self.count, self.most = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, rows):
        self.most = max(self.most, len(rows))
        return np.full((len(rows), 4, 4), 100, dtype=np.uint8)


def test_a_batch_at_a_time_is_read():
    many = Lazy(101)
    found = evaluation.attack(Brightness(), many, [0] * 101, "fgsm", {"eps": 0.1}, computing=PLAIN)
    assert len(found) == 101
    assert many.most == PLAIN.batch_size
