"""Networks survive the disk whole, and files that do not fit say why."""

import json
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
    _edit(tmp_path, variant="full")
    with pytest.raises(
        models.ModelFileError, match=r"holds the weights of the variant no_afd_mfe, not of full"
    ):
        models.load(tmp_path)


def test_a_recipe_of_another_number_of_classes_is_named(tmp_path: Path) -> None:
    models.save(models.build("no_afd_mfe", 4), tmp_path)
    _edit(tmp_path, num_classes=2)
    with pytest.raises(models.ModelFileError, match="holds a head of 4 classes; asked for are 2"):
        models.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "vgg"}, "no variant 'vgg'"),
        ({"options": {"dropuot": 0.1}}, "dropuot"),
        ({"mean": None}, "does not describe a network"),
    ],
)
def test_a_recipe_that_makes_no_network_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    models.save(models.build("resnet18", 2), tmp_path)
    _edit(tmp_path, **change)
    with pytest.raises(models.ModelFileError, match=message):
        models.load(tmp_path)


def test_a_recipe_without_a_key_is_refused(tmp_path: Path) -> None:
    models.save(models.build("resnet18", 2), tmp_path)
    (tmp_path / "model.json").write_text('{"variant": "resnet18"}')
    with pytest.raises(models.ModelFileError, match="'num_classes' is missing"):
        models.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[1]", "holds list"), (None, r"there is no .*model\.json")]
)
def test_a_broken_recipe_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "model.json").write_text(text)
    with pytest.raises(models.ModelFileError, match=message):
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


def test_the_public_codes_names_are_understood(tmp_path: Path) -> None:
    from meddef_lib.models.files import PUBLIC_CODE_NAMES

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


def test_own_weights_of_another_number_of_classes_are_named(tmp_path: Path) -> None:
    torch.save(models.build("resnet18", 4).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(models.ModelFileError, match="a head of 4 classes; asked for are 2"):
        models.read_weights(tmp_path / "weights.pt", "resnet18", 2)


def test_weights_in_half_precision_become_float32(tmp_path: Path) -> None:
    state = {name: value.half() for name, value in models.build("resnet18", 2).state_dict().items()}
    torch.save(state, tmp_path / "half.pt")
    loaded = models.read_weights(tmp_path / "half.pt", "resnet18", 2)
    assert all(value.dtype is torch.float32 for value in loaded.parameters())


def _edit(folder: Path, **changes: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
