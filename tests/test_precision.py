import pytest
import torch

from meddef_lib import precision


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({}, False),
    ],
)
def test_a_cpu_gains_where_it_multiplies_bfloat16_itself(monkeypatch, has, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)

    assert precision.pays("cpu") == expected


def test_a_pytorch_that_cannot_tell_what_a_cpu_has_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)

    assert not precision.pays(torch.device("cpu"))


@pytest.mark.parametrize("itself", [False, True])
def test_a_gpu_that_only_emulates_bfloat16_does_not_gain(monkeypatch, itself):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: itself or including_emulation
    )

    assert precision.pays("cuda") == itself


def test_apple_s_gpus_compute_in_float32():
    assert not precision.pays("mps")


@pytest.mark.parametrize(
    ("wanted", "on_one_that_gains", "on_another"),
    [
        ("auto", True, False),
        ("on", True, True),
        ("bfloat16", True, True),
        ("off", False, False),
        ("none", False, False),
    ],
)
def test_only_auto_goes_by_the_device(monkeypatch, wanted, on_one_that_gains, on_another):
    for pays, expected in ((True, on_one_that_gains), (False, on_another)):
        monkeypatch.setattr(precision, "pays", lambda device, pays=pays: pays)
        assert precision.in_bfloat16(wanted, "cpu") == expected
        assert precision.name(wanted, "cpu") == ("bfloat16" if expected else "float32")


@pytest.mark.parametrize(
    ("capability", "side", "expected"),
    [
        ("AVX512", 64, torch.contiguous_format),
        ("AVX512", 224, torch.channels_last),
        ("AVX2", 64, torch.channels_last),
    ],
)
def test_channels_last_goes_by_processor_and_size(monkeypatch, capability, side, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert precision.memory_format("auto", torch.device("cpu"), side) is expected
