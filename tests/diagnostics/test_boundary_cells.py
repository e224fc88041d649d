"""Transfer and the least budgets as cells of a workbook: what they write of each image."""

import numpy as np
import pandas as pd
import pytest

from meddef_lib.attacks.gradient import pgd
from meddef_lib.diagnostics import least_eps, subject, transfer
from meddef_lib.params.studies import LeastEpsParams
from meddef_lib.pruning import prune
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import cells_of

COMMON = {"split": "test", "images": 4, "batch_size": 3, "seed": 5}
ATTACK = {"eps": 0.2, "step_size": 0.05, "steps": 3}
SEARCH = {"steps": 4, "halvings": 5, "smallest": 0.001, "largest": 0.5, "check_eps": [0.1], "check_steps": 3}


def test_a_row_an_image_and_network_that_it_was_shown_to(tmp_path, workspace, networks):
    said = []
    space = workspace(COMMON | ATTACK | {"source": "model", "targets": list(networks)}, said)
    transfer.make(space)
    found = pd.read_parquet(tmp_path / "transfer.parquet")
    images, labels, ids = subject.tested(space, space.settings["images"])
    made = pgd(networks["model"], images, labels, image_ids=ids, seed=5, **ATTACK)
    for name, network in networks.items():
        rows = found[found["target"] == name]
        assert rows["image_id"].tolist() == ids.tolist() == [10, 20, 30, 40]
        assert rows["label"].tolist() == labels.tolist()
        assert rows["clean_pred"].tolist() == network(images).argmax(dim=1).tolist()
        assert rows["adv_pred"].tolist() == network(made).argmax(dim=1).tolist()
    white = found[found["target"] == "model"]
    assert (white["adv_pred"] != white["label"]).any(), "the attack finds something, so that there is a test"
    assert said == [(1, 2, "networks"), (2, 2, "networks")]


def test_a_row_an_image_and_rate_with_its_least_budget(tmp_path, workspace, networks):
    said = []
    space = workspace(COMMON | {"rates": [0, 0.8], "scope": "global", "search": SEARCH}, said)
    least_eps.make(space)
    found = pd.read_parquet(tmp_path / "least_eps.parquet")
    images, labels, _ = subject.tested(space, space.settings["images"])
    for rate in (0, 0.8):
        rows = found[found["rate"] == rate]
        clean = prune(networks["model"], rate)(images).argmax(dim=1)
        assert rows["image_id"].tolist() == [10, 20, 30, 40]
        assert rows["clean_pred"].tolist() == clean.tolist()
        assert ((rows["least_eps"] == 0) == (clean != labels).numpy()).all()
        assert set(rows["by"][rows["least_eps"].between(1e-9, 1)]) <= {"pgd", "apgd_ce"}
    assert not np.array_equal(*(found.loc[found["rate"] == rate, "least_eps"] for rate in (0, 0.8)))
    assert [done for done, _, _ in said] == [3, 4, 7, 8]


def test_a_search_needs_a_range():
    with pytest.raises(ValueError, match="largest > smallest"):
        LeastEpsParams(smallest=0.1, largest=0.1)


def recipes(kind, *overrides):
    return {one.id: one for one in cells_of(workbook("smoke", overrides=overrides), "roct", [kind])}


def test_each_network_meets_every_other_and_itself():
    found = recipes("transfer")
    models = {id.removeprefix("transfer/") for id in found}
    assert models == {f"roct/{name}/seed=0" for name in ("resnet18/clean", "full/clean")}
    for id, recipe in found.items():
        assert set(recipe.settings["targets"]) == models
        assert set(recipe.inputs) == models | {"data"}
        assert recipe.settings["source"] == id.removeprefix("transfer/")


def test_trainings_beside_those_of_the_tables_are_asked_where_a_profile_says_so():
    for kind, variants in (
        ("transfer", ("resnet18/clean", "full/clean", "full/paper")),
        ("least_eps", ("full/clean", "full/paper")),
    ):
        found = recipes(kind, f"{kind}.every_training=true")
        assert set(found) == {f"{kind}/roct/{name}/seed=0" for name in variants}


def test_a_network_alone_has_nothing_to_transfer_to():
    assert recipes("transfer", "variants=[resnet18]") == {}
    assert recipes("transfer", "transfer.variants=[]") == {}
    assert recipes("least_eps", "least_eps.variants=[]") == {}


def test_budgets_of_standardised_pixels_are_told_in_pixels():
    std = workbook("smoke").datasets["roct"].std
    pixels, standardised = (
        next(iter(recipes("least_eps", *overrides).values())).settings["search"]
        for overrides in ((), ("eps_units=standardised",))
    )
    assert standardised["check_eps"] == [std * eps for eps in pixels["check_eps"]]
    assert standardised["largest"] == pixels["largest"] == 0.5
    transferred = next(iter(recipes("transfer", "eps_units=standardised").values())).settings
    assert (transferred["eps"], transferred["step_size"]) == (std * 0.05, std * 0.05)
