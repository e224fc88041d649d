"""Networks survive the disk whole, and files that do not fit say why."""

import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from meddef_lib import models
from meddef_lib.params import ModelParams


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_a_saved_network_comes_back_whole(variant: str, tmp_path: Path, images: torch.Tensor) -> None:
    options = ModelParams(attention_on="fused", attention_over="channels", dropout=0.2)
    model = models.build(variant, 3, mean=0.3, std=0.2, options=options)
    model(images)  # running averages other than the first ones
    models.save(model, tmp_path, {"image_size": 64})
    loaded = models.load(tmp_path)
    assert not loaded.training
    assert loaded.options == options
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    with torch.inference_mode():
        assert torch.equal(loaded(images), model.eval()(images))


def test_the_recipe_rebuilds_the_network_and_says_more(tmp_path: Path) -> None:
    models.save(
        models.build("resnet18", 2, mean=0.19338988, std=0.25),
        tmp_path,
        {"mean": 0.19338988, "image_size": 64},
    )
    assert models.recipe(tmp_path) == {
        "variant": "resnet18",
        "network": "meddef_lib.models.network:ResNet18",
        "num_classes": 2,
        "mean": 0.19338988,
        "std": 0.25,
        "options": ModelParams().settings(),
        "image_size": 64,
    }


def test_the_same_weights_give_the_same_bytes_in_any_memory_format(tmp_path: Path) -> None:
    model = models.build("resnet18", 2)
    models.save(model, tmp_path / "a")
    models.save(model.to(memory_format=torch.channels_last), tmp_path / "b")
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert first == second


def test_whoever_shares_a_folder_may_read_a_network(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        models.save(models.build("resnet18", 2), tmp_path)
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o664}


def test_loading_leaves_the_random_state_alone(tmp_path: Path) -> None:
    models.save(models.build("resnet18", 2), tmp_path)
    before = torch.get_rng_state()
    models.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_recipe_that_contradicts_the_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recipe says variant is 'full', the network 'resnet18'"):
        models.save(models.build("resnet18", 2), tmp_path, {"variant": "full"})
    assert not any(tmp_path.iterdir())


def test_a_recipe_of_another_variant_is_named(tmp_path: Path) -> None:
    models.save(models.build("no_afd_mfe", 2), tmp_path)
    _edit(tmp_path, branches=["afd", "mfe", "msf"])
    with pytest.raises(models.ModelFileError, match=r"defense\.afd\.mask\.conv1\.weight, .* are missing"):
        models.load(tmp_path)


def test_a_recipe_of_another_number_of_classes_is_named(tmp_path: Path) -> None:
    models.save(models.build("no_afd_mfe", 4), tmp_path)
    _edit(tmp_path, num_classes=2)
    with pytest.raises(
        models.ModelFileError, match=r"head\.classify\.weight \(4, 512\) instead of \(2, 512\)"
    ):
        models.load(tmp_path)


def test_a_folder_without_a_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(models.ModelFileError, match=r"there is no .*model\.json"):
        models.load(tmp_path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    models.save(models.build("resnet18", 2), tmp_path)
    state = safetensors.torch.load_file(tmp_path / "model.safetensors")
    del state["backbone.conv1.weight"]
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(
        models.ModelFileError, match=r"model\.safetensors .*backbone\.conv1\.weight is missing"
    ):
        models.load(tmp_path)


def _edit(folder: Path, **changes: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
