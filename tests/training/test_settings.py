"""A recipe holds the settings that its way of training reads, and no others."""

import subprocess
import sys

import pytest
import torch

from meddef_lib import paths
from meddef_lib.params import TrainingParams
from meddef_lib.params.types import Neutral
from meddef_lib.training import learner, loop, settings
from meddef_lib.training.underway import Plan

MODES = ("clean", "paper", "pgd", "trades", "fast")
CASES = [
    *((mode, {}) for mode in MODES),
    *((mode, {"validation_attacked_share": 0.0}) for mode in ("paper", "trades")),
    *((mode, {"crafted_in": "train"}) for mode in MODES),
    ("paper", {"attacked_share": 0.0}),
    ("paper", {"attack_methods": ("fgsm",), "attacked_images": "replace"}),
    ("paper", {"attack_methods": ("bim", "fgsm"), "loss": "add", "accumulation": 2}),
    ("paper", {"safety": {"enabled": False}}),
    ("paper", {"safety": {"drop": 0.0, "patience": 1}}),
]


def read_back(found):
    """The parameters of a recipe, of which what is left out cannot be read, unless at a neutral value."""
    params = TrainingParams.restored(found)
    for part, names in ((params, found), (params.safety, found.get("safety"))):
        for name, field in type(part).model_fields.items() if names is not None else ():
            if name not in names and not any(isinstance(mark, Neutral) for mark in field.metadata):
                del part.__dict__[name]
    return params


@pytest.mark.parametrize(("mode", "changed"), CASES, ids=str)
def test_nothing_is_read_that_a_recipe_leaves_out(
    tmp_path, monkeypatch, new_tiny, sets, short, plan_of, mode, changed
):
    params = TrainingParams(**short.model_dump() | {"epochs": 2, **changed})
    found = settings.of_mode(params, mode)
    monkeypatch.setattr(Plan, "settings", lambda plan: found)  # which reads all to choose
    made = []
    for name, given in (("whole", params), ("partial", read_back(found))):
        model = new_tiny()
        learner.wanted_format(given, torch.device("cpu"), 224)
        fitted = loop.fit(model, *sets, plan_of(given, mode), work=tmp_path / name)
        history = fitted.history.drop(columns=["seconds", "images_per_second", "peak_memory_mib"])
        made.append((history, [value.clone() for value in model.state_dict().values()]))

    (history, weights), (again, weights_again) = made
    assert history.equals(again)
    assert all(torch.equal(*pair) for pair in zip(weights, weights_again, strict=True))


@pytest.mark.parametrize(("mode", "changed"), CASES, ids=str)
def test_what_is_read_back_uses_the_same_settings(mode, changed):
    found = settings.of_mode(TrainingParams(**changed), mode)
    assert settings.of_mode(TrainingParams.restored(found), mode) == found


def test_every_setting_is_of_some_mode_or_of_speed_alone():
    params = TrainingParams(
        accumulation=2, compile=True, data_parallel=2, learning_rate_decay="cosine"
    )  # of which the usual are neutral
    used = {name for mode in MODES for name in settings.of_mode(params, mode)} | settings.speed(params).keys()
    assert used == TrainingParams.model_fields.keys() - {"modes"}
    assert not any(settings.of_mode(params, mode).keys() & settings.speed(params).keys() for mode in MODES)


@pytest.mark.parametrize(
    ("changed", "modes"),
    [
        ({"trades_beta": 5}, {"trades"}),
        ({"pgd_steps": 5}, {"paper"}),
        ({"reference_steps": 5}, {"pgd", "trades"}),
        ({"reference_eps": 0.5}, {"pgd", "trades", "fast"}),
        ({"schedule": {"final_weight": 0.4}}, {"paper"}),
        ({"safety": {"drop": 0.1}}, {"paper"}),
        ({"validation_steps": 5}, {"paper", "pgd", "trades", "fast"}),
        ({"crafted_in": "train"}, {"paper", "pgd", "trades", "fast"}),
        ({"augmentation": {"brightness": 0.5}}, set(MODES)),
        ({"channels_last": "on"}, set(MODES)),
        ({"learning_rate": 1}, set(MODES)),
        ({"learning_rate_decay": "cosine"}, set(MODES)),
        ({"pinned_copies": False}, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_setting_changes_the_recipes_of_the_modes_that_read_it(changed, modes):
    usual, other = TrainingParams(), TrainingParams(**changed)
    assert {mode for mode in MODES if settings.of_mode(usual, mode) != settings.of_mode(other, mode)} == modes


def test_what_a_setting_switches_off_is_left_out():
    off = {"attacked_share": 0, "safety": {"enabled": False}, "validation_attacked_share": 0}
    found = settings.of_mode(TrainingParams(**off), "paper")
    assert found["safety"] == {"enabled": False}
    assert not found.keys() & {"pgd_steps", "attack_methods", "loss", "validation_steps"}
    fgsm = settings.of_mode(TrainingParams(attack_methods=("fgsm",)), "paper")
    assert "attack_methods" in fgsm
    assert "pgd_steps" not in fgsm


def test_settings_are_chosen_without_torch():
    code = "import sys; import meddef_lib.training.settings; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
