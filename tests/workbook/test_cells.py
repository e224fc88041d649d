"""Cells: which there are, and which of them a change of a parameter makes anew."""

import sys

import numpy as np
import pytest

from meddef_lib.params import GIVEN, ParamsError
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import attack, boosted, saliency, train
from meddef_lib.workbook.kinds import Costs, about, cells_of, every_cell, name_of


def keys(*overrides, profile="smoke", datasets=("chest_xray",)):
    book = workbook(profile, datasets=datasets, overrides=overrides)
    return {name: recipe.key for name, recipe in every_cell(book).items()}


def changed(*overrides):
    before, after = keys(), keys(*overrides)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_the_same_parameters_give_the_same_keys():
    assert keys() == keys()


def test_a_change_of_one_attack_changes_its_cells_only():
    found = changed("attacks.jsma.theta=0.2")
    every = {name for name in found if name.startswith(("readings/", "gallery/"))}  # which try every attack
    assert {name.partition("/")[0] for name in every} == {"readings", "gallery"}
    assert found > every
    assert all(name.endswith("/jsma") for name in found - every)


def test_a_change_of_training_leaves_the_data_alone():
    found = changed("training.epochs=7")
    assert "train/chest_xray/full/clean/seed=0" in found
    assert not [name for name in found if name.startswith(("prepared/", "audit/"))]


def test_other_weights_in_the_same_file_train_anew(tmp_path):
    weights = tmp_path / "resnet18.pth"
    option = (f"model.pretrained={weights}", "model.width=64", "comparison.networks={}")
    with pytest.raises(ParamsError, match=r"model\.pretrained is .*resnet18\.pth.* there is no file"):
        keys(*option)
    weights.write_bytes(b"some weights")
    before = keys(*option)
    weights.write_bytes(b"other weights")
    after = keys(*option)
    trained = "train/chest_xray/full/clean/seed=0"
    assert before[trained] != after[trained]
    assert before["prepared/chest_xray"] == after["prepared/chest_xray"]


def test_a_change_of_preprocessing_changes_everything_behind_it():
    found = changed("chest_xray.preprocessing.denoise=none")
    assert {name.partition("/")[0] for name in found} >= {"prepared", "train", "attack", "prune", "saliency"}


def test_another_mode_of_one_variant_trains_nothing_else():
    before, after = keys(), keys("training.modes.resnet18=[clean, pgd]")
    assert all(after[name] == key for name, key in before.items())
    assert {name for name in after if name.startswith("train/")} - set(before) == {
        "train/chest_xray/resnet18/pgd/seed=0"
    }


def test_every_seed_has_models_of_its_own():
    book = workbook("smoke", datasets=["roct"], overrides=["seeds=[0, 1, 2]"])
    assert len(book.main_models("roct")) == 3 * len(book.profile.variants)
    assert len({train.recipe(book, model).key for model in book.models("roct")}) == len(book.models("roct"))


def test_a_larger_model_for_saliency_is_one_of_its_own():
    book = workbook("smoke", datasets=["roct"], overrides=["saliency.image_size=96", "saliency.epochs=2"])
    larger = Model("roct", "full", "clean", 0, 96)
    assert book.saliency_models("roct")[-1] == larger
    recipe = train.recipe(book, larger)
    assert (recipe.settings["image_size"], recipe.settings["training"]["epochs"]) == (96, 2)
    assert recipe.id != train.recipe(book, Model("roct", "full", "clean", 0)).id


def test_what_a_cell_needs_is_a_cell_before_it():
    book = workbook("smoke", overrides=["saliency.image_size=96"])
    place = {name: number for number, name in enumerate(every_cell(book))}
    for name, recipe in every_cell(book).items():
        for needed in recipe.inputs.values():
            assert every_cell(book)[needed.id].key == needed.key
            assert place[needed.id] < place[name]
    assert {"phantoms/roct", "examined/roct", "prepared/roct/96px"} <= place.keys()


def test_unpruned_records_are_not_made_twice():
    book = workbook("smoke", datasets=["roct"])
    model = book.main_models("roct")[0]
    rates = [run["rate"] for run in attack.pruned(book, model, "pgd").settings["runs"]]
    assert rates == [rate for rate in book.profile.pruning.rates if rate > 0]
    assert len(rates) >= 2
    other = workbook("smoke", datasets=["roct"], overrides=["pruning.eps=0.03"])
    assert attack.pruned(other, model, "pgd").settings["runs"][0] == {"eps": 0.03, "rate": 0.0}


def test_a_sweep_in_a_cell_for_each_run_is_the_same_runs():
    sweeps, runs = (
        {
            name: recipe
            for name, recipe in every_cell(workbook("smoke", overrides=[f"evaluation.cells={cells}"])).items()
            if name.startswith(("attack/", "prune/"))
        }
        for cells in ("sweep", "run")
    )
    assert len(runs) > 2 * len(sweeps)
    assert all(len(recipe.settings["runs"]) == 1 for recipe in runs.values())
    for name, sweep in sweeps.items():
        own = [recipe for id, recipe in runs.items() if f"{id}/".startswith(f"{name}/")]
        assert [run for recipe in own for run in recipe.settings["runs"]] == sweep.settings["runs"]
        others = {**sweep.settings, "runs": []}
        assert all({**recipe.settings, "runs": []} == others for recipe in own)
        assert all(recipe.inputs["model"].key == sweep.inputs["model"].key for recipe in own)
    unchanged = workbook("smoke", overrides=["evaluation.cells=sweep"])
    assert every_cell(unchanged).keys() == every_cell(workbook("smoke")).keys()


def test_an_attack_meets_its_own_budgets_images_and_rates():
    said = "{eps: [0.05, 8/255], images: 7, queries: 10, rates: [0, 0.3]}"
    book = workbook("smoke", datasets=["roct"], overrides=[f"attacks.worst_case={said}"])
    model = book.main_models("roct")[0]
    unpruned, pruned = (
        recipe(book, model, "worst_case").settings for recipe in (attack.recipe, attack.pruned)
    )
    assert unpruned["runs"] == [{"eps": 0.05, "rate": 0.0}, {"eps": 8 / 255, "rate": 0.0}]
    assert pruned["runs"] == [{"eps": 0.05, "rate": 0.3}]
    assert unpruned["limit"] == pruned["limit"] == 7
    assert unpruned["attack"]["settings"]["queries"] == 10
    elsewhere = workbook("smoke", overrides=["attacks.worst_case={eps: [0.01], rates: [0]}"])
    again = attack.pruned(elsewhere, model, "worst_case").settings["runs"]
    assert again == [{"eps": 0.05, "rate": 0.0}], "no unpruned record is at the budget of Tables 3 and 4"


def test_given_weights_stand_in_for_every_training():
    book = workbook("smoke", datasets=["roct"])
    given = type(book)(book.profile, book.datasets, store=book.store, given="0" * 64)
    assert {model.mode for model in given.models("roct")} == {GIVEN}
    assert not [name for name in every_cell(given) if name.startswith("train/")]


def test_networks_for_comparison_are_no_rows_of_the_tables():
    said = "{networks: {resnet18: [clean, pgd], resnet18_cbam: [clean]}, methods: [pgd]}"
    options = ["seeds=[0, 1]", f"comparison={said}"]
    book, without = (
        workbook("smoke", datasets=["roct"], overrides=[*options, *more])
        for more in ((), ("comparison.networks={}",))
    )
    assert book.models("roct") == without.models("roct")
    assert without.compared_models("roct") == []
    places = [("resnet18", "pgd", 0), ("resnet18", "pgd", 1), ("resnet18_cbam", "clean", 0)]
    models = [Model("roct", *place) for place in (*places, ("resnet18_cbam", "clean", 1))]
    assert book.compared_models("roct") == models, "resnet18 trained clean is there already"

    assert every_cell(without).items() <= every_cell(book).items(), "no other cell changes"
    further = every_cell(book).keys() - every_cell(without).keys()
    assert further == {
        *(f"{kind}/{model.id}{attack}" for model in models for kind, attack in WANTED),
        *(f"prune/{model.id}/pgd" for model in models if model.variant == "resnet18_cbam"),
    }
    assert further <= {recipe.id for recipe in cells_of(book, "roct", ["compared"])}
    shown = {recipe.id for recipe in cells_of(book, "roct", ["train", "attack", "prune"])}
    assert not shown & further, "a notebook that shows the tables does not wait for them"


WANTED = (("train", ""), ("attack", "/pgd"))


def test_given_weights_are_compared_with_nothing_that_would_be_trained():
    book = workbook("smoke", datasets=["roct"])
    given = type(book)(book.profile, book.datasets, store=book.store, given="0" * 64)
    assert book.compared_models("roct")
    assert given.compared_models("roct") == []


def test_an_unknown_data_set_and_a_typo_for_another_one_are_refused():
    with pytest.raises(ParamsError, match="no data set 'mnist'"):
        workbook("smoke", datasets=["mnist"])
    with pytest.raises(ParamsError, match="batchsize"):
        workbook("smoke", datasets=["roct"], overrides=["chest_xray.batchsize=3"])


def test_a_batch_size_may_be_that_of_one_data_set_alone():
    book = workbook("smoke", overrides={"training.batch_size": {"roct": 8}})

    sizes = {
        name: train.recipe(book, book.models(name)[0]).settings["training"]["batch_size"]
        for name in book.datasets
    }

    assert sizes == {"roct": 8, "chest_xray": book.datasets["chest_xray"].batch_size}


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("attack/roct/full/clean/seed=0/pgd", ("roct/full/clean/seed=0", "pgd")),
        ("prune/roct/full/clean/seed=0/pgd/rate=0.3", ("roct/full/clean/seed=0", "pgd")),
        ("saliency/roct/full/clean/seed=0/224px", ("roct/full/clean/seed=0/224px", "")),
        ("train/roct/full/clean/seed=0", ("roct/full/clean/seed=0", "")),
        ("train/roct/full/clean/seed=01", ("", "")),
        ("prepared/roct/224px", ("", "")),
        ("notebook/04_epsilon_sweep.roct", ("", "")),
    ],
)
def test_an_id_says_which_network_and_attack_its_cell_is_about(cell, found):
    models = [Model("roct", "full", "clean", 0), Model("roct", "full", "clean", 0, 224)]
    assert about(cell, [model.id for model in models]) == found


def test_an_id_says_what_its_cell_is_called():
    assert name_of("notebook/04_epsilon_sweep.roct") == "04_epsilon_sweep.roct"


def test_one_parameter_measures_every_budget_and_step_in_standardised_pixels():
    pixels, standardised = (workbook("smoke", overrides=[f"eps_units={units}"]) for units in UNITS)
    for name, dataset in pixels.datasets.items():
        model = Model(name, "full", "paper", 0)
        (before, after) = (train.recipe(book, model).settings["training"] for book in (pixels, standardised))
        schedule, scaled = before["schedule"], after["schedule"]
        for budget in ("warmup_eps", "aggressive_eps", "stabilization_eps", "step_cap"):
            expected = dataset.std * np.asarray(schedule[budget])
            assert scaled[budget] == pytest.approx(expected.tolist() if expected.ndim else float(expected))
        same = before.keys() - {"schedule"}
        assert {key: before[key] for key in same} == {key: after[key] for key in same}
        reference = Model(name, "full", "pgd", 0)
        eps = [
            train.recipe(book, reference).settings["training"]["reference_eps"]
            for book in (pixels, standardised)
        ]
        assert eps[1] == pytest.approx(dataset.std * eps[0])
        for recipe in (attack.recipe, attack.pruned):
            plain, other = (recipe(book, model, "pgd").settings for book in (pixels, standardised))
            assert other == plain | {"eps_scale": dataset.std}, "the runs keep the names of their budgets"
        plain, other = (saliency.recipe(book, model).settings for book in (pixels, standardised))
        assert other["saliency"]["eps"] == pytest.approx(dataset.std * plain["saliency"]["eps"])
        assert other["attack"]["step_size"] == pytest.approx(dataset.std * plain["attack"]["step_size"])
    clean = Model("roct", "full", "clean", 0)
    assert train.recipe(pixels, clean).key == train.recipe(standardised, clean).key, "it has no budget"


UNITS = ("pixels", "standardised")


def test_a_run_with_overrides_is_named_by_what_it_does():
    """Its page was headed by the profile's title: the full published data, 224 px, 100 epochs."""
    plain = workbook("paper")
    assert (
        plain.title
        == plain.profile.title
        == "The paper's setting: the full published data, 224 px, 100 epochs"
    )
    little = workbook("paper", overrides=["training.epochs=1", "data.limits.train=24", "data.limits.test=8"])
    assert little.title == (
        "Images from folders, 224 px, 1 epoch, at most 24 train images, at most 8 test images "
        "(the profile paper with training.epochs=1, data.limits.train=24, data.limits.test=8)"
    )
    less = workbook("paper", overrides=[*little.settings, "seeds=[1]"])
    assert less.title.endswith("at most 8 test images (the profile paper with 4 settings changed)")
    assert "seeds=[1]" in less.command


def test_the_full_network_is_trained_clean_too_as_the_profile_of_the_paper():
    for profile in ("paper", "sample", "paper_patients"):
        assert workbook(profile).modes("full") == ("paper", "clean")


def test_the_second_setting_of_the_chest_images_differs_in_their_split_alone():
    paper, patients = workbook("paper", datasets=["chest_xray"]), workbook("paper_patients")
    assert patients.profile.data.split == "patient_disjoint"
    names = {"name", "title", "datasets"}
    same = paper.profile.model_copy(update={"data": patients.profile.data})
    assert same.model_dump(exclude=names) == patients.profile.model_dump(exclude=names)
    data = paper.profile.data.model_copy(update={"split": "patient_disjoint"})
    assert data == patients.profile.data


# --- boosted trees --------------------------------------------------------------------------------


def boosted_cells(*overrides):
    book = workbook("smoke", datasets=["chest_xray"], overrides=overrides)
    return {recipe.id: recipe for recipe in cells_of(book, "chest_xray", ["boosted"])}


def test_boosted_trees_stand_on_the_baseline_that_was_trained_clean(monkeypatch):
    monkeypatch.setattr(boosted, "find_spec", lambda name: name)
    (found,) = boosted_cells().values()
    assert found.id == "boosted/chest_xray/resnet18/clean/seed=0"
    assert found.inputs["model"].id == "train/chest_xray/resnet18/clean/seed=0"
    assert boosted_cells("boosted.enabled=false") == {}
    assert boosted_cells("training.modes.resnet18=[paper]") == {}, "nothing to take features from"


def test_without_xgboost_there_are_no_boosted_trees(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)  # as where it cannot be imported
    assert boosted_cells() == {}
    book = workbook("smoke", datasets=["chest_xray"])
    assert "boosted" not in {name.partition("/")[0] for name in every_cell(book)}


def test_features_of_resnet152_go_by_the_content_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(boosted, "find_spec", lambda name: name)
    option = f"boosted.weights={tmp_path / 'resnet152.pth'}"
    with pytest.raises(ParamsError, match=r"boosted\.weights is .*resnet152\.pth.* there is no file"):
        boosted_cells(option)
    (tmp_path / "resnet152.pth").write_bytes(b"weights")
    (tmp_path / "copy.pth").write_bytes(b"weights")
    (tmp_path / "other.pth").write_bytes(b"others")
    ((id, found),) = boosted_cells(option).items()
    assert id == "boosted/chest_xray/resnet152"
    assert set(found.inputs) == {"data"}
    (copy,) = boosted_cells(f"boosted.weights={tmp_path / 'copy.pth'}").values()
    (other,) = boosted_cells(f"boosted.weights={tmp_path / 'other.pth'}").values()
    assert copy.key == found.key
    assert other.key != found.key
    assert found.speed["weights"] == str(tmp_path / "resnet152.pth")


@pytest.mark.parametrize(
    "network", ["comparison.networks={resnet18_cbam: [clean]}", "variants=[resnet18_wide]"]
)
def test_first_weights_that_fit_no_network_are_refused_before_any_work(network):
    said = ["model.width=64", "model.pretrained=imagenet", "training.modes.resnet18_wide=[clean]"]
    kept = ["comparison.networks={}"] if network.startswith("variants") else []
    with pytest.raises(ParamsError, match=r"do not fit the variant resnet18_(cbam|wide); take it out"):
        every_cell(workbook("smoke", overrides=[*said, *kept, network]))


def test_a_thin_network_takes_less_disk():
    usual, half = (
        train.recipe(workbook("smoke", overrides=[f"model.width={width}"]), Model("roct", "full", "clean", 0))
        for width in (64, 32)
    )
    costs = Costs(64, {}, {})
    assert train.mib(usual, costs) == 4 * train.mib(half, costs) == 90
