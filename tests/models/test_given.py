"""Weights that others trained: names that are understood, and what is said of weights that do not fit."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from meddef_lib import models
from meddef_lib.params import ModelParams


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_own_weights_are_read(tmp_path: Path, name: str, images: torch.Tensor) -> None:
    model = models.build("no_afd", 2, mean=0.4, std=0.3, seed=7).eval()
    file = tmp_path / name
    if file.suffix == ".pt":
        torch.save({"state_dict": model.state_dict()}, file)
    else:
        safetensors.torch.save_file(model.state_dict(), file)
    loaded = models.read_weights(file, "no_afd", 2, mean=0.4, std=0.3)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))


def test_torchvisions_names_are_understood(tmp_path: Path, images: torch.Tensor) -> None:
    from torchvision.models import resnet18

    theirs = resnet18(weights=None, num_classes=4).eval()
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    ours = models.read_weights(tmp_path / "resnet18.pth", "resnet18", 4)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("around", ["resnet.", "backbone.", "model.encoder.", "module.net.0."])
def test_what_a_class_puts_before_every_name_is_taken_off(
    tmp_path: Path, images: torch.Tensor, around: str
) -> None:
    from torchvision.models import resnet18

    theirs = resnet18(weights=None, num_classes=4).eval()
    torch.save({f"{around}{name}": value for name, value in theirs.state_dict().items()}, tmp_path / "w.pth")
    ours = models.read_weights(tmp_path / "w.pth", "resnet18", 4)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)


def test_the_public_codes_names_are_understood(tmp_path: Path) -> None:
    from meddef_lib.models.given import PUBLIC_CODE_NAMES

    model = models.build("full", 4, seed=2)
    theirs = {}
    for name, value in model.state_dict().items():
        known = next((n for n, ours in PUBLIC_CODE_NAMES.items() if name.startswith(ours)), None)
        renamed = known + name.removeprefix(PUBLIC_CODE_NAMES[known]) if known else name
        theirs[renamed.removeprefix("backbone.")] = value
    assert {"defense.adv_detector.noise_detector.3.weight", "fc.bias", "layer4.1.bn2.weight"} <= theirs.keys()
    assert not any(name in theirs for name in model.state_dict())
    torch.save(theirs, tmp_path / "meddef.pth")
    loaded = models.read_weights(tmp_path / "meddef.pth", "full", 4)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_own_weights_of_another_variant_are_named(tmp_path: Path) -> None:
    torch.save(models.build("no_afd", 2).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(models.ModelFileError, match="weights of the variant no_afd, not of full"):
        models.read_weights(tmp_path / "weights.pt", "full", 2)


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("full", "--set model.width=24$"),
        ("no_afd", "--set model.width=24 and --variant no_afd$"),
    ],
)
def test_own_weights_of_another_width_are_told_with_the_option(
    tmp_path: Path, variant: str, said: str
) -> None:
    thin = models.build(variant, 2, options=ModelParams(width=24))
    torch.save(thin.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(models.ModelFileError, match=said):
        models.read_weights(tmp_path / "weights.pt", "full", 2)


def test_own_weights_of_another_number_of_classes_are_named(tmp_path: Path) -> None:
    torch.save(models.build("resnet18", 4).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(models.ModelFileError, match="a head of 4 classes; asked for are 2"):
        models.read_weights(tmp_path / "weights.pt", "resnet18", 2)


@pytest.mark.parametrize("names", [("0.", "1."), ("normalize.", "model."), ("", "")], ids=str)
def test_a_normalisation_within_is_named_with_its_values(tmp_path: Path, names: tuple[str, str]) -> None:
    from torchvision.models import resnet18

    before, around = names
    constants = {f"{before}mean": torch.tensor([0.5, 0.25, 0.125]), f"{before}std": torch.ones(1, 3, 1, 1)}
    network = {f"{around}{name}": value for name, value in resnet18(num_classes=2).state_dict().items()}
    torch.save(constants | network, tmp_path / "w.pth")
    with pytest.raises(
        models.ModelFileError, match=rf"{before}mean is \[0\.5, 0\.25, 0\.125\].*--set DATASET"
    ):
        models.read_weights(tmp_path / "w.pth", "resnet18", 2)


def test_weights_in_half_precision_become_float32(tmp_path: Path) -> None:
    state = {name: value.half() for name, value in models.build("resnet18", 2).state_dict().items()}
    torch.save(state, tmp_path / "half.pt")
    loaded = models.read_weights(tmp_path / "half.pt", "resnet18", 2)
    assert all(value.dtype is torch.float32 for value in loaded.parameters())
