"""Boosted trees on deep features: the projection, the twin head, determinism, resuming, nothing pickled."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from meddef_lib import models
from meddef_lib.data.prepared import INDEX_COLUMNS
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import boosted, deep_features
from meddef_lib.evaluation.deep_features import Boosted, Pooled, Projected, head_of, linear, projection

pytest.importorskip("xgboost", reason="an extra: pip install -e '.[comparison]'")

SETTINGS = {
    "backbone": "resnet18",
    "images": 8,
    "eps": 0.05,
    "step_size": 0.03,
    "steps": 2,
    "queries": 3,
    "components": 6,
    "trees": 5,
    "depth": 2,
    "crafting_steps": 1,
    "batch_size": 8,
    "seed": 3,
}
TRAIN, TEST = 24, 12


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A ResNet-18, and images of 32 px whose class is whether they are bright."""
    folder = tmp_path_factory.mktemp("inputs")
    models.save(models.build("resnet18", 2, mean=0.5, std=0.2), folder / "model")
    data = folder / "data"
    data.mkdir()
    n = TRAIN + TEST
    noise = np.random.default_rng(0).integers(0, 120, (n, 32, 32))
    np.save(data / "images.npy", (noise + 100 * (np.arange(n) % 2)[:, None, None]).astype(np.uint8))
    index = pd.DataFrame(
        {
            "image_id": np.arange(n) * 1_000_003,
            "path": [f"{number}.png" for number in range(n)],
            "sha256": ["0" * 64] * n,
            "split": ["train"] * TRAIN + ["test"] * TEST,
            "label": np.arange(n) % 2,
            "class_name": ["NORMAL", "PNEUMONIA"] * (n // 2),
            "patient": [str(number) for number in range(n)],
            "width": [32] * n,
            "height": [32] * n,
            "mode": ["L"] * n,
        }
    )
    assert tuple(index.columns) == INDEX_COLUMNS
    index.to_parquet(data / "index.parquet", index=False)
    (data / "summary.json").write_text(json.dumps({"classes": ["NORMAL", "PNEUMONIA"]}))
    return {"model": folder / "model", "data": data}


def made(folder, inputs, **changes):
    space = Workspace(SETTINGS | changes, inputs, folder / "folder", folder / "work")
    for each in (space.folder, space.work):
        each.mkdir(parents=True, exist_ok=True)
    boosted.make(space)
    return space.folder


@pytest.fixture(scope="module")
def result(tmp_path_factory, inputs):
    return made(tmp_path_factory.mktemp("once"), inputs)


def without_times(folder):
    return pd.read_parquet(folder / "records.parquet").drop(columns="seconds")


def test_records_are_of_the_head_of_the_transfer_and_of_square(result):
    found = pd.read_parquet(result / "records.parquet")
    runs = found.groupby(["shown_to", "attack"], sort=False)
    assert list(runs.groups) == [("head", "pgd"), ("pipeline", "pgd"), ("pipeline", "square")]
    assert runs.size().tolist() == [8, 8, 8]
    assert found["linf"].max() <= SETTINGS["eps"] + 1e-6
    clean = found[found["shown_to"] == "pipeline"]
    assert (clean["clean_pred"] == clean["label"]).mean() > 0.5, "bright images are told from dark ones"
    shown = {shown: rows.set_index("image_id")["linf"] for (shown, attack), rows in runs if attack == "pgd"}
    pd.testing.assert_series_equal(shown["head"], shown["pipeline"])


def test_the_same_recipe_gives_the_same_bytes(tmp_path, inputs, result):
    again = made(tmp_path, inputs)
    for name in (boosted.ARRAYS, boosted.TREES, "boosted.json"):
        assert (again / name).read_bytes() == (result / name).read_bytes()
    pd.testing.assert_frame_equal(without_times(again), without_times(result))


def test_nothing_is_pickled(result):
    assert sorted(file.name for file in result.iterdir()) == [
        *("boosted.json", "booster.json", "pipeline.safetensors", "records.parquet")
    ]
    assert json.loads((result / boosted.TREES).read_text())["learner"]
    about = json.loads((result / "boosted.json").read_text())
    assert (about["training_images"], about["attacked_training_images"], about["components"]) == (24, 24, 6)


def test_a_killed_cell_goes_on_with_what_was_fitted(tmp_path, inputs, result, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(boosted, "square", killed)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path, inputs)
    assert list((tmp_path / "folder").iterdir()) == []
    monkeypatch.setattr(boosted, "_fit", killed)  # which is not asked again
    monkeypatch.setattr(boosted, "pgd", killed)  # nor is the attack that had ended
    pd.testing.assert_frame_equal(without_times(made(tmp_path, inputs)), without_times(result))


def test_trees_may_be_fitted_on_few_and_on_clean_images_alone(tmp_path, inputs):
    folder = made(tmp_path, inputs, crafting_steps=0, training_images=10)
    about = json.loads((folder / "boosted.json").read_text())
    assert (about["training_images"], about["attacked_training_images"]) == (10, 0)


# --- the parts ------------------------------------------------------------------------------------


def test_components_are_uncorrelated_and_of_variance_1():
    rng = np.random.default_rng(1)
    features = (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 7)) + 5).astype(np.float32)
    features[:, 2] = 4  # never changes
    arrays = projection(features, 10)
    assert arrays["components"].shape == (7, 3), "there are no more directions than that"
    projected = deep_features.projected_by(arrays, features)
    assert np.cov(projected.T) == pytest.approx(np.eye(3), abs=1e-3)
    assert projected.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_is_the_logistic_regression_and_can_be_differentiated(classes):
    rng = np.random.default_rng(2)
    labels = np.arange(60) % classes
    features = (rng.normal(size=(60, 4)) + 3 * np.eye(4)[labels]).astype(np.float32)
    arrays = projection(features, 4)
    weight, bias = linear(deep_features.projected_by(arrays, features), labels)
    head = head_of(Projected(nn.Flatten(), arrays), weight, bias)
    images = torch.from_numpy(features)[:, :, None, None].requires_grad_()
    logits = head(images)
    assert logits.shape == (60, classes)
    assert (logits.argmax(dim=1).numpy() == labels).mean() > 0.9
    (gradient,) = torch.autograd.grad(logits.logsumexp(dim=1).sum(), images)
    assert gradient.abs().sum() > 0


def test_the_pipeline_has_no_gradient_and_gives_logits_of_every_class():
    rng = np.random.default_rng(3)
    labels = np.arange(60) % 3
    features = (rng.normal(size=(60, 4)) + 3 * np.eye(4)[labels]).astype(np.float32)
    arrays = projection(features, 4)
    booster = deep_features.boost(deep_features.projected_by(arrays, features), labels, 5, 2, seed=0)
    logits = Boosted(Projected(nn.Flatten(), arrays), booster)(torch.from_numpy(features)[:, :, None, None])
    assert logits.shape == (60, 3)
    assert not logits.requires_grad
    assert (logits.argmax(dim=1).numpy() == labels).mean() > 0.9


def test_features_of_torchvision_are_read_from_a_file(tmp_path):
    import torchvision

    torch.manual_seed(0)
    whole = torchvision.models.resnet18(weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    network = deep_features.of_torchvision("resnet18", tmp_path / "weights.pth")
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        features = Pooled(network)(images)
        mean, std = (
            torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        torch.testing.assert_close(whole.fc(features), whole((images - mean) / std))
    with pytest.raises(models.ModelFileError, match=r"weights\.pth does not fit"):
        deep_features.of_torchvision("resnet34", tmp_path / "weights.pth")


def test_our_own_features_are_what_the_head_is_given(inputs):
    network = models.load(inputs["model"])
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.head(Pooled(network)(images)), network(images))


def test_of_the_fitted_arrays_all_are_single_precision(result):
    assert {value.dtype for value in load_file(result / boosted.ARRAYS).values()} == {np.dtype(np.float32)}
