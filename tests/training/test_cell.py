import json

import numpy as np
import pandas as pd
import pytest
import torch

from meddef_lib import precision
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models import files
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams, TrainingParams
from meddef_lib.training import cell, checkpoint, settings


@pytest.fixture
def prepared_folder(tmp_path):
    """A prepared data set of 30 images of 32 px, whose test images are unreadable."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.integers(0, 256, (30, 32, 32)).astype(np.uint8))
    index = pd.DataFrame(
        {
            "image_id": np.arange(30),
            "path": [f"{number:02}.jpeg" for number in range(30)],
            "split": ["train"] * 16 + ["val"] * 8 + ["test"] * 6,
            "label": [number % 2 for number in range(24)] + [-99] * 6,
            "class_name": "",
        }
    )
    index.to_parquet(folder / "index.parquet")
    (folder / "summary.json").write_text(json.dumps({"classes": ["a", "b"]}))
    return folder


def workspace(folder, data, device="cpu", **training):
    training = {"epochs": 2, "batch_size": 8, "pgd_steps": 1, "validation_steps": 1, **training}
    of_cell = {
        **VARIANTS["resnet18"].recipe(),
        "mode": "paper",
        "seed": 0,
        "num_classes": 2,
        "image_size": 32,
        "mean": 0.4,
        "std": 0.2,
        "training": settings.of_mode(TrainingParams(**training), "paper"),
        "model": ModelParams().settings(),
    }
    result = folder / "result"
    result.mkdir(parents=True)
    return Workspace(of_cell, {"data": data}, result, folder / "work", device)


def test_a_cell_writes_the_model_its_history_and_what_it_was(tmp_path, prepared_folder):
    space = workspace(tmp_path / "cell", prepared_folder)

    cell.make(space)

    assert sorted(file.name for file in space.folder.iterdir()) == [
        "history.parquet",
        "model.json",
        "model.safetensors",
        "training.json",
    ]
    model = files.load(space.folder)
    assert model(torch.rand(1, 3, 32, 32)).shape == (1, 2)
    assert files.recipe(space.folder)["image_size"] == 32
    summary = json.loads((space.folder / "training.json").read_text())
    assert (summary["train_images"], summary["validation_images"]) == (16, 8)
    assert summary["best_epoch"] in (1, 2)
    assert summary["seconds"] > 0
    assert len(pd.read_parquet(space.folder / "history.parquet")) == 2
    assert space.ran == {"precision": precision.name(space.settings["training"]["autocast"], "cpu")}


def test_a_cell_without_a_batch_size_is_refused(tmp_path, prepared_folder):
    with pytest.raises(ValueError, match="batch_size is None; a training needs a number"):
        cell.make(workspace(tmp_path / "cell", prepared_folder, batch_size=None))


def test_two_processes_train_like_one_that_accumulates(tmp_path, prepared_folder, device):
    """Gradients of the first step agree to 1e-4 of the largest: the sums are taken in another order.

    On GPUs, of which each process takes one, to 2e-2: they multiply in TF32.

    The attack is crafted in training mode, where it depends on batch statistics alone: one process updates
    the running averages by one half batch after the other, two processes average theirs.
    """
    # in float32 also where processes are started, which the fixture does not reach
    step = {"epochs": 1, "batch_size": 16, "crafted_in": "train", "autocast": "none"}
    if device == "cuda" and torch.cuda.device_count() < 2:
        pytest.skip("this takes two GPUs")
    together = workspace(tmp_path / "together", prepared_folder, device=device, data_parallel=2, **step)
    alone = workspace(tmp_path / "alone", prepared_folder, device=device, accumulation=2, **step)
    tolerance = {"cpu": 1e-4, "cuda": 2e-2}[device]

    cell.make(together)
    cell.make(alone)

    ours, theirs = (checkpoint.load(space.work).last for space in (together, alone))
    gradients = [name for name in ours if name.startswith("adam/exp_avg/")]
    largest = max(theirs[name].abs().max().item() for name in gradients)
    assert len(gradients) == 62
    for name in gradients:
        assert torch.allclose(ours[name], theirs[name], rtol=0, atol=tolerance * largest), name
    losses = [
        pd.read_parquet(space.folder / "history.parquet")["train_loss"].item() for space in (together, alone)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance / 10)
