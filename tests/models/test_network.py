"""The five networks: counts, shapes, gradients, what an ablation removes, what an option changes."""

from urllib.error import URLError

import pytest
import torch
from torch import nn

from meddef_lib import models
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams

COUNTS = {  # Tables 1 and 2 print these in millions
    ("resnet18", 4): 11_178_564,
    ("resnet18", 2): 11_177_538,
    ("no_afd_mfe_msf", 4): 17_607_364,
    ("no_afd_mfe_msf", 2): 17_606_338,
    ("no_afd_mfe", 4): 16_565_444,
    ("no_afd_mfe", 2): 16_564_418,
    ("no_afd", 4): 18_686_660,
    ("no_afd", 2): 18_685_634,
    ("full", 4): 21_839_556,
    ("full", 2): 21_838_530,
}
BACKBONE = 11_176_512
OTHER_OPTIONS = [
    {"afd_order": "relu_bn"},
    {"attention_on": "fused"},
    {"attention_over": "channels"},
]

OF_TABLE_1 = models.VARIANTS[:5]
each_variant = pytest.mark.parametrize("variant", models.VARIANTS)


@pytest.mark.parametrize(("variant", "classes"), COUNTS)
def test_parameter_counts_are_the_papers(variant: str, classes: int) -> None:
    model = models.build(variant, classes)
    assert sum(value.numel() for value in model.parameters()) == COUNTS[variant, classes]
    assert sum(value.numel() for value in model.backbone.parameters()) == BACKBONE


def test_variants_are_those_of_table_1_in_its_order() -> None:
    assert OF_TABLE_1 == ("resnet18", "no_afd_mfe_msf", "no_afd_mfe", "no_afd", "full")
    assert [VARIANTS[name].title for name in OF_TABLE_1] == [
        "ResNet18",
        "MedDef w/o AFD+MFE+MSF",
        "MedDef w/o AFD+MFE",
        "MedDef w/o AFD",
        "MedDef (Full DAAM)",
    ]


def test_a_network_says_what_rebuilds_it() -> None:
    assert models.build("no_afd", 2).recipe == {
        "variant": "no_afd",
        "network": "meddef_lib.models.network:MedDef",
        "branches": ["mfe", "msf"],
    }
    assert models.build("resnet18", 2).variant == "resnet18"


@each_variant
def test_gradients_reach_every_parameter(variant: str) -> None:
    model = models.build(variant, 4, mean=0.2, std=0.2)
    loss = nn.functional.cross_entropy(model(_images(8, 64)), torch.arange(8) % 4)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@each_variant
@pytest.mark.parametrize(("size", "position"), [(32, 1), (64, 2), (224, 7)])
def test_any_size_from_32_pixels_gives_logits(variant: str, size: int, position: int) -> None:
    model = models.build(variant, 2).eval()
    maps: list[torch.Size] = []
    model.target_layer.register_forward_hook(lambda _layer, _inputs, output: maps.append(output.shape))
    with torch.inference_mode():
        logits = model(_images(2, size))
    assert logits.shape == (2, 2)
    assert torch.isfinite(logits).all()
    assert maps == [(2, 8 * model.backbone.conv1.out_channels, position, position)]


@each_variant
@pytest.mark.parametrize("shape", [(3, 1, 64, 64), (3, 64, 64)], ids=str)
def test_stored_grey_levels_are_taken_as_they_are(variant: str, shape: tuple[int, ...]) -> None:
    stored = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = models.build(variant, 4, mean=0.3, std=0.2).eval()
    with torch.inference_mode():
        assert torch.equal(model(stored), model(models.pixels(stored)))


def test_colours_of_0_to_255_are_refused_rather_than_taken_for_pixels() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3, 64, 64\); expected \(n, h, w\)"):
        models.build("resnet18", 2)(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))


def test_images_need_not_be_square() -> None:
    with torch.inference_mode():
        assert models.build("full", 2).eval()(torch.rand(1, 3, 64, 160)).shape == (1, 2)


def test_ablations_differ_only_in_the_parts_removed() -> None:
    names = {variant: set(models.build(variant, 2).state_dict()) for variant in OF_TABLE_1}
    assert _parts(names["full"] - names["no_afd"]) == {"defense.afd"}
    assert _parts(names["no_afd"] - names["no_afd_mfe"]) == {"defense.mfe", "defense.fusion"}
    assert _parts(names["no_afd_mfe"] - names["no_afd_mfe_msf"]) == {"defense.msf"}
    assert names["no_afd"] < names["full"]
    assert names["no_afd_mfe"] < names["no_afd"]
    assert names["no_afd_mfe_msf"] - names["no_afd_mfe"] == {
        name
        for name in names["no_afd_mfe_msf"]
        if name.startswith(("defense.fusion.layers.3", "defense.fusion.layers.4"))
    }
    assert {name for name in names["resnet18"] if name.startswith("backbone.")} == {
        name for name in names["full"] if name.startswith("backbone.")
    }


def test_shared_layers_start_equal_in_all_variants() -> None:
    full = models.build("full", 2, seed=5).state_dict()
    for variant in models.VARIANTS[:-1]:
        for name, value in models.build(variant, 2, seed=5).state_dict().items():
            if name in full and value.shape == full[name].shape:
                assert torch.equal(value, full[name]), name


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = models.build("full", 2, seed=3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = models.build("full", 2, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    other = models.build("full", 2, seed=4)
    assert not torch.equal(first.head.classify.weight, other.head.classify.weight)


@each_variant
def test_everything_has_a_first_value(variant: str) -> None:
    model = models.build(variant, 2)
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu", name
        assert torch.isfinite(value).all(), name
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert (layer.bias == 0).all()
            assert (layer.running_var == 1).all()
            assert (layer.running_mean == 0).all()
            assert layer.num_batches_tracked == 0


def test_layers_start_with_different_weights() -> None:
    attention = models.build("full", 2).attention
    assert not torch.equal(attention.query.weight, attention.key.weight)


@pytest.mark.parametrize("changed", OTHER_OPTIONS, ids=str)
def test_an_option_changes_the_computation_and_not_the_parameters(changed: dict[str, str]) -> None:
    usual = models.build("full", 4)
    other = models.build("full", 4, options=ModelParams(**changed))  # type: ignore[arg-type]
    assert [(name, value.shape) for name, value in usual.named_parameters()] == [
        (name, value.shape) for name, value in other.named_parameters()
    ]
    images = _images(
        4, 64
    )  # in training mode: untrained running averages make BN before and after ReLU alike
    with torch.no_grad():
        for model in (usual, other):
            model.head.dropout.p = 0.0
        assert not torch.allclose(usual(images), other(images), atol=1e-4)


def test_dropout_is_an_option() -> None:
    assert models.build("full", 2).head.dropout.p == 0.3
    assert models.build("full", 2, options=ModelParams(dropout=0.2)).head.dropout.p == 0.2


@each_variant
def test_normalisation_comes_first_and_holds_no_weights(variant: str) -> None:
    model = models.build(variant, 2, mean=0.48, std=0.22).eval()
    plain = models.build(variant, 2).eval()
    images = _images(2, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model(images), plain((images - 0.48) / 0.22), rtol=1e-4, atol=1e-5)
    assert not any(name.startswith("normalise") for name in model.state_dict())


def test_the_backbone_is_torchvisions() -> None:
    from torchvision.models.resnet import BasicBlock, resnet18

    theirs = resnet18(weights=None, num_classes=2).eval()
    ours = models.build("resnet18", 2).eval()
    ours.backbone.load_state_dict(
        {name: value for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    )
    ours.head.load_state_dict(theirs.fc.state_dict())
    images = _images(2, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)
    assert sum(isinstance(layer, BasicBlock) for layer in ours.modules()) == 8


def test_pretrained_weights_come_from_a_local_file(tmp_path) -> None:
    from torchvision.models import resnet18

    theirs = resnet18(weights=None)
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    model = models.build("full", 2, options=ModelParams(pretrained=str(tmp_path / "resnet18.pth")))
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name
    without = models.build("full", 2)
    assert torch.equal(model.head.classify.weight, without.head.classify.weight)


def test_pretrained_weights_may_be_torchvisions_download(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import resnet18

    theirs = resnet18(weights=None).state_dict()
    monkeypatch.setattr("torchvision.models.ResNet18_Weights.get_state_dict", lambda *_, **__: theirs)
    model = models.build("resnet18", 2, options=ModelParams(pretrained="imagenet"))
    assert torch.equal(model.backbone.conv1.weight, theirs["conv1.weight"])


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models.ResNet18_Weights.get_state_dict", unreachable)
    with pytest.raises(models.ModelFileError, match=r"no route to host.*set model\.pretrained to a file"):
        models.build("resnet18", 2, options=ModelParams(pretrained="imagenet"))


def test_pretrained_weights_that_are_not_there_are_named(tmp_path) -> None:
    with pytest.raises(models.ModelFileError, match=r"there is no file of weights .*nothing\.pth"):
        models.build("full", 2, options=ModelParams(pretrained=str(tmp_path / "nothing.pth")))


@pytest.mark.parametrize(
    ("variant", "classes", "std", "message"),
    [
        ("resnet50", 2, 1.0, "no variant 'resnet50'; known are resnet18, no_afd_mfe_msf"),
        ("full", 1, 1.0, "num_classes is 1; expected at least 2"),
        ("full", 2, 0.0, "std is 0.0; expected"),
    ],
)
def test_impossible_networks_are_refused(variant: str, classes: int, std: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(variant, classes, std=std)


def _images(count: int, size: int) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def _parts(names: set[str]) -> set[str]:
    return {".".join(name.split(".")[:2]) for name in names}
