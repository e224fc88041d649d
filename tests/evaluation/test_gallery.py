"""Images to be looked at under every attack: what is kept is what the attacks made."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from meddef_lib import models
from meddef_lib.attacks.gradient import fgsm
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import examples

PGD = {"attack": ATTACKS["pgd"].called_with({"step_size": 0.1, "steps": 2}), "eps": 0.1}
RUNS = [{"attack": ATTACKS["fgsm"].called_with({}), "eps": 0.1}, PGD]
RUNS += [{"attack": ATTACKS["jsma"].called_with({"theta": 0.1, "gamma": 0.01, "max_steps": 2}), "eps": None}]


def made(tmp_path: Path, **changed):
    """The arrays and rows of a gallery of an untrained network on four test images, two a class."""
    data, model, folder = (tmp_path / name for name in ("data", "model", "made"))
    for each in (data, folder):
        each.mkdir()
    images = np.random.default_rng(0).integers(60, 200, (5, 32, 32)).astype(np.uint8)
    np.save(data / "images.npy", images)
    index = {
        "image_id": [9, 2, 7, 4, 1],
        "label": [1, 0, 1, 0, 0],
        "class_name": ["PNEUMONIA", "NORMAL", "PNEUMONIA", "NORMAL", "NORMAL"],
        "split": ["test"] * 4 + ["train"],
    }
    pd.DataFrame(index).to_parquet(data / "index.parquet")
    (data / "summary.json").write_text(json.dumps({"classes": ["NORMAL", "PNEUMONIA"]}))
    models.save(models.build("resnet18", 2, mean=0.5, std=0.2), model)
    settings = {"runs": RUNS, "seed": 0} | changed
    examples.make_gallery(Workspace(settings, {"model": model, "data": data}, folder, tmp_path / "work"))
    with np.load(folder / "gallery.npz") as found:
        return images, model, dict(found), pd.read_parquet(folder / "gallery.parquet")


def test_one_image_a_class_is_kept_under_every_run(tmp_path):
    images, model, found, rows = made(tmp_path)
    assert (found["clean"] == images[[1, 2]]).all(), "the smallest ids of the test images"
    assert found["added"].shape == (3, 2, 32, 32)
    assert found["maps"].shape == (3, *found["clean_map"].shape)
    assert rows["attack"].tolist() == ["", "", "fgsm", "fgsm", "pgd", "pgd", "jsma", "jsma"]
    assert rows["image_id"].tolist() == [2, 7] * 4
    assert rows["linf"].tolist()[:2] == [0, 0]
    assert rows.loc[2:5, "linf"].to_numpy() == pytest.approx(0.1, abs=1e-6)
    assert rows.loc[6:, "eps"].isna().all()
    assert (rows.loc[6:, "changed"] <= 0.01).all()

    network, batch = models.load(model), models.pixels(torch.from_numpy(found["clean"]))
    change = fgsm(network, batch, torch.tensor([0, 1]), eps=0.1) - batch
    assert found["added"][0] == pytest.approx(change.mean(dim=1).numpy(), abs=1e-3)


def test_a_budget_in_standardised_pixels_keeps_its_name(tmp_path):
    *_, rows = made(tmp_path, eps_scale=0.5)
    assert rows["eps"].tolist()[2:6] == [0.1] * 4
    assert rows.loc[2:5, "linf"].to_numpy() == pytest.approx(0.05, abs=1e-6)
