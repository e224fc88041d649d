"""What must be true of every attack, as its entry in the registry says."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from meddef_lib import paths
from meddef_lib.attacks.calling import Trace
from meddef_lib.attacks.registry import ATTACKS, Attack
from meddef_lib.declared import load
from meddef_lib.params import Known
from meddef_lib.params.profile import AttackParams
from tests.known import KNOWN

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
    "square": {"eps": 0.1, "queries": 12},
    "worst_case": {"eps": 0.1, "step_size": 0.04, "steps": 3, "restarts": 2, "apgd_steps": 3, "queries": 6},
    "uniform_noise": {"eps": 0.1},
    "sign_noise": {"eps": 0.1},
}
cases = st.tuples(st.integers(0, 10_000), st.integers(1, 5))
few = settings(max_examples=8, deadline=None, derandomize=True)


def those(*ids):
    """The attacks of these ids."""
    return pytest.mark.parametrize("attack", [ATTACKS[id] for id in ids], ids=ids)


every = those(*ATTACKS)
in_a_ball = those(*(id for id, attack in ATTACKS.items() if attack.has_eps))


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


WITHOUT_GRADIENT = {"square", "uniform_noise", "sign_noise"}


class Flat(nn.Module):
    """Class 0 for every image, by logits that no pixel changes."""

    def forward(self, images):
        return 0 * images.flatten(1)[:, :CLASSES] + torch.tensor([1.0, 0.0, 0.5])


@pytest.mark.parametrize(
    ("attack", "settings"),
    [
        *((attack, SETTINGS[id]) for id, attack in ATTACKS.items()),
        *((ATTACKS[id], SETTINGS[id] | {"early_stop": True}) for id in ("bim", "pgd")),
        *((ATTACKS[id], SETTINGS[id] | {"restarts": 2}) for id in ("pgd", "apgd_ce")),
        (ATTACKS["pgd"], SETTINGS["pgd"] | {"restarts": 2, "early_stop": True, "batch_size": 2}),
        (ATTACKS["jsma"], SETTINGS["jsma"] | {"target": "every"}),
    ],
    ids=lambda value: value.id if isinstance(value, Attack) else " ".join(value),
)
def test_an_attack_says_for_which_images_it_had_no_gradient(attack, settings):
    model, batch, _ = linear_case(0, 5)
    flat, sloped = Trace(), Trace()
    attack(Flat(), batch, torch.zeros(5, dtype=torch.int64), **settings, trace=flat)
    attack(model, batch, model(batch).argmax(dim=1), **settings, trace=sloped)
    if attack.id in WITHOUT_GRADIENT:
        assert flat.zero_gradient is sloped.zero_gradient is None
    else:
        assert flat.zero_gradient.tolist() == [True] * 5
        assert sloped.zero_gradient.tolist() == [False] * 5


def test_every_attack_has_settings_here():
    assert set(SETTINGS) == set(ATTACKS)


@every
def test_the_registry_reads_what_the_module_says(attack):
    module = import_module(attack.module)
    said = [value for value in vars(module).values() if isinstance(value, Attack)]
    assert attack in [replace(each, module=attack.module) for each in said]


@every
def test_the_signature_tells_what_an_attack_takes(attack):
    images_first, settings = [], {}
    for name, parameter in signature(load(attack.root)).parameters.items():
        if parameter.kind is Parameter.KEYWORD_ONLY:
            settings[name] = parameter.default
        else:
            images_first.append(name)
    assert images_first == ["model", "images", "labels"]
    assert ("eps" in settings) == attack.has_eps
    assert "eps" in settings or attack.id == "jsma", "the budget by name only"
    assert ("seed" in settings) == ("image_ids" in settings) == attack.seeded
    assert {*attack.common, *attack.own} <= settings.keys()
    for name, own in attack.own.items():
        if own.neutral:
            assert settings[name] == own.default, "what a recipe leaves out is what the function does anyway"


def test_importing_the_registry_imports_no_torch():
    code = (
        "import sys, meddef_lib.attacks.registry, meddef_lib.models.variants; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@every
def test_no_images_are_no_work(attack):
    model, batch, labels = linear_case(0, 1)
    assert attack(model, batch[:0], labels[:0], **SETTINGS[attack.id]).shape == (0, *SHAPE)


def test_a_recipe_holds_nothing_of_another_attack():
    said = {
        "steps": 7,
        "step_size": 0.02,
        "pgd": {"restarts": 3},
        "bim": {"early_stop": True},
        "jsma": {"images": 5, "rates": [0.3], "theta": 0.2, "max_steps": 9},
    }
    params = KNOWN.profile(name="own", title="own", attacks=said).attacks
    jsma = {"theta": 0.2, "gamma": 0.14, "target": "runner_up", "max_steps": 9}
    assert ATTACKS["fgsm"].settings(params) == {}
    assert ATTACKS["pgd"].settings(params) == {"steps": 7, "step_size": 0.02, "restarts": 3}
    assert ATTACKS["bim"].recipe(params) == {
        "id": "bim",
        "root": "meddef_lib.attacks.gradient:bim",
        "settings": {"steps": 7, "step_size": 0.02, "early_stop": True},
        "seeded": False,
        "worst_case": True,
        "stops_at_success": False,
    }
    assert ATTACKS["jsma"].settings(params) == jsma
    assert (ATTACKS["jsma"].images(params), ATTACKS["jsma"].rates(params)) == (5, (0.3,))
    assert ATTACKS["jsma"].approximated(params) == "at most 9 steps, 5 images"
    assert ATTACKS["pgd"].approximated(params) == ""
    assert ATTACKS["square"].images(params) is None
    assert ATTACKS["square"].recipe(params)["worst_case"]
    assert ATTACKS["apgd_ce"].settings(AttackParams()) == {"steps": 100}, "also where nobody knows it"


def test_an_attack_may_have_budgets_of_its_own():
    def eps(id, **said):
        return ATTACKS[id].eps(KNOWN.profile(name="own", title="own", attacks=said).attacks)

    assert eps("fgsm", eps=[0.02, 0.3]) == eps("worst_case", eps=[0.02, 0.3]) == (0.02, 0.3)
    assert eps("worst_case", worst_case={"eps": ["8/255", 0.05]}) == (8 / 255, 0.05)
    assert eps("fgsm", worst_case={"eps": [0.05]}) == (0.01, 0.05, 0.10), "and not those of another"
    assert eps("jsma") == (None,)
    params = KNOWN.profile(name="own", title="own", attacks={"worst_case": {"eps": [0.3], "queries": 9}})
    assert "eps" not in ATTACKS["worst_case"].settings(params.attacks), "each run has its own"
    assert ATTACKS["worst_case"].approximated(params.attacks) == "queries of Square 9"


def test_what_an_attack_costs():
    def cost(id, **settings):
        return ATTACKS[id].gradients(settings, image_size=10, num_classes=4)

    assert cost("fgsm") == 1
    assert cost("pgd", steps=40, step_size=0.01) == 40
    assert cost("pgd", steps=40, step_size=0.01, restarts=2) == 80
    assert cost("apgd_targeted", steps=9) == 30
    assert cost("jsma", theta=0.1, gamma=0.2, target="runner_up") == pytest.approx(60)
    assert cost("jsma", theta=0.1, gamma=0.1, target="every", max_steps=5, pairs_per_step=2) == 30
    assert cost("uniform_noise") == 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"attacks": {"square": {"queries": 0}}}, "attacks.square.queries"),
        ({"attacks": {"square": {"queries": 2.5}}}, "whole number"),
        ({"attacks": {"pgd": {"eps": [0.1, 0.1]}}}, "attacks.pgd.eps.*each only once"),
        ({"attacks": {"jsma": {"eps": [0.1]}}}, "attacks.jsma.eps"),
        ({"attacks": {"sqare": {}}}, "attacks.sqare"),
        ({"attacks": {"pgd": {"early_stop": 1}}}, "attacks.pgd.early_stop"),
        ({"attacks": {"jsma": {"theta": 0}}}, "greater than 0"),
        ({"attacks": {"methods": ["sqare"]}}, "one of 'apgd_ce'.*did you mean 'square'"),
        ({"variants": ["ful"]}, "expected one of 'full'"),
    ],
)
def test_settings_of_one_attack_are_typed(said, words):
    known = Known(variants=("full",), attacks=KNOWN.attacks, datasets=("own",), defences={})
    modes = {"modes": {"full": ["clean"]}}
    whole = {"name": "own", "title": "own", "variants": ["full"], "training": modes, "datasets": ["own"]}
    with pytest.raises(ValidationError, match=f"(?s){words}"):
        known.profile.model_validate(whole | said, context=known)


@every
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


@in_a_ball
@few
@given(cases)
def test_budget(attack, case):
    model, batch, labels = linear_case(*case)
    found = attack(model, batch, labels, **SETTINGS[attack.id])
    assert (found - batch).abs().max() <= SETTINGS[attack.id]["eps"] + 1e-12


@in_a_ball
@few
@given(cases)
def test_a_budget_of_zero_changes_nothing(attack, case):
    model, batch, labels = linear_case(*case)
    assert torch.equal(attack(model, batch, labels, **SETTINGS[attack.id] | {"eps": 0.0}), batch)


@every
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


@those("fgsm", "bim", "pgd")
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


@those("jsma")
@few
@given(cases)
def test_few_features_change(attack, case):
    model, batch, labels = linear_case(*case)
    found = attack(model, batch, labels, **SETTINGS[attack.id])
    changed = (found != batch).flatten(1).sum(dim=1)
    assert (changed <= SETTINGS[attack.id]["gamma"] * batch[0].numel()).all()
