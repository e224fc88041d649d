"""FGSM, BIM and PGD agree with foolbox, ART and torchattacks to 1e-6: same network, same images, same start.

Run in the benchmark environment: `python -m pytest -c benchmarks/pytest.ini benchmarks`.
"""

from typing import Any

import foolbox
import numpy as np
import pytest
import torch
import torchattacks
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentNumpy
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from meddef_lib.attacks.gradient import bim, fgsm, pgd

EPS, STEP_SIZE, STEPS = 0.05, 0.01, 12
SAME: dict[str, Any] = {"rtol": 0, "atol": 1e-6}
Batch = tuple[Tensor, Tensor, Tensor]  # images, labels, start


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * 6 * 6, 4)
    ).eval()


@pytest.fixture(scope="module")
def batch(network: nn.Module) -> Batch:
    """Images in [0, 1], some values at a bound; labels as predicted; a start within the ball and [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    images = (torch.rand(6, 3, 12, 12, generator=generator) * 1.4 - 0.2).clamp(0, 1)
    noise = (torch.rand(images.shape, generator=generator) * 2 - 1) * EPS
    return images, network(images).argmax(1), (images + noise).clamp(0, 1)


@pytest.fixture(scope="module")
def in_foolbox(network: nn.Module) -> Any:
    return foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")


@pytest.fixture(scope="module")
def in_art(network: nn.Module) -> Any:
    return PyTorchClassifier(
        network,
        loss=nn.CrossEntropyLoss(),
        input_shape=(3, 12, 12),
        nb_classes=4,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


class FromStart(foolbox.attacks.LinfPGD):
    """foolbox's PGD with a start that is given."""

    def __init__(self, start: Tensor) -> None:
        super().__init__(abs_stepsize=STEP_SIZE, steps=STEPS, random_start=True)
        self.start = start

    def get_random_start(self, x0: Any, epsilon: float) -> Any:
        return type(x0)(self.start)


def art_pgd(classifier: Any, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
    """ART's PGD, step by step from a start that is given (it draws its own otherwise)."""
    attack = ProjectedGradientDescentNumpy(classifier, eps=EPS, eps_step=STEP_SIZE, max_iter=1, verbose=False)
    one_hot = np.eye(4, dtype=np.float32)[labels.numpy()]
    point = start.numpy()
    for _ in range(STEPS):
        point = attack._compute(
            point, images.numpy(), one_hot, None, EPS, STEP_SIZE, project=True, random_init=False
        )
    return torch.from_numpy(point)


def test_fgsm(network: nn.Module, batch: Batch, in_foolbox: Any, in_art: Any) -> None:
    images, labels, _ = batch
    ours = fgsm(network, images, labels, eps=EPS)
    theirs = foolbox.attacks.LinfFastGradientAttack()(in_foolbox, images, labels, epsilons=EPS)[1]
    torch.testing.assert_close(ours, theirs, **SAME)
    art = FastGradientMethod(in_art, eps=EPS).generate(images.numpy(), labels.numpy())
    torch.testing.assert_close(ours, torch.from_numpy(art), **SAME)
    torch.testing.assert_close(ours, torchattacks.FGSM(network, eps=EPS)(images, labels), **SAME)


def test_bim(network: nn.Module, batch: Batch, in_foolbox: Any, in_art: Any) -> None:
    images, labels, _ = batch
    ours = bim(network, images, labels, eps=EPS, step_size=STEP_SIZE, steps=STEPS)
    attack = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=STEP_SIZE, steps=STEPS, random_start=False)
    torch.testing.assert_close(ours, attack(in_foolbox, images, labels, epsilons=EPS)[1], **SAME)
    torch.testing.assert_close(ours, art_pgd(in_art, images, labels, images), **SAME)
    attack = torchattacks.BIM(network, eps=EPS, alpha=STEP_SIZE, steps=STEPS)
    torch.testing.assert_close(ours, attack(images, labels), **SAME)


def test_pgd_from_the_same_start(network: nn.Module, batch: Batch, in_foolbox: Any, in_art: Any) -> None:
    images, labels, start = batch
    ours = pgd(network, images, labels, eps=EPS, step_size=STEP_SIZE, steps=STEPS, start=start)
    assert not torch.equal(ours, bim(network, images, labels, eps=EPS, step_size=STEP_SIZE, steps=STEPS))
    theirs = FromStart(start)(in_foolbox, images, labels, epsilons=EPS)[1]
    torch.testing.assert_close(ours, theirs, **SAME)
    torch.testing.assert_close(ours, art_pgd(in_art, images, labels, start), **SAME)
