import numpy as np
import pytest
import torch
from torch import nn

from meddef_lib.params import TrainingParams
from meddef_lib.training import validation
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.distributed import Group
from meddef_lib.training.validation import Measured

PARAMS = TrainingParams(validation_steps=3)


class Dark(nn.Module):
    """Answers 1 for images darker than 0.4 on average, and turns with the least gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images):
        dark = (0.4 - images.mean(dim=(1, 2, 3))) * 10 * self.weight
        return torch.stack([-dark, dark], dim=1)


def image_set(grey_levels, labels):
    pixels = np.stack([np.full((16, 16), level, np.uint8) for level in grey_levels])
    return ImageSet(pixels, np.arange(len(pixels)), np.array(labels, dtype=np.int64))


def measure(learner, images, exposed, **settings):
    settings = {"num_classes": 2, "batch_size": 4, "group": Group(), **settings}
    return validation.measure(learner, images, exposed, **settings)


def test_70_percent_are_attacked_and_each_image_is_in_one_group():
    exposed = validation.exposure(50, "paper", PARAMS, seed=3)

    assert len(exposed.attacked) == 35
    assert sorted([*exposed.attacked, *exposed.spared]) == list(range(50))
    again, other = (validation.exposure(50, "paper", PARAMS, seed=seed).attacked for seed in (3, 4))
    assert np.array_equal(exposed.attacked, again)
    assert not np.array_equal(exposed.attacked, other)


@pytest.mark.parametrize(
    ("mode", "settings", "eps"),
    [
        ("paper", {}, 0.03),
        ("pgd", {}, 0.02),
        ("fast", {"reference_eps": 0.05}, 0.05),
    ],
)
def test_the_budget_is_the_one_that_the_mode_ends_with(mode, settings, eps):
    exposed = validation.exposure(10, mode, TrainingParams(**settings), seed=0)

    assert exposed.eps == eps
    assert exposed.step_size == pytest.approx(2.5 * eps / 10)


def test_clean_training_attacks_no_validation_image():
    assert not len(validation.exposure(10, "clean", PARAMS, seed=0).attacked)


def test_accuracies_are_counted_by_hand(learner_of):
    # grey 80 lies 0.09 under the threshold, 110 lies 0.03 over it: an attack of 0.05 turns the second kind
    images = image_set([80, 80, 110, 110, 110, 110, 110, 80], [1, 1, 0, 0, 0, 0, 0, 0])
    exposed = validation.Exposure(
        attacked=np.array([0, 2, 3, 7]),
        spared=np.array([1, 4, 5, 6]),
        eps=0.05,
        step_size=0.02,
        steps=5,
        seed=0,
    )

    found = measure(learner_of(Dark()), images, exposed)

    assert found.clean_accuracy == pytest.approx(7 / 8)
    assert found.clean_balanced_accuracy == pytest.approx((1 + 5 / 6) / 2)
    assert found.adversarial_accuracy == pytest.approx(1 / 4)
    assert found.exposed_balanced_accuracy == pytest.approx((1 + 3 / 6) / 2)


def test_a_network_with_one_answer_does_not_beat_a_good_one_that_falls_to_the_attack():
    one_answer = Measured(0.7, 0.5, 0.5, 0.5, 0.5)
    good = Measured(1.5, 0.95, 0.95, 0.1, 0.35)

    assert good.criterion > one_answer.criterion


def test_without_attacks_the_criterion_is_the_clean_balanced_accuracy(learner_of):
    images = image_set([80, 110, 110], [1, 0, 0])

    found = measure(learner_of(Dark()), images, validation.exposure(3, "clean", PARAMS, seed=0))

    assert found.adversarial_accuracy is None
    assert found.criterion == found.clean_balanced_accuracy == 1


def test_a_class_without_images_does_not_count(learner_of):
    images = image_set([80, 80, 110], [1, 1, 1])

    found = measure(learner_of(Dark()), images, validation.exposure(3, "clean", PARAMS, seed=0))

    assert found.clean_balanced_accuracy == pytest.approx(2 / 3)


def test_measuring_twice_gives_the_same_and_changes_nothing(tiny, learner_of, sets):
    learner = learner_of(tiny)
    before = {name: value.clone() for name, value in tiny.state_dict().items()}
    exposed = validation.exposure(len(sets[1]), "paper", PARAMS, seed=0)

    once, again = (measure(learner, sets[1], exposed, batch_size=6) for _ in range(2))

    assert once == again
    assert tiny.training
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())


def test_two_processes_share_the_batches(tiny, learner_of, sets, monkeypatch):
    summed = []
    monkeypatch.setattr(Group, "sum_", lambda self, tensor: summed.append(tensor.clone()))
    exposed = validation.exposure(len(sets[1]), "paper", PARAMS, seed=0)
    learner = learner_of(tiny)

    for group in (Group(), Group(0, 2), Group(1, 2)):
        measure(learner, sets[1], exposed, batch_size=4, group=group)
    confusions, lost = summed[::2], summed[1::2]

    assert torch.equal(confusions[0], confusions[1] + confusions[2])
    assert torch.allclose(lost[0], lost[1] + lost[2])
