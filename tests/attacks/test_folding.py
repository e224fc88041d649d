"""The fast copy: the same function in fewer operations, what must not be folded, and the first convolution's
gradient by phases, which is that of torch for any kernel, stride and padding.
"""

import pytest
import torch
from torch import nn

from meddef_lib import models
from meddef_lib.attacks import folding
from meddef_lib.attacks.calling import frozen
from meddef_lib.attacks.folding import Strided, fast_copy, foldable, pays

WITH_MSF = ("no_afd_mfe", "no_afd", "full")


def images(count=2, side=32):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def network(variant="full"):
    """A network whose batch normalisations have something to say."""
    model = models.build(variant, 4, mean=0.2, std=0.2).eval()
    generator = torch.Generator().manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            layer.weight.data.uniform_(0.5, 1.5, generator=generator)
            layer.bias.data.normal_(0, 0.1, generator=generator)
    return model


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_every_variant_folds_to_the_same_logits(variant):
    model = network(variant)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = fast_copy(model, images())
    norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    left = sum(isinstance(layer, nn.BatchNorm2d) for layer in copy.modules())
    # a map this small MSF enlarges between each convolution and its BN: these three stay
    assert left == (3 if variant in WITH_MSF else 0)
    assert norms >= 20
    with torch.no_grad():
        assert torch.allclose(copy(images(3)), model(images(3)), atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not copy.training
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_input_gradients_are_those_of_the_network():
    model, batch = network("resnet18"), images()
    point, other = batch.clone().requires_grad_(), batch.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(point).square().sum(), point)
    (found,) = torch.autograd.grad(fast_copy(model, batch)(other).square().sum(), other)
    assert torch.allclose(found, expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-3)


@pytest.mark.parametrize("channels_last", [False, True])
def test_weights_lie_as_asked(channels_last):
    copy = fast_copy(network("resnet18"), images(), channels_last=channels_last)
    weight = copy.get_submodule("network.backbone.layer1.0.conv1").weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_bfloat16_answers_in_float32_and_nearly_alike():
    model = network("resnet18")
    copy = fast_copy(model, images(), bfloat16=True)
    with torch.no_grad():
        found, expected = copy(images()), model(images())
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05 * (1 + expected.abs().max())


class Branching(nn.Module):
    """What comes out of `first` is also used as it is; `twice` is applied twice; `alone` may be folded."""

    def __init__(self):
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.twice, self.twice_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.alone, self.alone_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.own, self.own_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)
        self.apart, self.apart_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.first(x)
        y = self.first_norm(y) + y
        for _ in range(2):
            y = self.twice_norm(self.twice(y))
        y = self.alone_norm(self.alone(y))
        y = self.own_norm(self.own(y))
        y = self.apart_norm(torch.tanh(self.apart(y)))
        return y.mean(dim=(2, 3))


def test_only_what_follows_alone_is_folded():
    model = Branching().eval()
    for norm in (model.first_norm, model.twice_norm, model.alone_norm, model.apart_norm):
        norm.running_mean += 0.3
        norm.running_var *= 2
    assert foldable(model, images()) == {"alone": "alone_norm"}
    with torch.no_grad():
        assert torch.allclose(fast_copy(model, images())(images()), model(images()), atol=1e-4)


def test_a_fold_that_changes_the_logits_is_refused(monkeypatch):
    monkeypatch.setattr(folding, "foldable", lambda *_: {"apart": "apart_norm"})
    model = Branching().eval()
    model.apart_norm.running_mean += 3
    with pytest.raises(RuntimeError, match="Folding batch normalisation changed the logits"):
        fast_copy(model, images())


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


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN")
def test_few_images_are_not_looped_over_by_convolutions_of_one_pixel():
    """Whether torch does so by itself hangs on the number of threads: the test would say nothing on two."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = nn.Sequential(nn.Conv2d(3, 8, 1, padding=1), nn.Flatten(), nn.LazyLinear(4)).eval()
        model(images())  # gives the last layer its size
        slow, few = "aten::_slow_conv2d_forward", images(3)
        copy = fast_copy(model, few)
        with torch.profiler.profile() as plain, torch.no_grad():
            expected = model(few)
        with torch.profiler.profile() as fast, torch.no_grad():
            found = copy(few)
    finally:
        torch.set_num_threads(threads)
    assert slow in {event.key for event in plain.key_averages()}
    assert slow not in {event.key for event in fast.key_averages()}
    assert torch.allclose(found, expected, atol=1e-6)
