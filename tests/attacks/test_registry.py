"""What must be true of every attack, as its entry in the registry says."""

from inspect import Parameter, signature
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from meddef_lib.attacks import ATTACKS
from meddef_lib.attacks.trace import Trace

CLASSES = 3
SHAPE = (2, 4, 4)

SETTINGS = {
    "fgsm": {"eps": 0.1},
    "bim": {"eps": 0.1, "step_size": 0.04, "steps": 4},
    "pgd": {"eps": 0.1, "step_size": 0.04, "steps": 4},
    "jsma": {"theta": 0.3, "gamma": 0.25, "max_steps": 6},
    "apgd_ce": {"eps": 0.1, "steps": 6},
    "apgd_dlr": {"eps": 0.1, "steps": 6},
    "apgd_targeted": {"eps": 0.1, "steps": 4},
    "square": {"eps": 0.1, "steps": 12},
    "uniform_noise": {"eps": 0.1},
    "sign_noise": {"eps": 0.1},
}
cases = st.tuples(st.integers(0, 10_000), st.integers(1, 5))
few = settings(max_examples=8, deadline=None, derandomize=True)


def those(invariant):
    """The attacks whose entry states `invariant`."""
    stated = [attack for attack in ATTACKS.values() if invariant in attack.invariants]
    return pytest.mark.parametrize("attack", stated, ids=[attack.id for attack in stated])


def linear_case(seed, count):
    """A linear model in float64, whose sums do not depend on the batch, and images with labels."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), Rows(generator))
    batch = torch.rand(count, *SHAPE, dtype=torch.float64, generator=generator)
    return model, batch, torch.randint(CLASSES, (count,), generator=generator)


class Rows(nn.Module):
    """A linear layer that adds each image's products by themselves."""

    def __init__(self, generator):
        super().__init__()
        size = SHAPE[0] * SHAPE[1] * SHAPE[2]
        self.weight = nn.Parameter(torch.randn(CLASSES, size, dtype=torch.float64, generator=generator))

    def forward(self, flat):
        return (flat[:, None, :] * self.weight).sum(dim=2)


def test_every_attack_has_settings_here():
    assert set(SETTINGS) == set(ATTACKS)


def test_the_signature_tells_what_an_attack_takes():
    for id, attack in ATTACKS.items():
        images_first, settings = [], {}
        for name, parameter in signature(attack).parameters.items():
            if parameter.kind is Parameter.KEYWORD_ONLY:
                settings[name] = parameter.default
            else:
                images_first.append(name)
        assert images_first == ["model", "images", "labels"]
        assert ("theta" if id == "jsma" else "eps") in settings, "the budget by name only"
        assert ("seed" in settings) == ("image_ids" in settings) == attack.seeded
        assert ("early_stop" in settings) == (attack.worst_case == "early_stop")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_images_are_no_work(attack):
    model, batch, labels = linear_case(0, 1)
    assert attack(model, batch[:0], labels[:0], **SETTINGS[attack.id]).shape == (0, *SHAPE)


def test_what_holds_for_every_attack_is_stated_by_every_attack():
    for attack in ATTACKS.values():
        assert attack.invariants >= {"range", "inputs_untouched", "repeatable"}
        assert ("feature_budget" if attack.id == "jsma" else "budget") in attack.invariants
    assert [id for id, attack in ATTACKS.items() if "more_steps_never_weaker" in attack.invariants] == [
        "fgsm",
        "bim",
        "pgd",
    ]


@those("range")
@few
@given(cases)
def test_range_and_inputs(attack, case):
    model, batch, labels = linear_case(*case)
    before, weights = batch.clone(), model[1].weight.detach().clone()
    found = attack(model, batch, labels, **SETTINGS[attack.id])
    assert found.shape == batch.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(batch, before)
    assert torch.equal(model[1].weight, weights)
    assert model[1].weight.grad is None


@those("budget")
@few
@given(cases)
def test_budget(attack, case):
    model, batch, labels = linear_case(*case)
    found = attack(model, batch, labels, **SETTINGS[attack.id])
    assert (found - batch).abs().max() <= SETTINGS[attack.id]["eps"] + 1e-12


@those("eps_zero")
@few
@given(cases)
def test_a_budget_of_zero_changes_nothing(attack, case):
    model, batch, labels = linear_case(*case)
    assert torch.equal(attack(model, batch, labels, **SETTINGS[attack.id] | {"eps": 0.0}), batch)


@those("repeatable")
@few
@given(cases)
def test_the_same_seed_gives_the_same_bits_whatever_the_batch(attack, case):
    model, batch, labels = linear_case(*case)
    ids = torch.arange(len(batch)) + 100
    known = {"seed": 5, "image_ids": ids} if attack.seeded else {}
    whole = attack(model, batch, labels, **SETTINGS[attack.id], **known)
    assert torch.equal(whole, attack(model, batch, labels, **SETTINGS[attack.id], **known))
    for place in range(len(batch)):
        one = slice(place, place + 1)
        own = {"seed": 5, "image_ids": ids[one]} if attack.seeded else {}
        assert torch.equal(whole[one], attack(model, batch[one], labels[one], **SETTINGS[attack.id], **own))


@those("more_steps_never_weaker")
@few
@given(cases)
def test_more_steps_are_never_weaker_in_the_worst_case(attack, case):
    model, batch, labels = linear_case(*case)
    fallen = [model(batch).argmax(dim=1) != labels]  # no step; FGSM has one
    for steps in (1, 2, 4, 8) if "steps" in SETTINGS[attack.id] else (1,):
        more = {"steps": steps} if "steps" in SETTINGS[attack.id] else {}
        trace = Trace()
        attack(model, batch, labels, **SETTINGS[attack.id] | more, trace=trace)
        fallen.append(fallen[0] | (model(trace.worst).argmax(dim=1) != labels))
    for before, after in pairwise(fallen):
        assert (after >= before).all()


@those("feature_budget")
@few
@given(cases)
def test_few_features_change(attack, case):
    model, batch, labels = linear_case(*case)
    found = attack(model, batch, labels, **SETTINGS[attack.id])
    changed = (found != batch).flatten(1).sum(dim=1)
    assert (changed <= SETTINGS[attack.id]["gamma"] * batch[0].numel()).all()
