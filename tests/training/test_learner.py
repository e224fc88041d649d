import pytest
import torch

from meddef_lib import models, precision
from meddef_lib.params import TrainingParams
from meddef_lib.training import learner
from meddef_lib.training.learner import twin_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "setting", "size", "expected"),
    [
        ("cpu", "auto", 64, torch.contiguous_format),
        ("cpu", "auto", 224, torch.channels_last),
        ("cpu", "on", 64, torch.channels_last),
        ("cpu", "off", 224, torch.contiguous_format),
        ("cuda", "auto", 64, torch.channels_last),
        ("mps", "auto", 224, torch.contiguous_format),
    ],
)
def test_the_memory_format_goes_by_setting_device_and_size(monkeypatch, device, setting, size, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    params = TrainingParams(channels_last=setting, autocast="none")

    assert learner.wanted_format(params, torch.device(device), size) is expected


def test_bfloat16_convolutions_on_a_cpu_are_channels_last_at_any_size():
    params = TrainingParams(autocast="bfloat16")

    assert learner.wanted_format(params, CPU, 64) is torch.channels_last


@pytest.mark.parametrize("pays", [False, True])
def test_the_precision_goes_by_the_device_unless_it_is_set(tiny, monkeypatch, pays):
    monkeypatch.setattr(precision, "pays", lambda device: pays)

    assert (learner.in_precision(tiny, TrainingParams(), CPU) is tiny) == (not pays)
    assert learner.in_precision(tiny, TrainingParams(autocast="none"), CPU) is tiny


def test_bfloat16_gives_float32_logits_near_those_of_float32(tiny):
    images = torch.rand(4, 3, 16, 16)

    found = learner.in_precision(tiny.eval(), TrainingParams(autocast="bfloat16"), CPU)(images)

    assert found.dtype == torch.float32
    assert torch.allclose(found, tiny(images), atol=0.05)
    assert not torch.equal(found, tiny(images))


def test_adam_is_the_paper_s(tiny):
    optimizer = learner.adam(tiny, TrainingParams(), CPU)

    assert type(optimizer) is torch.optim.Adam
    assert optimizer.defaults["lr"] == 1e-4
    assert optimizer.defaults["weight_decay"] == 1e-4


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_fused_step_is_adam_s(new_tiny, memory_format):
    fused, plain = (new_tiny().to(memory_format=memory_format) for _ in range(2))
    optimizers = [
        learner.adam(fused, TrainingParams(learning_rate=1e-2), CPU),
        torch.optim.Adam(plain.parameters(), lr=1e-2, weight_decay=1e-4, foreach=False),
    ]
    for model, optimizer in zip((fused, plain), optimizers, strict=True):
        torch.manual_seed(0)
        for _ in range(3):
            # given gradients: that of a bias before batch normalisation is rounding, which Adam enlarges
            for parameter in model.parameters():
                parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape))
            optimizer.step()

    for ours, theirs in zip(fused.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_this_process_has_used_some_memory():
    learner.reset_peak_memory(CPU)

    assert 10 < learner.peak_memory_mib(CPU) < 1e6


@pytest.mark.parametrize("variant", models.VARIANTS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_twin_follows_a_network_that_is_trained(variant, memory_format):
    model = models.build(variant, 3, mean=0.4, std=0.2).train().to(memory_format=memory_format)
    twin = twin_of(model, torch.zeros(1, 3, 32, 32))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    model(images).square().mean().backward()
    optimizer.step()
    twin.follow()

    found = twin.network(images)
    with torch.no_grad():
        expected = model.eval()(images)
    assert twin.folded
    assert not found.requires_grad
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_the_network_is_left_alone(tiny):
    before = {name: value.clone() for name, value in tiny.state_dict().items()}

    twin = twin_of(tiny.train(), torch.zeros(1, 3, 16, 16))

    assert len(twin.folded) == 2
    assert tiny.training
    assert all(parameter.requires_grad for parameter in tiny.parameters())
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())


def test_layers_without_batch_normalisation_share_their_memory(tiny):
    twin = twin_of(tiny, torch.zeros(1, 3, 16, 16))

    with torch.no_grad():
        tiny.head.bias.fill_(7)

    assert (twin.network.head.bias == 7).all()
