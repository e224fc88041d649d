"""The worst case: no weaker than any of its attacks, and an image that has fallen is let go."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks import worst_case as cascade
from meddef_lib.attacks.apgd import apgd_ce, apgd_dlr, apgd_targeted
from meddef_lib.attacks.calling import Trace, misclassified
from meddef_lib.attacks.gradient import pgd
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.attacks.square import square
from meddef_lib.attacks.worst_case import worst_case
from meddef_lib.params.profile import AttackParams

SETTINGS = {"step_size": 0.01, "steps": 2, "restarts": 2, "apgd_steps": 2, "queries": 60}
STAGES = list(ATTACKS["worst_case"].stages)


class Rounded(nn.Module):
    """Few grey levels, and with them a gradient of 0 everywhere."""

    def forward(self, images):
        return (16 * images).round() / 16 + 0 * images


def network(classes, first=None):
    """A small network that bends, so that attacks differ: (n, 3, 6, 6) to logits, in float64."""
    generator = torch.Generator().manual_seed(classes + 20)
    layers = [nn.Conv2d(3, 6, 3), nn.SiLU(), nn.Flatten(), nn.Linear(96, classes)]
    model = nn.Sequential(first or nn.Identity(), *layers).double()
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator, dtype=torch.float64))
    return model


def images_and_labels(model, count=48):
    generator = torch.Generator().manual_seed(7)
    images = torch.rand(count, 3, 6, 6, dtype=torch.float64, generator=generator)
    labels = model(images).argmax(dim=1)
    labels[:4] = (labels[:4] + 1) % model[-1].out_features  # misclassified before any attack
    return images, labels


def alone(model, images, labels, **settings):
    """Which images each of the attacks makes the network get wrong, by itself and with the same seed."""
    known = {"eps": settings.pop("eps"), "seed": 3, "image_ids": torch.arange(len(images))}
    steps = {name: settings[name] for name in ("step_size", "steps", "restarts")}
    found = {
        "pgd": pgd(model, images, labels, **known, **steps, early_stop=True),
        "apgd_ce": apgd_ce(model, images, labels, **known, steps=settings["apgd_steps"]),
        "apgd_targeted": apgd_targeted(model, images, labels, **known, steps=settings["apgd_steps"]),
        "square": square(model, images, labels, **known, queries=settings["queries"]),
    }
    assert list(found) == STAGES
    return {name: misclassified(model(adversarial), labels) for name, adversarial in found.items()}


@pytest.mark.parametrize(
    ("classes", "first", "finding"),
    [
        (2, None, {"pgd", "apgd_ce"}),
        (3, None, {"pgd", "apgd_ce"}),
        (6, None, {"pgd", "apgd_ce"}),
        (3, Rounded(), {"pgd", "square"}),
    ],
)
def test_it_is_no_weaker_than_any_of_its_attacks_and_says_which_took_an_image(classes, first, finding):
    model = network(classes, first)
    images, labels = images_and_labels(model)
    before = misclassified(model(images), labels)
    trace, ids = Trace(), torch.arange(len(images))
    call = {"eps": 0.05, "seed": 3, "image_ids": ids, **SETTINGS}
    adversarial = worst_case(model, images, labels, **call, trace=trace)
    fallen = misclassified(model(adversarial), labels)
    by_attack = alone(model, images, labels, eps=0.05, **SETTINGS)
    expected = before.clone()
    most = ATTACKS["worst_case"].most_steps(SETTINGS, classes)
    least = 0
    for name in STAGES:
        taken = by_attack[name] & ~expected
        assert (fallen >= by_attack[name])[~before].all(), name
        assert taken.any() or name not in finding, name
        assert ((least <= trace.steps_used) & (trace.steps_used <= most[name]))[taken].all(), name
        expected, least = expected | taken, most[name] + 1
    assert torch.equal(fallen, expected), "and finds no more than they do together"
    assert 0 < (~fallen).sum() < (~before).sum(), "some stand, so that all attacks were asked"
    assert (trace.steps_used[~fallen] == most["square"] + 1).all()
    assert (trace.steps_used[before] == 0).all()
    assert torch.equal(adversarial[before], images[before])


def test_an_image_that_fell_meets_no_further_attack(monkeypatch):
    """Each attack turns one image of those that it is shown, the first of them, and no other."""
    shown = {}

    def stub(name):
        def attack(model, images, labels, *, image_ids, seed, trace, **settings):
            assert seed == 5
            shown[name] = image_ids.tolist()
            trace.steps_used = torch.full_like(labels, 2)
            turned = images.clone()
            turned[0] = 1.0
            return turned

        return attack

    for name in STAGES:
        monkeypatch.setattr(cascade, name, stub(name))
    images = torch.full((6, 1, 2, 2), 0.2)
    images[2] = 0.9  # misclassified before
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[0.0] * 4, [1.0] * 4]))
        model[1].bias.copy_(torch.tensor([2.0, 0.0]))
    trace = Trace()
    call = {"eps": 1.0, "seed": 5, "image_ids": torch.arange(10, 16), **SETTINGS}
    found = worst_case(model, images, torch.zeros(6, dtype=torch.int64), **call, trace=trace)
    assert shown == {
        "pgd": [10, 11, 13, 14, 15],
        "apgd_ce": [11, 13, 14, 15],
        "apgd_targeted": [13, 14, 15],
        "square": [14, 15],
    }
    assert found.flatten(1).amax(dim=1).tolist() == pytest.approx([1, 1, 0.9, 1, 1, 0.2])
    assert trace.steps_used.tolist() == [2, 3 + 2, 0, 6 + 2, 9 + 2, 12], "one more for each that it outlasts"


def test_of_two_classes_the_targeted_attack_is_the_one_on_the_margin():
    model = network(2)
    images, labels = images_and_labels(model, 8)
    call = {"eps": 0.02, "steps": 8, "seed": 1}
    assert torch.equal(apgd_targeted(model, images, labels, **call), apgd_dlr(model, images, labels, **call))


def test_what_it_costs_is_what_its_attacks_cost():
    entry, settings = ATTACKS["worst_case"], {"steps": 40, "step_size": 0.01}
    of_four = entry.gradients(settings, image_size=64, num_classes=4)
    assert of_four == pytest.approx(5 * 40 + 101 + 3 * 101 + 5000 / 3)
    assert entry.gradients(settings, image_size=64, num_classes=2) == pytest.approx(of_four - 2 * 101)
    own = {"restarts": 2, "apgd_steps": 10, "queries": 30}
    assert entry.most_steps(settings | own, 4) == {
        "pgd": 80,
        "apgd_ce": 81 + 10,
        "apgd_targeted": 92 + 30,
        "square": 123 + 30,
    }
    assert entry.settings(AttackParams()) == settings | {"restarts": 5, "apgd_steps": 100, "queries": 5000}
