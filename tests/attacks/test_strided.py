"""The first convolution's gradient by phases is that of torch, for any kernel, stride and padding."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks.calling import frozen
from meddef_lib.attacks.folding import Strided, fast_copy, pays


def gradient(layer, images, wanted):
    point = images.clone().requires_grad_(True)
    output = layer(point)
    return output, torch.autograd.grad((output * wanted).sum(), point)[0]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("padding", [0, 1, (3, 2)])
@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 2, 3, (7, 4), 7])
def test_output_and_gradient_are_those_of_the_convolution(kernel, stride, padding, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, kernel, stride, padding, bias=bias, dtype=torch.float64).requires_grad_(False)
    assert pays(layer)
    for size in [(12, 17), (13, 14), (7, 7)]:  # with and without rows at the end that the kernel never sees
        images = torch.rand(2, 3, *size, dtype=torch.float64)
        output, expected = gradient(layer, images, wanted := torch.randn_like(layer(images)))
        again, found = gradient(Strided(layer), images, wanted)
        assert torch.equal(again, output)
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 4, 3, stride=2),
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(3, 4, 3, stride=(2, 1)),
        nn.Conv2d(3, 4, 3, stride=2, dilation=2),
        nn.Conv2d(3, 3, 3, stride=2, groups=3),
        nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.Linear(3, 4),
    ],
)
def test_other_layers_are_left_alone(layer):
    assert not pays(layer)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_fast_copy_goes_back_by_phases(memory_format):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 4)
    ).eval()
    images = torch.rand(2, 3, 16, 16).contiguous(memory_format=memory_format)
    last = memory_format == torch.channels_last
    copy = fast_copy(model, images, channels_last=last)
    plain = fast_copy(model, images, channels_last=last, strided=False)
    assert [type(each.get_submodule("network.0")) for each in (copy, plain)] == [Strided, nn.Conv2d]
    wanted = torch.randn(2, 4)
    with frozen(model):
        expected = gradient(model, images, wanted)[1]
    assert torch.allclose(gradient(copy, images, wanted)[1], expected, rtol=0, atol=1e-6)
    assert torch.allclose(gradient(plain, images, wanted)[1], expected, rtol=0, atol=1e-6)
    assert isinstance(fast_copy(model, images, bfloat16=True).get_submodule("network.0"), nn.Conv2d)
    assert isinstance(model[0], nn.Conv2d)


def test_a_convolution_alone_is_a_network_too():
    """`Sequential` has names for its layers; a single layer has none to be replaced by."""
    layer = nn.Conv2d(3, 4, 3, 2).eval()
    images = torch.rand(2, 3, 9, 9)
    assert torch.allclose(fast_copy(layer, images, fold=False)(images), layer(images), rtol=0, atol=1e-6)
