"""Grad-CAM by hand, the numbers on maps whose answer is known, and the whole cell on a few images."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from meddef_lib import models
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import examples, saliency

SETTINGS = {
    "dataset": "chest_xray",
    "saliency": {"images_per_class": 2, "eps": 0.05, "deletion_steps": 4, "least_map": 7},
    "attack": {"steps": 2, "step_size": 0.02},
    "seed": 0,
}


class OnePixel(nn.Module):
    """Two classes, decided by the image's pixel at (1, 2) alone."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = SimpleNamespace(mean=0.0)

    def forward(self, images: Tensor) -> Tensor:
        value = images[:, 0, 1, 2]
        return torch.stack([-20 * value + 10, 20 * value - 10], dim=1)


# --- maps ---


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_a_map_is_grad_cam_computed_by_hand(variant: str) -> None:
    model = models.build(variant, 4).eval()
    images, classes = _images(3, 96), torch.tensor([2, 0, 3])
    outputs: list[Tensor] = []
    with model.target_layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output)):
        logits = model(images)
    (gradients,) = torch.autograd.grad(logits[range(3), classes].sum(), outputs[0])
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    expected = (weights * outputs[0]).sum(dim=1).clamp(min=0).detach()
    found = saliency.grad_cam(model, images, classes)
    assert found.coarse.shape == (3, 3, 3)
    assert found.size == 3
    np.testing.assert_allclose(found.coarse, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_drawn_maps_fill_the_range_at_the_images_size() -> None:
    found = saliency.grad_cam(models.build("full", 2), _images(2, 64), torch.tensor([0, 1]))
    assert found.drawn.shape == (2, 64, 64)
    assert found.drawn.dtype == np.float32
    assert found.drawn.min() >= 0
    assert found.drawn.max() <= 1
    for coarse, drawn in zip(found.coarse, found.drawn, strict=True):
        assert np.ptp(coarse) == 0 or drawn.max() > 0.9


@pytest.mark.parametrize("trainable", [True, False])
def test_the_model_and_the_images_are_left_as_they_were(trainable: bool) -> None:
    model = models.build("full", 2).train().requires_grad_(trainable)
    images = _images(2, 64)
    weights, pixels = {name: value.clone() for name, value in model.state_dict().items()}, images.clone()
    saliency.grad_cam(model, images, torch.tensor([0, 1]))
    assert all(module.training for module in model.modules())
    assert all(value.requires_grad == trainable and value.grad is None for value in model.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(images, pixels)
    assert not images.requires_grad


def test_an_image_gets_the_same_map_alone_and_in_company() -> None:
    model, images, classes = models.build("no_afd", 2), _images(3, 64), torch.tensor([0, 1, 1])
    together = saliency.grad_cam(model, images, classes).coarse
    alone = saliency.grad_cam(model, images[1:2], classes[1:2]).coarse
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-4, atol=1e-6)


# --- numbers ---


def test_rank_correlation_is_spearmans() -> None:
    rising = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert saliency.rank_correlation(rising, rising**3) == pytest.approx(1)
    assert saliency.rank_correlation(rising, -rising) == pytest.approx(-1)
    swapped = rising.copy()
    swapped[0, :2] = [1, 0]
    assert saliency.rank_correlation(rising, swapped) == pytest.approx(1 - 6 * 2 / (9 * 80))


def test_a_flat_map_has_no_rank_correlation() -> None:
    flat, rising = np.zeros((3, 3), np.float32), np.arange(9, dtype=np.float32).reshape(3, 3)
    assert saliency.rank_correlation(flat, rising) is None
    assert saliency.rank_correlation(rising, flat) is None


def test_mass_inside_is_a_share_of_the_maps_sum() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    assert saliency.mass_inside(np.ones((2, 2), np.float32), mask) == pytest.approx(0.5)
    left = np.zeros((8, 8), np.float32)
    left[3, 1], left[3, 6] = 3, 1
    assert saliency.mass_inside(left, mask) == pytest.approx(0.75)


def test_mass_inside_needs_a_map_and_a_mask() -> None:
    mask = np.ones((4, 4), bool)
    assert saliency.mass_inside(np.zeros((2, 2), np.float32), mask) is None
    assert saliency.mass_inside(np.ones((2, 2), np.float32), ~mask) is None


def test_deletion_is_low_where_the_map_marks_what_decides() -> None:
    images = torch.ones(1, 3, 4, 4)
    right, wrong = np.zeros((2, 1, 4, 4), np.float32)
    right[0, 1, 2] = 1
    wrong[0] = 1
    wrong[0, 1, 2] = 0
    model, classes = OnePixel(), torch.tensor([1])
    # with 16 steps a pixel goes at each; the class is certain until its pixel goes, impossible after it
    assert saliency.deletion(model, images, right, classes, steps=16) == pytest.approx(0.5 / 16, abs=1e-3)
    assert saliency.deletion(model, images, wrong, classes, steps=16) == pytest.approx(15.5 / 16, abs=1e-3)


def test_insertion_is_high_where_the_map_marks_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saliency, "blurred", torch.zeros_like)
    images = torch.ones(1, 3, 4, 4)
    right, wrong = np.zeros((2, 1, 4, 4), np.float32)
    right[0, 1, 2] = 1
    wrong[0] = 1
    wrong[0, 1, 2] = 0
    model, classes = OnePixel(), torch.tensor([1])
    assert saliency.insertion(model, images, right, classes, steps=16) == pytest.approx(15.5 / 16, abs=1e-3)
    assert saliency.insertion(model, images, wrong, classes, steps=16) == pytest.approx(0.5 / 16, abs=1e-3)


def test_deletion_and_insertion_begin_where_they_say() -> None:
    model = models.build("resnet18", 2, mean=0.3, std=0.2).eval()
    images, classes = _images(2, 64), torch.tensor([0, 1])
    maps = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32)
    with torch.inference_mode():
        whole, empty, smooth = (
            model(batch).softmax(1)[range(2), classes]
            for batch in (images, torch.full_like(images, 0.3), saliency.blurred(images))
        )
    # one step: the mean of the two ends
    np.testing.assert_allclose(
        saliency.deletion(model, images, maps, classes, steps=1), (whole + empty) / 2, rtol=1e-5
    )
    np.testing.assert_allclose(
        saliency.insertion(model, images, maps, classes, steps=1), (whole + smooth) / 2, rtol=1e-5
    )


def test_blurring_keeps_the_mean_and_loses_detail() -> None:
    images = _images(2, 64)
    smooth = saliency.blurred(images)
    assert smooth.shape == images.shape
    torch.testing.assert_close(smooth.mean((1, 2, 3)), images.mean((1, 2, 3)), rtol=0.01, atol=0)
    assert smooth.std() < 0.5 * images.std()


# --- the cell ---


def test_the_same_images_of_each_class_are_taken_whatever_the_order() -> None:
    index = pd.DataFrame(
        {
            "image_id": [5, 1, 9, 2, 3, 4],
            "label": [0, 0, 0, 1, 1, 1],
            "split": ["test", "test", "test", "test", "train", "test"],
        }
    )
    for rows in (index, index.sample(frac=1, random_state=1)):
        found = examples.first_of_every_class(rows, 2)
        assert found["image_id"].tolist() == [1, 5, 2, 4]
        assert found.index.tolist() == [1, 0, 3, 5]


def test_the_cell_writes_maps_and_rows(tmp_path: Path) -> None:
    maps, rows = _made(tmp_path, least_map=2)
    assert list(rows["class_name"]) == ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"]
    assert list(maps["class_name"]) == list(rows["class_name"])
    assert list(maps["image_id"]) == list(rows["image_id"])
    assert set(rows["map_size"]) == {2}
    assert maps["clean_coarse"].shape == maps["adversarial_coarse"].shape == (4, 2, 2)
    for name in ("clean", "adversarial", "clean_map", "adversarial_map", "foreground"):
        assert maps[name].shape == (4, 64, 64), name
        assert maps[name].min() >= 0
        assert maps[name].max() <= 1
    moved = np.abs(maps["adversarial"] - maps["clean"])
    assert 0 < moved.max() <= 0.05 + 1e-6
    for name in ("mass_inside_clean", "mass_inside_adversarial", "deletion", "insertion"):
        assert rows[name].dropna().between(0, 1).all(), name
    flat = np.ptp(maps["clean_coarse"], axis=(1, 2)) == 0
    for name in saliency.OF_CURVES:
        assert (rows[name].isna() == flat).all(), name
    assert rows["rank_correlation"].dropna().between(-1, 1).all()
    assert rows["foreground_share"].between(0.1, 0.9).all()


def test_a_flat_map_has_no_deletion_and_no_insertion() -> None:
    """It orders no pixels: its curves are those of the image read from the top left."""
    torch.manual_seed(0)
    model, images = models.build("resnet18", 2, mean=0.5, std=0.2).eval(), _images(2, 64)
    coarse = np.stack([np.zeros((2, 2)), np.arange(4).reshape(2, 2) / 3]).astype(np.float32)
    maps = saliency.Maps(coarse, np.stack([cv2.resize(each, (64, 64)) for each in coarse]))
    masks = np.ones((2, 64, 64), dtype=bool)
    classes = torch.tensor([0, 1])
    found = saliency.numbers(model, images, classes, maps, maps, masks, steps=4, least_map=2, seed=0)
    assert found.loc[0, list(saliency.OF_CURVES)].isna().all()
    assert found.loc[1, list(saliency.OF_CURVES)].notna().all()
    assert found.loc[1, "deletion"] != found.loc[1, "deletion_random"]


def test_random_maps_mark_nothing() -> None:
    control = saliency.random_maps((40, 7, 7), 64, seed=0)
    assert control.shape == (40, 64, 64)
    assert control.std() == pytest.approx(np.sqrt(1 / 12), abs=0.1)
    assert (control == saliency.random_maps((40, 7, 7), 64, seed=0)).all()
    inside = [saliency.mass_inside(each, np.arange(64)[:, None] < np.full(64, 32)) for each in control]
    assert np.mean(inside) == pytest.approx(0.5, abs=0.05), "they mark no half of the image"


def test_maps_too_small_get_no_numbers(tmp_path: Path) -> None:
    _, rows = _made(tmp_path, least_map=7)
    assert rows[list(saliency.NUMBERS)].isna().all(axis=None)
    assert rows["foreground_share"].notna().all()


def test_the_cell_comes_out_the_same_twice(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        _made(folder, least_map=7)
    for name in ("maps.npz", "saliency.parquet"):
        first, second = ((folder / "made" / name).read_bytes() for folder in folders)
        assert first == second, name


def _images(count: int, size: int) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def _made(folder: Path, *, least_map: int) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Run the maker on six prepared images (a bright square each) and an untrained network."""
    data, model, made = (folder / name for name in ("data", "model", "made"))
    data.mkdir()
    made.mkdir()
    images = np.random.default_rng(0).integers(0, 60, (6, 64, 64)).astype(np.uint8)
    images[:, 20:50, 15:45] += 140
    np.save(data / "images.npy", images)
    index = pd.DataFrame(
        {
            "image_id": np.arange(6),
            "label": [1, 0, 1, 0, 1, 0],
            "class_name": ["PNEUMONIA", "NORMAL"] * 3,
            "split": ["test"] * 5 + ["train"],
        }
    )
    index.to_parquet(data / "index.parquet")
    (data / "summary.json").write_text(json.dumps({"classes": ["NORMAL", "PNEUMONIA"]}))
    models.save(models.build("no_afd_mfe", 2, mean=0.5, std=0.2), model)
    settings = SETTINGS | {"saliency": SETTINGS["saliency"] | {"least_map": least_map}}
    examples.make_saliency(Workspace(settings, {"model": model, "data": data}, made, folder / "work"))
    with np.load(made / "maps.npz") as found:
        return dict(found), pd.read_parquet(made / "saliency.parquet")
