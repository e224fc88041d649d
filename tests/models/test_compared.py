"""The networks for comparison: counts by hand, the ResNet-18 within them, what others can do with them."""

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from meddef_lib import models
from meddef_lib.attacks.folding import fast_copy, foldable
from meddef_lib.models.cbam import Cbam, CbamChannelAttention, CbamSpatialAttention
from meddef_lib.models.network import stages
from meddef_lib.models.wide import RATIO
from meddef_lib.pruning import prunable, prune

each_network = pytest.mark.parametrize("variant", ["resnet18_cbam", "resnet18_wide"])
RESNET18, FULL = 11_178_564, 21_839_556  # parameters with 4 classes, as Table 1 prints them


@pytest.fixture
def images():
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def parameters(variant, classes):
    return sum(value.numel() for value in models.build(variant, classes).parameters())


def of_attention(channels):
    hidden = channels // 16
    shared = channels * hidden + hidden + hidden * channels + channels
    spatial = 2 * 7 * 7 + 2  # two maps to one, without bias; scale and shift of its normalisation
    return shared + spatial


def of_width(width, classes):
    def convolution(into, out, side):
        return into * out * side**2 + 2 * out  # with the scale and shift that follow

    total = convolution(3, width, 7)
    for stage in range(4):
        into, out = width * 2 ** max(stage - 1, 0), width * 2**stage
        total += convolution(into, out, 3) + 3 * convolution(out, out, 3)
        total += convolution(into, out, 1) if stage else 0
    return total + 8 * width * classes + classes


@pytest.mark.parametrize("classes", [2, 4])
def test_cbam_adds_a_module_to_each_of_the_eight_blocks(classes):
    added = 2 * sum(of_attention(channels) for channels in (64, 128, 256, 512))
    assert parameters("resnet18_cbam", classes) == parameters("resnet18", classes) + added
    modules = [layer for layer in models.build("resnet18_cbam", classes).modules() if isinstance(layer, Cbam)]
    assert len(modules) == 8


def test_the_width_is_the_one_nearest_to_the_full_network():
    assert of_width(64, 4) == parameters("resnet18", 4) == RESNET18
    assert of_width(round(RATIO * 64), 4) == parameters("resnet18_wide", 4)
    assert parameters("full", 4) == FULL
    assert min(range(64, 128), key=lambda width: abs(of_width(width, 4) - FULL)) == RATIO * 64


def test_without_its_attention_cbam_is_the_resnet18(images):
    plain, attended = (models.build(name, 3, seed=5).eval() for name in ("resnet18", "resnet18_cbam"))
    with torch.inference_mode():
        assert not torch.equal(plain(images), attended(images))
        for block in attended.modules():
            if hasattr(block, "attention"):
                block.attention = nn.Identity()
        assert torch.equal(plain(images), attended(images))


def test_stages_of_the_usual_width_are_torchvisions(images):
    theirs, ours = models.build("resnet18", 2).backbone.eval(), stages(BasicBlock, 64).eval()
    ours.load_state_dict(theirs.state_dict())
    with torch.inference_mode():
        assert torch.equal(theirs(images), ours(images))


def test_the_attentions_are_those_of_the_equations():
    x = torch.randn(2, 32, 5, 7, generator=torch.Generator().manual_seed(1))
    channels, positions = CbamChannelAttention(32), CbamSpatialAttention().eval()
    first, second = channels.shared[0], channels.shared[2]

    def hidden(pooled):
        return (pooled @ first.weight.T + first.bias).clamp_min(0) @ second.weight.T + second.bias

    of_channels = torch.sigmoid(hidden(x.flatten(2).mean(2)) + hidden(x.flatten(2).max(2).values))
    assert torch.allclose(channels(x).flatten(1), of_channels, atol=1e-6)
    pooled = torch.stack([x.mean(1), x.max(1).values], dim=1)
    convolved = nn.functional.conv2d(pooled, positions.conv.weight, padding=3)
    assert torch.allclose(positions(x), torch.sigmoid(convolved / (1 + positions.norm.eps) ** 0.5), atol=1e-6)
    both = Cbam(32).eval()
    weighed = x * both.channels(x)
    assert torch.allclose(both(x), weighed * both.positions(weighed))


@each_network
def test_batch_normalisation_folds_into_every_convolution(variant, images):
    network = models.build(variant, 2).eval()
    norms = [name for name, layer in network.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert set(foldable(network, images).values()) == set(norms)
    for channels_last in (False, True):
        fast = fast_copy(network, images, channels_last=channels_last)
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fast.modules())
        with torch.inference_mode():
            assert torch.allclose(fast(images), network(images), atol=1e-4, rtol=1e-4)


@each_network
def test_pruning_reaches_every_convolution_and_linear_layer(variant):
    network = models.build(variant, 2)
    layers = [name for name, one in network.named_modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert list(prunable(network)) == layers
    assert any("attention.channels" in name for name in layers) == (variant == "resnet18_cbam")
    weights = torch.cat([weight.flatten() for weight in prunable(prune(network, 0.5)).values()])
    assert (weights == 0).sum() == round(0.5 * len(weights))


@each_network
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_others_go_by_torchvisions_names(variant, prefix, tmp_path, images):
    trained = models.build(variant, 4, seed=3).eval()
    theirs = {
        prefix + name.removeprefix("backbone.").replace("head.", "fc."): value
        for name, value in trained.state_dict().items()
    }
    torch.save(theirs, tmp_path / "theirs.pth")
    with torch.inference_mode():
        ours = models.read_weights(tmp_path / "theirs.pth", variant, 4)
        assert torch.equal(ours(images), trained(images))
        assert ours.target_layer is ours.backbone.layer4
    with pytest.raises(models.ModelFileError, match=f"the variant {variant}, not of resnet18"):
        models.read_weights(tmp_path / "theirs.pth", "resnet18", 4)
