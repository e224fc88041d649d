"""Models and images that inference mode made, given to everything of the library that takes a model."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from meddef_lib import evaluation, models
from meddef_lib.attacks.folding import fast_copy
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.evaluation import saliency
from meddef_lib.inference_mode import ordinary
from meddef_lib.pruning import prunable, prune
from tests.attacks.test_registry import SETTINGS

CLASSES = 3


def given():
    """A model, images and labels; with the same seed the same values."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, CLASSES),
    ]
    return nn.Sequential(*layers), torch.rand(2, 3, 8, 8), torch.tensor([0, 1])


def adversarial(attack, model, images, labels):
    found = ATTACKS[attack](model, images, labels, **SETTINGS[attack])
    assert not found.is_inference(), "the caller may go on with it anywhere"
    return found


def records(attack, model, images, labels):
    found = evaluation.attack(model, images, labels, attack, SETTINGS[attack])
    return found[["clean_pred", "adv_pred", "linf", "l2", "zero_gradient"]].to_numpy(np.float64)


CALLS = {
    **{attack: lambda *given, attack=attack: adversarial(attack, *given) for attack in ATTACKS},
    **{f"{attack} records": lambda *given, attack=attack: records(attack, *given) for attack in ATTACKS},
    "fast copy": lambda model, images, _: fast_copy(model, images)(images),
    "prune": lambda model, *_: torch.cat(
        [w.detach().flatten() for w in prunable(prune(model, 0.5)).values()]
    ),
}


@pytest.mark.parametrize("called_within", [False, True], ids=["called outside", "called within"])
@pytest.mark.parametrize("made_within", ["model and images", "images", "nothing"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_inference_mode_made_gives_what_any_other_gives(call, made_within, called_within):
    expected = call(*given())
    model, images, labels = given()
    with torch.inference_mode():
        if made_within != "nothing":
            images, labels = images.clone(), labels.clone()
        if made_within == "model and images":
            model, _, _ = given()
            assert model[0].weight.is_inference()
    before = copy.deepcopy(model.state_dict()), images.clone()
    with torch.inference_mode(called_within):
        found = call(model, images, labels)
    np.testing.assert_array_equal(found, expected)
    assert all(torch.equal(before[0][name], value) for name, value in model.state_dict().items())
    assert torch.equal(before[1], images)


@pytest.mark.parametrize("called_within", [False, True])
def test_saliency_of_what_inference_mode_made(called_within):
    def of(model, images, classes):
        maps = saliency.grad_cam(model, images, classes)
        areas = [measure(model, images, maps.drawn, classes, steps=2) for measure in MEASURES]
        return [maps.coarse, maps.drawn, *areas]

    MEASURES = (saliency.deletion, saliency.insertion)
    torch.manual_seed(0)
    images, classes = torch.rand(2, 3, 64, 64), torch.tensor([0, 1])
    expected = of(models.build("full", 2), images, classes)
    with torch.inference_mode():
        model, within, labels = models.build("full", 2), images.clone(), classes.clone()
    with torch.inference_mode(called_within):
        found = of(model, within, labels)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_only_what_inference_mode_made_is_copied():
    model, images, _ = given()
    assert ordinary(model) is model
    assert ordinary(images) is images
    assert ordinary("pgd") == "pgd"
    with torch.inference_mode():
        model[1].running_mean = model[1].running_mean.clone()
    fresh = ordinary(model)
    assert fresh is not model
    assert not any(value.is_inference() for value in fresh.state_dict().values())
