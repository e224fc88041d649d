"""Each block against its equation, written out by hand on few channels."""

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from meddef_lib.models.blocks import (
    AFD,
    MFE,
    MSF,
    ChannelAttention,
    DefenseModule,
    Fusion,
    Head,
    Normalise,
    SelfAttention,
)

CHANNELS = 8
Block = TypeVar("Block", bound=nn.Module)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=[1, 2, 7])
def x(request: pytest.FixtureRequest) -> Tensor:
    return torch.randn(3, CHANNELS, request.param, request.param)


def test_normalise_takes_the_mean_off_and_divides_by_the_deviation() -> None:
    layer = Normalise(0.25, 0.5)
    assert layer(torch.tensor([0.25, 1.0])).tolist() == [0.0, 1.5]
    assert not list(layer.parameters())
    assert not layer.state_dict()


@pytest.mark.parametrize("order", ["bn_relu", "relu_bn"])
def test_afd_is_equation_3(x: Tensor, order: str) -> None:
    block = _trained(AFD(CHANNELS, order))  # type: ignore[arg-type]
    conv1, norm, conv2 = (block.mask.get_submodule(name) for name in ("conv1", "norm", "conv2"))
    inner = F.relu(norm(conv1(x))) if order == "bn_relu" else norm(F.relu(conv1(x)))
    expected = x + block.clean(x * torch.sigmoid(conv2(inner)))
    torch.testing.assert_close(block(x), expected)


def test_the_two_orders_of_afd_differ_and_share_their_names() -> None:
    drawn, printed = AFD(CHANNELS, "bn_relu"), AFD(CHANNELS, "relu_bn")
    printed.load_state_dict(drawn.state_dict())
    x = torch.randn(4, CHANNELS, 3, 3)
    assert not torch.allclose(drawn(x), printed(x))


def test_mfe_is_equation_4(x: Tensor) -> None:
    block = _trained(MFE(CHANNELS))
    depthwise, norm, _ = block.texture
    assert depthwise.groups == block.edges.groups == CHANNELS
    joined = torch.cat([x, torch.tanh(block.edges(x)), F.relu(norm(depthwise(x)))], dim=1)
    merge, merge_norm, _ = block.merge
    torch.testing.assert_close(block(x), F.relu(merge_norm(merge(joined))))


@pytest.mark.parametrize("training", [False, True])
def test_msf_is_equation_5_with_torchs_pooling_and_upsampling(x: Tensor, training: bool) -> None:
    block = _trained(MSF(CHANNELS)).train(training)
    x = x.requires_grad_(True)
    levels = [
        F.interpolate(
            level(F.adaptive_avg_pool2d(x, scale)), x.shape[-2:], mode="bilinear", align_corners=False
        )
        for level, scale in zip(block.levels, (2, 4, 8), strict=True)
    ]
    expected = block.merge(torch.cat([x, *levels], dim=1))
    found = block(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_msf_averages_the_batch_statistics_over_the_pooled_positions() -> None:
    """Convolving before pooling must leave the running averages those of convolving after it."""
    ours, plain = MSF(CHANNELS), MSF(CHANNELS)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(5, CHANNELS, 2, 2)
    ours(x)
    for level, scale in zip(plain.levels, (2, 4, 8), strict=True):
        level(F.adaptive_avg_pool2d(x, scale))
    for (name, found), expected in zip(ours.levels.named_buffers(), plain.levels.buffers(), strict=True):
        torch.testing.assert_close(found, expected, msg=name)


@pytest.mark.parametrize(("branches", "kernels"), [(0, [3, 3]), (1, [1]), (2, [1, 1]), (3, [1, 1])])
def test_fusion_has_the_layers_of_its_number_of_branches(branches: int, kernels: list[int]) -> None:
    block = Fusion(CHANNELS, branches)
    convolutions = [layer for layer in block.layers if isinstance(layer, nn.Conv2d)]
    assert [layer.kernel_size[0] for layer in convolutions] == kernels
    widths = [layer.out_channels for layer in convolutions]
    assert widths == ([2 * CHANNELS, CHANNELS] if branches > 1 else [CHANNELS] * len(kernels))
    found = block([torch.randn(2, CHANNELS, 3, 3)] * max(branches, 1))
    assert found.shape == (2, CHANNELS, 3, 3)
    assert found.min() == 0  # ends in ReLU


def test_channel_attention_weighs_channels_by_the_maps_averages(x: Tensor) -> None:
    block = ChannelAttention(CHANNELS)
    weights = block(x)
    assert weights.shape == (3, CHANNELS, 1, 1)
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(weights, block(x.mean(dim=(2, 3), keepdim=True).expand_as(x)))


@pytest.mark.parametrize("branches", [(), ("msf",), ("mfe", "msf"), ("afd", "mfe", "msf")], ids=len)
@pytest.mark.parametrize("attention_on", ["x", "fused"])
def test_defense_module_is_equation_6(x: Tensor, branches: tuple[str, ...], attention_on: str) -> None:
    block = _trained(DefenseModule(CHANNELS, branches, attention_on=attention_on))  # type: ignore[arg-type]
    fused = block.fusion([block.get_submodule(name)(x) for name in branches] or [x])
    expected = x + fused * block.attention(x if attention_on == "x" else fused)
    torch.testing.assert_close(block(x), expected)


def test_self_attention_over_positions_is_equation_2(x: Tensor) -> None:
    block = SelfAttention(CHANNELS)
    tokens = x.flatten(2).transpose(1, 2)
    query, key, value = block.query(tokens), block.key(tokens), block.value(tokens)
    weights = torch.softmax(query @ key.transpose(1, 2) / CHANNELS**0.5, dim=-1)
    torch.testing.assert_close(block(x), block.output(weights @ value))


def test_self_attention_over_channels_mixes_channels() -> None:
    x = torch.randn(3, CHANNELS, 3, 3)
    block = SelfAttention(CHANNELS, "channels")
    tokens = x.flatten(2).transpose(1, 2)
    query, key, value = block.query(tokens).mT, block.key(tokens).mT, block.value(tokens).mT
    weights = torch.softmax(query @ key.mT / 9**0.5, dim=-1)  # nine positions describe a channel
    assert weights.shape == (3, CHANNELS, CHANNELS)
    torch.testing.assert_close(block(x), block.output((weights @ value).mT))


def test_head_joins_both_averages() -> None:
    head = Head(CHANNELS, 3, dropout=0.5).eval()
    defended, attended = torch.randn(2, CHANNELS, 4, 4), torch.randn(2, 16, CHANNELS)
    joined = torch.cat([defended.mean((2, 3)), attended.mean(1)], dim=1)
    torch.testing.assert_close(head(defended, attended), head.classify(F.relu(head.join(joined))))


def test_dropout_acts_in_training_only() -> None:
    head = Head(CHANNELS, 3, dropout=0.5)
    inputs = torch.randn(64, CHANNELS, 1, 1), torch.randn(64, 1, CHANNELS)
    assert not torch.allclose(head(*inputs), head(*inputs))
    head.eval()
    torch.testing.assert_close(head(*inputs), head(*inputs))


def _trained(block: Block) -> Block:
    """The block in eval mode, with statistics and affine parameters as after some training."""
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.weight, 1, 0.2)
            nn.init.normal_(layer.bias)
    return block.eval()
