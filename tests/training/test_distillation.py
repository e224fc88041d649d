"""Defensive distillation: a student learns what the teacher answers, and goes on where it stopped."""

from itertools import count

import pandas as pd
import pytest
import torch
from torch import nn

from meddef_lib.models import files
from meddef_lib.params import TrainingParams
from meddef_lib.training import distillation, loop, settings
from meddef_lib.training.distillation import answers_of
from meddef_lib.training.loop import Diverged
from tests.training.test_cell import prepared_folder, workspace  # noqa: F401  (a fixture)
from tests.training.test_loop import Interrupted, interrupt_at, same, weights


class Opposite(nn.Module):
    """A teacher that takes the classes for each other, as surely as `scale` says."""

    def __init__(self, network, scale=1.0):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, images):
        return self.scale * self.network(images).flip(1)


@pytest.fixture
def teacher(tmp_path, new_tiny, sets, short, plan_of):
    """A network that tells the two classes apart, and says the other one."""
    network = new_tiny(seed=1)
    loop.fit(network, *sets, plan_of(short, "clean"), work=tmp_path / "teacher")
    return Opposite(network, scale=3.0).eval()


def test_the_student_learns_the_teacher_s_answers_and_not_the_labels(
    tmp_path, tiny, sets, short, plan_of, teacher
):
    plan = plan_of(short, "clean")
    found = loop.fit(tiny, *sets, plan, work=tmp_path / "work", loss_of=answers_of(teacher))
    assert found.history["epoch"].tolist() == [1, 2, 3, 4]
    assert found.history["train_loss"].iloc[-1] < found.history["train_loss"].iloc[0]
    # the best epoch by labels is the one that has learnt the least of this teacher
    assert found.history["train_clean_accuracy"].iloc[-1] < 0.4


def test_a_sure_teacher_is_as_good_as_labels(tmp_path, new_tiny, sets, short, plan_of, teacher):
    """Answers of 0 and 1 are labels: the same order, augmentation and dropout lead to the same weights."""
    by_labels, by_answers = new_tiny(), new_tiny()
    plan = plan_of(short, "clean")
    told = Told(sets[0])
    loop.fit(by_labels, *sets, plan, work=tmp_path / "labels")
    loop.fit(by_answers, *sets, plan, work=tmp_path / "answers", loss_of=answers_of(told))
    for name, value in by_labels.state_dict().items():
        torch.testing.assert_close(by_answers.state_dict()[name], value, msg=name)


class Told(nn.Module):
    """Knows the label by the dark square, whatever else was done to the image."""

    def __init__(self, images):
        super().__init__()
        dark = images.pixels[images.rows][:, 6:10, 6:10].mean(axis=(1, 2)) / 255
        self.between = (dark[images.labels == 0].min() + dark[images.labels == 1].max()) / 2

    def forward(self, images):
        dark = images[:, :, 6:10, 6:10].mean(dim=(1, 2, 3)) < self.between
        return 1e4 * torch.stack([~dark, dark], dim=1).float()


def test_interrupted_it_ends_with_the_weights_of_an_undisturbed_run(
    tmp_path, new_tiny, sets, short, plan_of, teacher
):
    plan = plan_of(short, "clean")
    undisturbed, resumed = new_tiny(), new_tiny()
    loop.fit(undisturbed, *sets, plan, work=tmp_path / "a", loss_of=answers_of(teacher))
    with pytest.raises(Interrupted):
        loop.fit(
            new_tiny(),
            *sets,
            plan,
            work=tmp_path / "b",
            progress=interrupt_at(5),
            loss_of=answers_of(teacher),
        )
    loop.fit(resumed, *sets, plan, work=tmp_path / "b", loss_of=answers_of(teacher))
    assert same(weights(undisturbed), weights(resumed))


def test_a_loss_that_is_not_finite_stops_with_its_place(tmp_path, tiny, sets, short, plan_of, teacher):
    answer, calls = teacher.forward, count(1)
    teacher.forward = lambda images: answer(images) * (float("nan") if next(calls) >= 3 else 1)
    with pytest.raises(Diverged, match=r"the loss became nan.*in epoch 1, batch 3"):
        loop.fit(tiny, *sets, plan_of(short, "clean"), work=tmp_path / "work", loss_of=answers_of(teacher))


def test_a_cell_holds_the_student_whose_logits_are_those_at_a_temperature_of_one(
    tmp_path,
    prepared_folder,  # noqa: F811
    monkeypatch,
):
    space = workspace(tmp_path / "cell", prepared_folder)
    space.settings["temperature"] = 20.0
    space.settings["training"] = settings.of_mode(TrainingParams(epochs=1, batch_size=8), "clean")
    trained = []

    def noted(network, *rest, **more):
        trained.append(network)
        return loop.fit(network, *rest, **more)

    monkeypatch.setattr(distillation, "fit", noted)
    distillation.make(space)
    _, student = trained
    images = torch.rand(2, 3, 32, 32)
    student.eval()
    torch.testing.assert_close(files.load(space.folder)(images), 20 * student(images))
    assert len(pd.read_parquet(space.folder / "history.parquet")) == 1
