"""A network and pictures small enough to train in a second."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from meddef_lib import precision
from meddef_lib.params import TrainingParams
from meddef_lib.training import learner
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.distributed import Group
from meddef_lib.training.learner import Learner
from meddef_lib.training.underway import Plan

torch.set_num_threads(1)

SIDE = 16


class Tiny(nn.Module):
    """Two convolutions with batch normalisation, dropout, a linear layer; (n, 3, h, w) to (n, classes)."""

    def __init__(self, classes: int = 2, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = nn.Sequential(
                nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Dropout(0.2),
            )
            self.head = nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean(dim=(2, 3)))


def draw_pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, with a dark square in the images of class 1: pixels (n, 16, 16), labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    pixels = rng.integers(60, 200, (count, SIDE, SIDE)).astype(np.uint8)
    pixels[labels == 1, 4:12, 4:12] //= 3
    return pixels, labels


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every machine: what is compared to a last bit is compared in float32."""
    monkeypatch.setattr(precision, "pays", lambda device: False)


@pytest.fixture
def new_tiny() -> Callable[..., Tiny]:
    return Tiny


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture
def pictures() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return draw_pictures


@pytest.fixture
def sets() -> tuple[ImageSet, ImageSet]:
    """48 training and 20 validation images of one array."""
    pixels, labels = draw_pictures(68)
    rows = np.arange(68)
    return ImageSet(pixels, rows[:48], labels[:48]), ImageSet(pixels, rows[48:], labels[48:])


@pytest.fixture
def short() -> TrainingParams:
    """Four epochs with few attack steps."""
    return TrainingParams(
        epochs=4, learning_rate=3e-3, pgd_steps=2, reference_steps=2, validation_steps=2, batch_size=16
    )


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    def make(params: TrainingParams, mode: str = "paper", **others: object) -> Plan:
        values = {"num_classes": 2, "batch_size": params.batch_size, "seed": 0, **others}
        return Plan(mode=mode, params=params, **values)

    return make


@pytest.fixture
def learner_of() -> Callable[..., Learner]:
    """The network as the loop sees it, on the CPU."""

    def make(model: nn.Module, params: TrainingParams | None = None, group: Group | None = None) -> Learner:
        return learner.learner_of(
            model.train(),
            params or TrainingParams(),
            image_size=SIDE,
            device=torch.device("cpu"),
            memory_format=torch.contiguous_format,
            group=group or Group(),
        )

    return make
