"""Defences on cases with known answers: what each computes, and what attacks can see of it."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from meddef_lib.attacks.calling import Trace, input_gradients, is_zero
from meddef_lib.attacks.folding import fast_copy
from meddef_lib.attacks.gradient import bim
from meddef_lib.attacks.objectives import cross_entropy
from meddef_lib.declared import load
from meddef_lib.defences import DEFENCES, UNDEFENDED
from meddef_lib.defences.bit_depth import reduced
from meddef_lib.defences.jpeg import compressed, smoothed
from meddef_lib.defences.median_filter import median
from meddef_lib.params.studies import DefencesParams

CLASSES, SIDE = 3, 16
INPUT_TRANSFORMATIONS = ("jpeg", "median_filter", "bit_depth")
BUDGET = {"eps": 0.1, "step_size": 0.02, "steps": 10}


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, CLASSES)).eval()


def defended(name, networks, **settings):
    entry = DEFENCES[name]
    return load(entry.root)(networks, **entry.settings(DefencesParams()) | settings)


def gradient(model, images, labels):
    with input_gradients(model) as input_gradient:
        return input_gradient(images.clone(), lambda logits: cross_entropy(logits, labels))[2]


@pytest.fixture
def images():
    """Four images between grey levels 25 and 230, smooth enough for a JPEG to keep."""
    grey = np.random.default_rng(0).uniform(size=(4, 3, SIDE, SIDE)).astype(np.float32)
    blurred = [[cv2.GaussianBlur(channel, (0, 0), 2) for channel in image] for image in grey]
    low, high = np.min(blurred), np.max(blurred)
    return torch.from_numpy(0.1 + 0.8 * (np.asarray(blurred) - low) / (high - low))


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 2, 0])


def every_defence():
    plain = [network(seed) for seed in range(3)]
    for name, entry in DEFENCES.items():
        count = 3 if entry.members else 1 + len(entry.networks)
        yield name, defended(name, plain[:count])


def test_a_defence_answers_alike_in_every_batch_and_every_time(images):
    for name, found in every_defence():
        with torch.no_grad():
            together, alone = found.network(images), torch.cat([found.network(one[None]) for one in images])
        torch.testing.assert_close(together, alone, msg=name)
        assert torch.equal(together, found.network(images)), name


def test_what_adaptive_attacks_look_at_answers_as_the_defence_does(images):
    for name, found in every_defence():
        with torch.no_grad():
            expected = found.network(images)
            for view in found.adaptive.values():
                scale = DEFENCES[name].settings(DefencesParams()).get("temperature", 1)
                torch.testing.assert_close(scale * view(images), expected, msg=name)


def test_every_defence_has_a_gradient_that_an_adaptive_attack_can_follow(images, labels):
    for name, found in every_defence():
        for view in found.adaptive.values():
            assert not is_zero(gradient(view, images, labels)).any(), name
        strongest = next(iter(found.adaptive.values()))
        assert DEFENCES[name].examined == 1 + (strongest is not found.network), name
        assert bool(found.weak) == (name != UNDEFENDED)


def test_defended_networks_are_copied_for_attacks_as_any_other(images):
    for _, found in every_defence():
        for view in found.adaptive.values():
            torch.testing.assert_close(fast_copy(view, images[:2])(images), view(images))


@pytest.mark.parametrize("name", INPUT_TRANSFORMATIONS)
def test_straight_through_is_the_gradient_of_the_network_at_the_transformed_image(name, images, labels):
    plain = network()
    found = defended(name, [plain]).adaptive["BPDA, straight-through"]
    transformed = found.transformation(images)
    assert not torch.equal(transformed, images)
    torch.testing.assert_close(gradient(found, images, labels), gradient(plain, transformed, labels))


def test_a_quantiser_shows_no_gradient_and_falls_to_straight_through():
    """Of two levels an image at 0.55 counts as 1; within 0.1 of it there are images that count as 0."""
    values = 3 * SIDE**2
    plain = nn.Sequential(nn.Flatten(), nn.Linear(values, 2))
    with torch.no_grad():
        plain[1].weight.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, values) / values)
        plain[1].bias.copy_(torch.tensor([-0.5, 0.5]))
    found = defended("bit_depth", [plain.eval()], bits=1)
    images, labels = torch.full((2, 3, SIDE, SIDE), 0.55), torch.zeros(2, dtype=torch.int64)
    assert (found.network(images).argmax(dim=1) == labels).all()

    naive, trace = bim(found.network, images, labels, **BUDGET, trace=(told := Trace())), told
    assert torch.equal(naive, images)
    assert trace.zero_gradient.all()

    adaptive = bim(found.adaptive["BPDA, straight-through"], images, labels, **BUDGET)
    assert (found.network(adaptive).argmax(dim=1) != labels).all()
    assert (adaptive - images).abs().max() <= BUDGET["eps"] + 1e-6


def test_bits_are_levels():
    levels = reduced(torch.linspace(0, 1, 1000), 2).unique()
    torch.testing.assert_close(levels, torch.tensor([0, 1 / 3, 2 / 3, 1]))
    grey = torch.arange(256) / 255
    torch.testing.assert_close(reduced(grey, 8), grey)


@pytest.mark.parametrize("size", [3, 5])
def test_the_median_is_opencv_s(images, size):
    expected = [[cv2.medianBlur(channel, size) for channel in image.numpy()] for image in images]
    assert np.array_equal(median(images, size).numpy(), np.asarray(expected))


def test_the_gradient_of_a_median_leads_to_the_pixel_that_is_it():
    values = torch.tensor([[9.0, 2, 7], [4, 5, 1], [3, 8, 6]])[None, None] / 10
    values.requires_grad_(True)
    median(values, 3)[..., 1, 1].sum().backward()
    assert torch.equal(values.grad[0, 0], torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]))


@pytest.fixture
def films(images):
    """The same in grey: three equal channels."""
    return images[:, :1].expand(-1, 3, -1, -1).contiguous()


def test_the_best_jpeg_is_nearly_the_image_and_a_poor_one_is_not(films):
    assert (compressed(films, 100) - films).abs().max() < 0.02
    assert (compressed(films, 5) - films).abs().max() > 0.05


def test_jpeg_keeps_the_order_of_the_channels():
    red = torch.zeros(1, 3, SIDE, SIDE)
    red[:, 0] = 0.9
    torch.testing.assert_close(compressed(red, 95), red, atol=0.03, rtol=0)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_smoothed_jpeg_is_nearer_to_jpeg_than_the_image_is_and_can_be_differentiated(images, quality):
    point = images.clone().requires_grad_(True)
    found = smoothed(point, quality)
    apart = [(one - compressed(images, quality)).abs().mean() for one in (found, images)]
    assert apart[0] < apart[1] / 2
    (slope,) = torch.autograd.grad(found.square().sum(), point)
    assert not is_zero(slope).any()
    assert not torch.allclose(slope, 2 * found)  # that would be straight-through


def test_the_logits_of_a_distilled_network_hide_a_gradient_that_division_brings_back(images, labels):
    plain, student = network(0), network(1)
    with torch.no_grad():
        student[1].weight *= 1e5
        answers = student(images).argmax(dim=1)
    found = defended("distillation", [plain, student], temperature=1e5)
    assert found.network is student
    (view,) = found.adaptive.values()
    torch.testing.assert_close(1e5 * view(images), student(images))
    assert is_zero(gradient(found.network, images, answers)).all()
    assert not is_zero(gradient(view, images, answers)).any()


def test_an_ensemble_of_equal_networks_is_the_network(images):
    same = network()
    found = defended("ensemble", [same] * 3).network
    torch.testing.assert_close(found(images), same(images).log_softmax(dim=1))


def test_an_ensemble_answers_with_the_mean_of_probabilities(images):
    members = [network(seed) for seed in range(2)]
    found = defended("ensemble", members, members=2).network
    expected = sum(member(images).softmax(dim=1) for member in members) / 2
    torch.testing.assert_close(found(images).softmax(dim=1), expected)
