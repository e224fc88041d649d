import pytest
import torch

from meddef_lib import precision
from meddef_lib.params import TrainingParams
from meddef_lib.training import learner

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
