"""What a run is estimated to cost: the arithmetic, with given rates, on recipes as they are."""

import json
import math
import subprocess
from dataclasses import replace

import pytest
import torch

from meddef_lib.app import estimates, rates
from meddef_lib.app.estimates import Estimate
from meddef_lib.app.rates import CalibrationFailed
from meddef_lib.engine.recipe import Recipe
from meddef_lib.errors import DataError
from meddef_lib.params import devices
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import attack, prepared, saliency, train
from meddef_lib.workbook.cells import notebook as notebook_cells
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Rates, every_cell, kind_of, kinds

SLOW = Rates(forward=0.25, gradient=1.0, training=2.0, crafting=1.0)
RATES = {"resnet18": Rates(forward=0.0625, gradient=0.125, training=0.25, crafting=0.125), "full": SLOW}
IMAGES = {"roct": {"train": 100, "val": 20, "test": 40}}


@pytest.fixture
def book():
    return workbook(
        "smoke",
        datasets=["roct"],
        overrides=["training.epochs=3", "attacks.steps=5", "attacks.eps=[0.01, 0.05]"],
    )


@pytest.fixture
def measured(monkeypatch):
    """The rates as if they had been measured; the list says how often they were asked for."""
    asked = []
    monkeypatch.setattr(rates, "of_this_machine", lambda book, device: asked.append(device) or RATES)
    return asked


def seconds(book, recipe):
    costs = Costs(book.profile.image_size, RATES, IMAGES)
    return kinds()[kind_of(recipe.id)].seconds(recipe, costs) - SECONDS_OF_A_START


def trained(book, mode, variant="full", **training):
    recipe = train.recipe(book, Model("roct", variant, mode, 0))
    settings = {**recipe.settings, "training": {**recipe.settings["training"], **training}}
    return replace(recipe, settings=settings)


def test_clean_training_is_a_pass_over_the_images_an_epoch(book):
    assert seconds(book, trained(book, "clean")) == pytest.approx(3 * (100 * 2.0 + 20 * 0.25))
    assert seconds(book, trained(book, "clean", "resnet18")) == pytest.approx(3 * (100 * 0.25 + 20 * 0.0625))


def test_training_as_in_the_paper_adds_the_attacked_share(book):
    validation = 20 * (0.25 + 0.7 * 10 * 1.0)
    given = {"attacked_share": 0.35, "pgd_steps": 4, "validation_steps": 10, "validation_attacked_share": 0.7}
    joined = trained(book, "paper", attacked_images="join", **given)
    assert seconds(book, joined) == pytest.approx(3 * (100 * (1.35 * 2.0 + 0.35 * 4 * 1.0) + validation))
    replaced = trained(book, "paper", attacked_images="replace", **given)
    assert seconds(book, replaced) == pytest.approx(3 * (100 * (2.0 + 0.35 * 4 * 1.0) + validation))


@pytest.mark.parametrize(("mode", "passes", "steps"), [("pgd", 1, 7), ("trades", 2, 7), ("fast", 1, 1)])
def test_reference_trainings_attack_every_image(book, mode, passes, steps):
    recipe = trained(book, mode, reference_steps=7, validation_attacked_share=0.0)
    expected = 3 * (100 * (passes * 2.0 + steps * 1.0) + 20 * 0.25)
    assert seconds(book, recipe) == pytest.approx(expected)


def test_attacks_cost_their_gradients_at_every_budget(book):
    model = Model("roct", "full", "clean", 0)
    assert seconds(book, attack.recipe(book, model, "fgsm")) == pytest.approx(2 * (0.5 + 40 * (0.5 + 1.0)))
    assert seconds(book, attack.recipe(book, model, "pgd")) == pytest.approx(2 * (0.5 + 40 * (0.5 + 5.0)))


def test_jsma_costs_two_gradients_a_step_until_its_budget_ends(book):
    model = Model("roct", "full", "clean", 0)
    recipe = attack.recipe(book, model, "jsma")

    def of(limit=4, **settings):
        given = {"gamma": 0.1, "max_steps": None, "pairs_per_step": 1, "target": "runner_up"} | settings
        return replace(
            recipe, settings={**recipe.settings, "limit": limit, "attack": {"id": "jsma", "settings": given}}
        )

    pairs = 0.1 * 3 * 64 * 64 / 2
    assert seconds(book, of()) == pytest.approx(0.5 + 4 * (0.5 + 2 * pairs))
    assert seconds(book, of(pairs_per_step=8)) == pytest.approx(0.5 + 4 * (0.5 + 2 * pairs / 8))
    assert seconds(book, of(max_steps=10)) == pytest.approx(0.5 + 4 * (0.5 + 2 * 10))
    assert seconds(book, of(max_steps=10, target="every")) == pytest.approx(0.5 + 4 * (0.5 + 3 * 2 * 10))
    assert seconds(book, of(limit=None, max_steps=10)) == pytest.approx(0.5 + 40 * (0.5 + 2 * 10))


def test_saliency_costs_by_the_size_of_its_images(book):
    model = Model("roct", "full", "clean", 0)
    recipe = saliency.recipe(book, model)
    wanted = {**recipe.settings["saliency"], "images_per_class": 2, "deletion_steps": 10}
    small = replace(recipe, settings={**recipe.settings, "saliency": wanted, "attack": {"steps": 5}})
    assert seconds(book, small) == pytest.approx(4 * 2 * (2 * 2 * 10 * 0.25 + 7 * 1.0))
    larger = replace(recipe.inputs["model"], settings={**recipe.inputs["model"].settings, "image_size": 128})
    large = replace(small, inputs={**recipe.inputs, "model": larger})
    assert seconds(book, large) == pytest.approx(4 * seconds(book, small))


def test_every_cell_of_every_profile_has_a_finite_cost(measured):
    for profile in ("smoke", "mini"):
        book = workbook(profile)
        found = estimates.estimate(book, list(every_cell(book).values()), "cpu")
        assert set(every_cell(book)) <= set(found.seconds)
        assert all(0 < cost < math.inf for cost in found.seconds.values())


def test_the_clock_is_bound_by_workers_and_by_the_longest_chain(book, measured):
    recipes = list(every_cell(book).values())
    alone = estimates.estimate(book, recipes, "cpu", workers=1)
    assert alone.total_seconds == pytest.approx(sum(alone.seconds.values()))
    crowd = estimates.estimate(book, recipes, "cpu", workers=1000)
    train_full = alone.seconds["train/roct/full/paper/seed=0"]
    assert train_full < crowd.total_seconds < alone.total_seconds
    assert crowd.total_seconds > sum(alone.seconds.values()) / 1000
    phantoms, limits = book.profile.data.phantoms, book.profile.data.limits
    test = min(phantoms.test, limits.test)
    assert alone.images == {"roct": {"train": phantoms.train, "val": phantoms.val, "test": test}}
    networks = sum(name.startswith("train/") for name in alone.seconds)
    weights = networks * train.MIB_OF_WEIGHTS * (book.profile.model.width / 64) ** 2
    assert weights < alone.disk_mib < weights + 300
    assert 0 < alone.network_seconds < sum(alone.seconds.values())


def test_records_and_images_take_disk_as_they_are_many(book):
    model = Model("roct", "full", "clean", 0)
    recipe, images = attack.recipe(book, model, "pgd"), prepared.recipe(book, "roct")

    def mib(recipe, factor):
        counts = {"roct": {split: factor * number for split, number in IMAGES["roct"].items()}}
        return kinds()[kind_of(recipe.id)].mib(recipe, Costs(64, RATES, counts))

    assert mib(images, 2) - mib(images, 1) == pytest.approx(160 * 64**2 / 2**20)
    per_record = (mib(recipe, 2) - mib(recipe, 1)) / (2 * 40)
    assert 40 < 2**20 * per_record < 100, "what a further row of a records file took when it was measured"


def test_without_images_a_plan_goes_by_the_published_counts_and_makes_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("MEDDEF_DATA", raising=False)
    bare = workbook("paper")
    with pytest.raises(DataError):
        every_cell(bare)
    book, unseen = estimates.in_sight(bare)
    assert list(unseen) == ["roct", "chest_xray"]
    assert "no data root is given" in unseen["roct"]
    recipes = list(every_cell(book).values())
    found = estimates.estimate(book, recipes, "cpu", on=devices.named("h100"))
    assert found.images["roct"] == {"train": 83484, "val": 32, "test": 968}
    assert set(found.seconds) == {recipe.id for recipe in recipes}
    with pytest.raises(DataError):
        book.store.get(prepared.recipe(book, "roct"))
    made_up = workbook("mini", overrides=["data.source=phantoms"])
    assert estimates.in_sight(made_up) == (made_up, {})


def test_images_that_are_here_are_counted_and_the_others_published(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path))
    for name in ("NORMAL", "PNEUMONIA"):
        for number in range(10):
            file = tmp_path / "chest_xray/train" / name / f"person{number}_bacteria_{number}.jpeg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"never read")
    book, unseen = estimates.in_sight(workbook("paper"))
    assert list(unseen) == ["roct"]
    assert sum(estimates._images(book, "chest_xray").values()) == 20
    assert estimates._images(book, "roct")["test"] == 968


def test_limits_cut_the_images(measured):
    book = workbook("smoke", datasets=["roct"], overrides=["data.limits.train=7"])
    assert estimates.estimate(book, list(every_cell(book).values()), "cpu").images["roct"]["train"] == 7


def test_a_folder_without_validation_images_is_counted_as_it_will_be_split(tmp_path, monkeypatch, measured):
    monkeypatch.setenv("MEDDEF_DATA", str(tmp_path))
    for split, number in (("train", 40), ("test", 5)):
        for name in ("CNV", "DME", "DRUSEN", "NORMAL"):
            folder = tmp_path / "OCT2017" / split / name
            folder.mkdir(parents=True)
            for patient in range(number):
                (folder / f"{name}-{split}{patient}-1.jpeg").write_bytes(b"never read")
    book = workbook("sample", datasets=["roct"])
    assert estimates._images(book, "roct") == {"train": 144, "val": 16, "test": 20}


def test_phantoms_are_counted_as_a_pooled_split_draws_them(measured):
    book = workbook("smoke", datasets=["chest_xray"])
    phantoms = book.profile.data.phantoms
    drawn = estimates._images(book, "chest_xray")
    assert drawn["train"] == round(0.7 * (phantoms.train + phantoms.val + phantoms.test))
    said = estimates.text(estimates.estimate(book, list(every_cell(book).values()), "cpu"))
    assert f"chest_xray: {drawn['train']} train" in said
    assert f"epochs {book.profile.training.epochs}, PGD steps in training 1, attack steps" in said


def test_nothing_is_measured_where_nothing_needs_it(toy, book, measured):
    there = Recipe("there", "toy.engine:write")
    book.store.get(there)
    assert estimates.estimate(book, [there], "cpu", workers=2) == Estimate(workers=2, there=1)
    notebook = Recipe("notebook/04.roct", "toy.engine:write", {}, {"data": there})
    found = estimates.estimate(book, [notebook], "cpu")
    assert found.seconds == {"notebook/04.roct": notebook_cells.SECONDS}
    assert measured == []


def test_estimates_are_kept_for_the_report(book):
    recipes = {name: Recipe(name, "meddef_lib.training.cell:make", {"number": name}) for name in "ab"}
    assert estimates.remembered(book.store) == {}
    estimates.remember(book.store, Estimate(), recipes)
    estimates.remember(book.store, Estimate(seconds={"a": 3.0, "b": 4.0}), recipes)
    estimates.remember(book.store, Estimate(seconds={"b": 5.0}), recipes)
    assert estimates.remembered(book.store) == {recipes["a"].key: 3.0, recipes["b"].key: 5.0}
    kept = (book.store.root / "calibration/estimates").iterdir()
    for file, left in zip(kept, (b"[]", b"\xff"), strict=True):
        file.write_bytes(left)
    assert estimates.remembered(book.store) == {}


def test_an_estimate_is_told_in_lines(book, measured):
    recipes = [train.recipe(book, Model("roct", "full", "clean", 0)), prepared.recipe(book, "roct")]
    told = estimates.text(estimates.estimate(book, recipes, "cpu", workers=2))
    assert "roct: " in told
    assert "train            1 step" in told
    assert "there already: 0 steps" in told
    assert "on 2 worker(s)" in told


def test_a_machine_is_measured_once_and_remembered(book, monkeypatch, capsys):
    asked = []

    def measure(command, **options):
        asked.append(json.loads(command[-1]))
        of_each = {"forward": 1.0, "gradient": 2.0, "training": 3.0, "crafting": 4.0}
        said = json.dumps({"resnet18": of_each, "full": of_each})
        return subprocess.CompletedProcess(command, 0, stdout=said, stderr="")

    monkeypatch.setattr(rates.subprocess, "run", measure)
    monkeypatch.setattr(rates, "environment", lambda: {"processor": "one", "packages": {}})
    assert rates.of_this_machine(book, "cpu")["full"] == Rates(1.0, 2.0, 3.0, 4.0)
    assert rates.of_this_machine(book, "cpu")["resnet18"] == Rates(1.0, 2.0, 3.0, 4.0)
    settings = {"device": "cpu", "threads": 1, "image_size": 64, "autocast": "none", "bfloat16": "auto"}
    variants = ["resnet18", "full", "resnet18_cbam"]  # the last is neither of the first two, nor like them
    assert asked == [settings | {"variants": variants, "model": book.profile.model.settings("pretrained")}]
    assert "measuring this machine once" in capsys.readouterr().out
    monkeypatch.setattr(rates, "environment", lambda: {"processor": "another", "packages": {}})
    rates.of_this_machine(book, "cpu")
    assert len(asked) == 2
    (file, _) = (book.store.root / "calibration").glob("*.json")
    for times, left in enumerate((b"", b"[]", b"\xff", file.read_bytes().replace(b"4.0", b"9.0")), start=3):
        file.write_bytes(left)
        for name in ("one", "another"):
            monkeypatch.setattr(rates, "environment", lambda name=name: {"processor": name, "packages": {}})
            assert rates.of_this_machine(book, "cpu")["full"] == Rates(1.0, 2.0, 3.0, 4.0)
        assert len(asked) == times, "the damaged one was measured again"


def test_what_kept_a_machine_from_being_measured_is_told(book, monkeypatch):
    monkeypatch.setattr(rates.sys, "executable", "/bin/false")
    with pytest.raises(CalibrationFailed, match="could not be measured"):
        rates.of_this_machine(book, "cpu")
    assert not list((book.store.root / "calibration").glob("*"))


def test_measuring_gives_four_rates_of_each_network(monkeypatch, device):
    monkeypatch.setattr(rates, "SECONDS_A_RATE", 0.0)
    monkeypatch.setattr(rates, "BATCH", 2)
    precisions = {"autocast": "none", "bfloat16": "on"}
    variants = ["resnet18", "resnet18_cbam"]
    where = {"device": device, "threads": 1, "image_size": 32, "model": {"width": 16}}
    found = rates.main({"variants": variants} | where | precisions)
    assert list(found) == variants
    assert all(set(each) == {"forward", "gradient", "training", "crafting"} for each in found.values())
    assert all(rate > 0 for each in found.values() for rate in each.values())


@pytest.mark.parametrize(("device", "waits"), [("mps", True), ("cpu", False)])
def test_what_a_gpu_still_computes_is_waited_for(device, waits, monkeypatch):
    """Its work is only queued when the call returns; torch's own timer does not wait for every GPU."""
    happened = []
    monkeypatch.setattr(rates, "SECONDS_A_RATE", 0.0)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: happened.append("waited"))
    rates._seconds(lambda: happened.append("work"), device)
    assert "work" in happened
    assert (happened[-1] == "waited") is waits
