"""What the checks make of networks whose robustness is known to be real, or not: small ones, trained here."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from meddef_lib.attacks.gradient import pgd
from meddef_lib.diagnostics import CHECKS, check, strength
from meddef_lib.diagnostics.catalogue import USED
from meddef_lib.diagnostics.strength import least_to_fail, not_weaker
from meddef_lib.diagnostics.subject import AttackOutcome, Subject
from meddef_lib.params.studies import DiagnosticsParams

EPS = 0.1
EFFORT = DiagnosticsParams(steps=5, most_steps=15, restarts=2, queries=60)


def images_of(seed, count=96):
    """A bright bar on the left or on the right of a noisy 8 x 8 image, its side the label."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.35 + 0.3 * torch.rand(count, 3, 8, 8, generator=generator)
    labels = torch.arange(count) % 2
    images[labels == 0, :, :, 1:3] += 0.2
    images[labels == 1, :, :, 5:7] += 0.2
    return images, labels


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 16),
        nn.ReLU(),
        nn.Linear(16, 2),
    )


def fitted(model, *, steps=60, crafted=None, teacher=None, temperature=1.0):
    """Trained on images, or those that `crafted` makes of them, on labels or on a teacher's probabilities."""
    images, labels = images_of(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        batch = crafted(model, images, labels) if crafted else images
        optimizer.zero_grad()
        logits = model.train()(batch) / temperature
        if teacher is None:
            loss = cross_entropy(logits, labels)
        else:
            with torch.no_grad():
                soft = softmax(teacher.eval()(batch) / temperature, dim=1)
            loss = kl_div(log_softmax(logits, dim=1), soft, reduction="batchmean")
        loss.backward()
        optimizer.step()
    return model.eval()


class Before(nn.Module):
    """A network behind a change of its input."""

    def __init__(self, change, model):
        super().__init__()
        self.change, self.model = change, model

    def forward(self, images):
        return self.model(self.change(images))


class After(Before):
    """A network whose answer is changed."""

    def forward(self, images):
        return self.change(self.model(images))


def examined(model, count=24, **further):
    images, labels = images_of(2, count)
    found = check(model, images, labels, eps=EPS, effort=EFFORT, **further)
    return {one.name: one for one in found}


def having(found, status):
    return {name for name, one in found.items() if one.status == status}


def attacked(model, images, labels):
    return pgd(model, images, labels, eps=0.05, step_size=0.02, steps=3)


@pytest.fixture(scope="module")
def clean():
    return fitted(network())


@pytest.fixture(scope="module")
def other():
    return fitted(network(1))


# --- what is real ---------------------------------------------------------------------------------


def test_a_clean_trained_network_is_weak_and_not_masked(clean, other):
    found = examined(clean, surrogate=other)
    assert set(found) == set(CHECKS)
    assert having(found, "fail") == set()
    assert found["iterative"].value <= 0
    assert found["unbounded"].value == 0


def test_an_adversarially_trained_network_is_not_flagged():
    assert having(examined(fitted(network(), crafted=attacked)), "fail") == set()


def test_an_honest_linear_network_is_not_flagged():
    assert having(examined(fitted(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))), "fail") == set()


# --- what is not ----------------------------------------------------------------------------------


def test_a_huge_scale_of_the_logits_is_flagged(clean):
    found = examined(After(lambda logits: 1e4 * logits, clean))
    assert having(found, "fail") >= {"losses", "zero_gradient", "loss_surface", "unbounded"}


def test_a_quantised_input_is_flagged(clean, other):
    found = examined(Before(lambda images: (4 * images).round() / 4, clean), surrogate=other)
    assert having(found, "fail") >= {"zero_gradient", "loss_surface", "transfer", "unbounded"}


def test_a_random_layer_is_flagged(clean):
    torch.manual_seed(0)
    found = examined(Before(lambda images: images + 0.2 * torch.randn_like(images), clean))
    assert having(found, "fail") >= {"deterministic", "folded"}
    assert "differently each time" in found["folded"].text, "which says nothing of batch normalisation"


def test_probabilities_in_the_place_of_logits_are_flagged(clean):
    assert having(examined(After(lambda logits: logits.softmax(1), clean)), "fail") == {"logits"}


def test_one_answer_to_every_image_is_not_taken_for_probabilities(clean):
    found = examined(After(lambda logits: 0 * logits + torch.eye(logits.shape[1])[0], clean))["logits"]
    assert found.status == "warn"
    assert "the same numbers for every image" in found.text


def test_a_sigmoid_in_the_place_of_logits_is_warned_of(clean):
    found = examined(After(lambda logits: (logits - 9).sigmoid(), clean))["logits"]
    assert (found.status, found.value) == ("warn", 0)
    assert "sigmoid" in found.text


@pytest.mark.parametrize(
    "change",
    [lambda images: images.detach(), lambda images: (images * 255).to(torch.uint8).float() / 255],
    ids=["detached", "in whole numbers"],
)
def test_a_network_without_a_gradient_is_flagged(change, clean):
    found = examined(Before(change, clean))
    assert {name: one.status for name, one in found.items()} == {
        "logits": "pass",
        "deterministic": "pass",
        "zero_gradient": "fail",
    }


def test_a_distilled_network_is_flagged():
    teacher = fitted(network(), temperature=100, steps=120)
    student = fitted(network(1), teacher=teacher, temperature=100, steps=120)
    assert having(examined(student), "fail") >= {"losses", "zero_gradient"}


def test_a_network_that_answers_one_class_is_flagged(clean):
    found = examined(After(lambda logits: 1e-3 * logits + torch.tensor([5.0, 0.0]), clean))
    assert having(found, "fail") == {"answers"}


def test_a_network_that_goes_by_brightness_is_warned_of():
    class Brightness(nn.Module):
        def forward(self, images):
            level = 20 * (images.mean((1, 2, 3)) - 0.5)
            return torch.stack([-level, level], dim=1)

    images = torch.stack([torch.full((3, 8, 8), level) for level in (0.42, 0.58)] * 12)
    found = check(Brightness(), images, torch.arange(24) % 2, eps=EPS, effort=EFFORT)
    assert having({one.name: one for one in found}, "warn") == {"one_sign"}


def test_images_that_are_none_are_refused(clean):
    images, labels = images_of(2, 4)
    with pytest.raises(ValueError, match="reach from"):
        check(clean, 2 * images, labels)
    with pytest.raises(ValueError, match="there are none"):
        check(clean, images[:0], labels[:0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": torch.tensor([0, 1, 2, 3])}, "labels reach from 0 to 3, and the model tells"),
        ({"labels": torch.full((4,), -100)}, "labels reach from -100 to -100"),
        ({"eps": 0.0}, "a budget above 0"),
        ({"eps": 1.5}, "at most 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"model": nn.Linear(1, 1).bfloat16()}, "torch.bfloat16 and the images torch.float32"),
        ({"model": nn.Flatten(0)}, "expected logits"),
    ],
)
def test_arguments_that_are_none_are_refused_in_a_sentence(clean, changes, words):
    images, labels = images_of(2, 4)
    given = {"model": clean, "images": images, "labels": labels} | changes
    with pytest.raises(ValueError, match=words):
        check(given.pop("model"), given.pop("images"), given.pop("labels"), effort=EFFORT, **given)


def test_the_images_of_the_caller_stay_as_they_are():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(192, 2)

        def forward(self, images):
            images.detach().zero_()
            return self.linear(images.flatten(1))

    images, labels = images_of(2, 4)
    before = images.clone()
    with suppress(ValueError):  # such a network may well be refused
        check(Writes(), images, labels, effort=EFFORT)
    assert torch.equal(images, before)


# --- each comparison, on outcomes that are made up ------------------------------------------------


class Planted(Subject):
    """A subject whose attacks fool the share of its images that a function says, the first ones first."""

    def __init__(self, fooled, *, n=40):
        images, labels = images_of(3, n)
        settings = {"eps": 0.05, "effort": DiagnosticsParams(), "seed": 0, "batch_size": n}
        model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        super().__init__(model=model, images=images, labels=labels, ids=labels, surrogate=model, **settings)
        self.fooled = fooled

    def under(self, attack, **settings):
        shares = np.broadcast_to(self.fooled(attack, settings), 2)  # at the final image, at any iterate
        final, ever = (np.arange(self.n) < round(share * self.n) for share in shares)
        return AttackOutcome(final.astype(np.int64), final, ever)


WEAK = {
    "larger_budget": lambda attack, its: 0.9 if its["eps"] == 0.1 else 0.2,
    "unbounded": lambda attack, its: 0.2,
    "iterative": lambda attack, its: 0.9 if attack == "fgsm" else 0.2,
    "more_steps": lambda attack, its: 0.9 if its["steps"] == 10 else 0.2,
    "more_restarts": lambda attack, its: 0.2 if its.get("restarts") else 0.9,
    "smaller_steps": lambda attack, its: 0.2 if its["steps"] == 80 else 0.9,
    "final_image": lambda attack, its: (0.2, 0.6),
    "losses": lambda attack, its: 0.9 if attack == "apgd_dlr" else 0.2,
    "noise": lambda attack, its: 0.9 if attack == "uniform_noise" else 0.2,
    "transfer": lambda attack, its: 0.9 if its.get("on") else 0.2,
    "square": lambda attack, its: 0.9 if attack == "square" else 0.2,
    "folded": lambda attack, its: 0.2 if its.get("on") else 0.9,
    "bfloat16": lambda attack, its: 0.2 if its.get("on") else 0.9,
}


@pytest.mark.parametrize("name", WEAK)
def test_an_attack_that_should_be_stronger_and_is_not_fails(name):
    found = getattr(strength, name)(Planted(WEAK[name]))
    assert (found.name, found.status) == (name, "fail")
    assert found.value > 0
    assert found.ci_low <= found.value <= found.ci_high


@pytest.mark.parametrize("name", WEAK)
def test_equal_attacks_pass(name):
    assert getattr(strength, name)(Planted(lambda attack, its: 0.9)).status == "pass"


def test_no_attack_is_used_that_the_key_of_a_cell_does_not_know():
    asked = set()
    subject = Planted(lambda attack, its: asked.add(attack) or 0.5)
    for name in WEAK:
        getattr(strength, name)(subject)
    assert asked == set(USED)


@pytest.mark.parametrize("name", ["more_steps", "more_restarts"])
def test_an_attack_that_goes_on_gaining_is_warned_of(name):
    more = Planted(lambda attack, its: 0.9 if its["steps"] == 200 or its.get("restarts") else 0.2)
    found = getattr(strength, name)(more)
    assert found.status == "warn"
    assert "20.0 % become 90.0 %" in found.text


def test_a_difference_within_noise_is_no_failure_and_a_small_proven_one_a_warning():
    weak, strong = np.arange(48) < 13, np.arange(48) < 10
    within = not_weaker("noise", {"": (weak, strong)}, "{weaker} and {stronger}.")
    assert (within.status, round(within.value, 4)) == ("pass", 0.0625)
    assert "within noise on 48 images" in within.text
    weak, strong = np.arange(1000) < 520, np.arange(1000) < 500
    assert not_weaker("noise", {"": (weak, strong)}, "").status == "warn"


def test_too_few_images_to_fail_on_are_said():
    fooled = {"one": (np.ones(5, bool), np.zeros(5, bool))}
    few = not_weaker("noise", fooled, "{pair}")
    assert (few.status, least_to_fail(1)) == ("pass", 6)
    assert "5 images are too few for this check to fail: it takes 6." in few.text
    enough = {"one": (np.ones(6, bool), np.zeros(6, bool))}
    assert not_weaker("noise", enough, "{pair}").status == "fail"
