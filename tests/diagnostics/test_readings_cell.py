"""Images made by readings of the protocol, and their cell."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from meddef_lib.attacks.gradient import bim, fgsm, pgd
from meddef_lib.diagnostics import readings, subject
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.params import protocol

MEAN, STD, EPS = 0.4, 0.25, 0.08
SETTINGS = {"mean": MEAN, "std": STD, "eps_scale": 1.0, "jsma": {}, "seed": 3}
N = 6


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5)]
    return Attacked(nn.Sequential(*layers, nn.Linear(144, 3)).eval(), Computing(batch_size=4))


@pytest.fixture
def batch():
    images = torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return images, torch.arange(N) % 3, torch.arange(N) + 10


def made(network, batch, procedure, attack, eps=EPS, **changed):
    run = protocol.read().procedures[procedure].run(attack, eps, steps=5, step_size=0.03) | changed
    return readings.perturbed(network, *batch, run | {"procedure": procedure}, SETTINGS)


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "bim"])
def test_as_described_is_the_attack_itself(network, batch, attack):
    images, labels, ids = batch
    usual = {"eps": EPS, "step_size": 0.03, "steps": 5}
    expected = {
        "fgsm": lambda: fgsm(network.model, images, labels, eps=EPS),
        "bim": lambda: bim(network.model, images, labels, **usual),
        "pgd": lambda: pgd(network.model, images, labels, **usual, seed=3, image_ids=ids),
    }[attack]()
    torch.testing.assert_close(made(network, batch, "described", attack), expected, atol=1e-5, rtol=0)


def test_steps_that_lower_the_loss_do(network, batch):
    images, labels, _ = batch
    found = (made(network, batch, "descend", "bim"), images, made(network, batch, "described", "bim"))
    low, clean, high = (cross_entropy(network.model(each), labels) for each in found)
    assert low < clean < high


def test_standardised_budgets_are_smaller_by_the_deviation(network, batch):
    change = (made(network, batch, "standardised", "pgd") - batch[0]).abs().amax()
    assert EPS * STD - 1e-4 < change <= EPS * STD + 1e-6


def test_clamped_standardised_images_keep_nothing_below_the_mean(network, batch):
    found = made(network, batch, "standardised_clamped", "bim")
    assert found.amin() >= MEAN
    assert found.amax() <= MEAN + STD + 1e-6
    assert (batch[0].amin(), batch[0].amax()) < (MEAN, 1.0)


def test_noise_asks_for_no_gradient_and_goes_by_the_image(network, batch):
    images, labels, ids = batch
    found = made(network, batch, "noise", "pgd")
    alone = made(network, (images[2:3], labels[2:3], ids[2:3]), "noise", "pgd")
    assert torch.equal(found[2:3], alone)
    assert 0.9 * EPS < (found - images).abs().amax() <= EPS + 1e-6


def test_sign_ascent_without_a_budget_goes_all_the_way(network, batch):
    found = made(network, batch, "sign_ascent", "jsma")
    assert (found - batch[0]).abs().amax() > 0.5
    assert found.amin() >= 0
    assert found.amax() <= 1


def test_training_mode_moves_nothing_of_the_network_and_repeats_itself(network, batch):
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    state = torch.get_rng_state()
    found, again = (made(network, batch, "training_mode", "bim") for _ in range(2))
    assert torch.equal(found, again)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(found, made(network, batch, "described", "bim"))
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert not network.model.training


def test_another_network_is_needed_where_images_are_made_on_one(network, batch):
    run = protocol.read().procedures["transfer"].run("bim", EPS, steps=5, step_size=0.03)
    with pytest.raises(ValueError, match="made on another network"):
        readings.answers(network, None, *batch, run | {"procedure": "transfer"}, SETTINGS)


def test_a_cell_goes_on_where_it_stopped(tmp_path, monkeypatch, network):
    data = SimpleNamespace(
        images=np.random.default_rng(0).integers(0, 256, (N, 8, 8), dtype=np.uint8),
        labels=np.arange(N) % 3,
        index=pd.DataFrame({"image_id": np.arange(N) + 10}),
        subset=lambda split, limit, seed: np.arange(limit),
    )
    monkeypatch.setattr(subject.prepared, "load", lambda folder: data)
    monkeypatch.setattr(readings.files, "load", lambda folder, device: network.model)
    declared = protocol.read().procedures
    runs = [
        declared[name].run("pgd", EPS, steps=2, step_size=0.03)
        | {"procedure": name, "rate": rate, "scope": "global", "slow": slow}
        for name, rate, slow in (("described", 0.0, False), ("descend", 0.5, True), ("noise", 0.0, False))
    ]
    settings = SETTINGS | {"split": "test", "images": 5, "slow_images": 2, "runs": runs, "batch_size": 4}
    made = []
    answers = readings.answers
    monkeypatch.setattr(
        readings, "answers", lambda *given: made.append(given[5]["procedure"]) or answers(*given)
    )
    space = Workspace(settings, {"model": tmp_path, "data": tmp_path}, tmp_path, tmp_path / "work")
    space.work.mkdir()
    readings.make(space)
    first = pd.read_parquet(tmp_path / "records.parquet")
    assert made == ["described", "descend", "noise"]
    assert first.groupby("procedure", sort=False).size().to_dict() == {
        "described": 5,
        "descend": 2,
        "noise": 5,
    }
    next(space.work.glob("00000001-*.parquet")).unlink()
    readings.make(space)
    assert made[3:] == ["descend"]
    pd.testing.assert_frame_equal(first, pd.read_parquet(tmp_path / "records.parquet"))
