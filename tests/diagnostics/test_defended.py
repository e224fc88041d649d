"""Defended networks as cells of a workbook: what they answer to which attack, and what the checks find."""

import json

import numpy as np
import pandas as pd
import pytest

from meddef_lib.attacks import ATTACKS
from meddef_lib.attacks.gradient import pgd
from meddef_lib.defences import DEFENCES
from meddef_lib.defences.bit_depth import reduced
from meddef_lib.diagnostics import defended, subject
from meddef_lib.evaluation.batch import Method
from meddef_lib.params import ParamsError
from meddef_lib.params.studies import DiagnosticsParams
from meddef_lib.results.parts.defences import ADAPTIVE, WEAK
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import cells_of, every_cell

STEPS = {"step_size": 0.05, "steps": 3}
PLAIN = "chest_xray/resnet18/clean/seed=0"


def about(name, networks, **own):
    root = DEFENCES[name].root
    return {
        "split": "test",
        "images": 4,
        "defence": {"id": name, "root": root, "settings": own},
        "networks": networks,
        "batch_size": 3,
        "seed": 5,
    }


@pytest.fixture
def attacks():
    settings = {"pgd": STEPS, "square": {"queries": 5}}
    return [ATTACKS[name].called_with(of) for name, of in settings.items()]


def test_weak_images_are_made_on_the_plain_network_and_adaptive_ones_on_the_defended(
    tmp_path, workspace, networks, attacks
):
    said = []
    settings = about("bit_depth", ["model"], bits=2) | {"eps": [0.1, 0.2], "attacks": attacks}
    defended.make(workspace(settings, said))
    found = pd.read_parquet(tmp_path / "answers.parquet")
    runs = found.groupby(["eps", "role", "made_on", "attack"], sort=False).size()
    straight = "BPDA, straight-through"
    of_budget = [
        (WEAK, "the undefended network", "pgd"),
        (ADAPTIVE, straight, "pgd"),
        (ADAPTIVE, straight, "square"),
    ]
    assert list(runs.index) == [(eps, *run) for eps in (0.1, 0.2) for run in of_budget]
    assert set(runs) == {4}
    assert said[-1] == (6, 6, "attacks")

    images, labels, ids = subject.tested(workspace(settings, []), settings["images"])
    plain = networks["model"]
    made = pgd(plain, images, labels, eps=0.2, image_ids=ids, seed=5, **STEPS)
    weak = found[(found["eps"] == 0.2) & (found["role"] == WEAK)]
    assert weak["image_id"].tolist() == ids.tolist()
    assert weak["adv_pred"].tolist() == plain(reduced(made, 2)).argmax(dim=1).tolist()
    assert weak["clean_pred"].tolist() == plain(reduced(images, 2)).argmax(dim=1).tolist()
    assert not found["zero_gradient"].any()


def test_a_killed_cell_goes_on_with_the_attacks_that_are_left(tmp_path, workspace, attacks, monkeypatch):
    settings = about("none", ["model"]) | {"eps": [0.1], "attacks": attacks}
    real, called = Method.perturb_in_parts, []

    def attacked(method, *words):
        called.append(method.id)
        if len(called) == 2:
            raise KeyboardInterrupt
        return real(method, *words)

    monkeypatch.setattr(Method, "perturb_in_parts", attacked)
    with pytest.raises(KeyboardInterrupt):
        defended.make(workspace(settings, []))
    defended.make(workspace(settings, []))
    assert called == ["pgd", "square", "square"]
    assert set(pd.read_parquet(tmp_path / "answers.parquet")["attack"]) == {"pgd", "square"}


def test_the_checks_fail_the_quantiser_and_pass_what_an_adaptive_attack_sees_of_it(
    tmp_path, workspace, networks
):
    effort = DiagnosticsParams(steps=2, most_steps=4, restarts=1, queries=4).settings(
        "variants", "rates", "images"
    )
    settings = about("bit_depth", ["model"], bits=5) | {"eps": 0.2, "effort": effort}
    defended.examine(workspace(settings, []))
    found = json.loads((tmp_path / "checks.json").read_text())
    as_it_is, adaptive = found["networks"]
    status = [{one["name"]: one["status"] for one in of["checks"]} for of in (as_it_is, adaptive)]
    assert [of["made_on"] for of in (as_it_is, adaptive)] == ["", "BPDA, straight-through"]
    assert [of["zero_gradient"] for of in status] == ["fail", "pass"]


def recipes(kind, *overrides, profile="mini"):
    return {one.id: one for one in cells_of(workbook(profile, overrides=overrides), "chest_xray", [kind])}


def test_each_defence_has_the_networks_that_it_is_made_of():
    found = recipes("defence", "defences.methods=null", "defences.ensemble.members=2")
    assert set(found) == {f"defence/{PLAIN}/{name}" for name in DEFENCES}
    others = {name: found[f"defence/{PLAIN}/{name}"].settings["networks"][1:] for name in DEFENCES}
    assert {name: of for name, of in others.items() if of} == {
        "pgd": ["train/chest_xray/resnet18/pgd/seed=0"],
        "trades": ["train/chest_xray/resnet18/trades/seed=0"],
        "fast": ["train/chest_xray/resnet18/fast/seed=0"],
        "distillation": [f"distilled/{PLAIN}"],
        "ensemble": ["chest_xray/resnet18/clean/seed=1"],
    }
    trained = recipes("train")[f"train/{PLAIN}"].key
    assert {of.inputs[of.settings["networks"][0]].key for of in found.values()} == {trained}


def test_a_profile_asks_for_some_for_none_or_for_checks_as_well():
    assert recipes("defence", profile="smoke") == {}
    assert recipes("defence", "variants=[full]", "transfer.variants=[]", "readings.variants=[]") == {}
    assert [id for id in recipes("diagnose") if "resnet18" in id] == []
    checked = recipes("diagnose", "defences.checked_images=2", "defences.methods=[jpeg]")
    assert [id for id in checked if "resnet18" in id] == [f"diagnose/{PLAIN}/jpeg"]


def test_a_setting_of_one_defence_is_no_matter_of_another():
    before, after = (
        {id: recipe.key for id, recipe in every_cell(workbook("mini", overrides=set_)).items()}
        for set_ in ([], ["defences.distillation.temperature=30"])
    )
    assert {id for id in before if before[id] != after[id]} == {
        f"distilled/{PLAIN}",
        f"defence/{PLAIN}/distillation",
    }


def test_attacks_without_a_budget_are_refused():
    with pytest.raises(ParamsError, match=r"defences\.further has 'jsma'"):
        recipes("defence", "defences.further=[jsma]")


def test_budgets_of_standardised_pixels_are_made_smaller():
    own = recipes("defence", "eps_units=standardised")[f"defence/{PLAIN}/none"].settings
    std = workbook("mini").datasets["chest_xray"].std
    assert own["eps"] == pytest.approx([0.1 * std])
    assert own["attacks"][0]["settings"]["step_size"] == pytest.approx(0.01 * std)
    assert np.isclose(recipes("defence")[f"defence/{PLAIN}/none"].settings["eps"], 0.1)
