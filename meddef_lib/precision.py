"""How a process computes networks: precision, memory format, threads, and whether it repeats itself."""

from collections.abc import Mapping
from typing import Any, Literal

import torch

Wanted = Literal["auto", "on", "bfloat16", "off", "none"]
CHANNELS_LAST_FROM = 128  # px, on a CPU with AVX-512


def name(wanted: Wanted, device: torch.device | str) -> str:
    """What a wanted precision comes to on a device, as a receipt says it: "bfloat16" or "float32"."""
    return "bfloat16" if in_bfloat16(wanted, device) else "float32"


def in_bfloat16(wanted: Wanted, device: torch.device | str) -> bool:
    """What `training.autocast` and `evaluation.bfloat16` come to on a device; "auto" is bfloat16 where it
    pays."""
    return pays(device) if wanted == "auto" else wanted in ("on", "bfloat16")


def pays(device: torch.device | str) -> bool:
    """Whether the device multiplies bfloat16 itself; one that only emulates it is slower than in float32.

    Measured on a CPU with AVX-512 BF16 at 64 and 224 px: an input gradient takes 0.5 to 0.6 of the time in
    float32, forward and backward in training 0.55 to 0.65. An older PyTorch, which cannot tell what a CPU
    has, answers no.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        found = torch.cpu.get_capabilities()
        return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return False


def memory_format(
    wanted: Literal["auto", "on", "off"], device: torch.device, image_size: int, *, bfloat16: bool = False
) -> torch.memory_format:
    """Channels last or contiguous, as wanted; "auto" goes by what was measured.

    On a GPU convolutions are faster with channels last. On a CPU with AVX-512 they gain from 128 px (1.2 to
    1.3 times) and lose below (0.9) in float32, and in bfloat16 gain at 64 px, too (1.2); on one with AVX2
    they gain at every size.
    """
    if wanted == "auto":
        gains = device.type == "cuda"
        if device.type == "cpu":
            wide_vectors = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
            gains = bfloat16 or not wide_vectors or image_size >= CHANNELS_LAST_FROM
        wanted = "on" if gains else "off"
    return torch.channels_last if wanted == "on" else torch.contiguous_format


def prepare(options: Mapping[str, Any]) -> None:
    """Set up torch in this process; options: device, threads, deterministic (on CUDA)."""
    if options["device"] == "cpu":
        torch.set_num_threads(options["threads"])
    if options["deterministic"] and options["device"] == "cuda":
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
