"""What a device is good at: memory format, precision, the fused optimizer, and how much memory was needed."""

import resource
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from meddef_lib import precision
from meddef_lib.params import TrainingParams


def memory_format(params: TrainingParams, device: torch.device, image_size: int) -> torch.memory_format:
    """As `params.channels_last` says; "auto" goes by device, image size and precision."""
    bfloat16 = precision.in_bfloat16(params.autocast, device)
    return precision.memory_format(params.channels_last, device, image_size, bfloat16=bfloat16)


def in_precision(
    network: nn.Module, params: TrainingParams, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """The network as a function to float32 logits, in bfloat16 where `params.autocast` says so."""
    if not precision.in_bfloat16(params.autocast, device):
        return network

    def logits(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return network(images).float()

    return logits


def adam(network: nn.Module, params: TrainingParams, device: torch.device) -> torch.optim.Adam:
    """Adam with the weight decay in the gradient (MedDef, 3.8), fused where that can be."""
    return torch.optim.Adam(
        network.parameters(),
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        fused=device.type in ("cpu", "cuda", "mps"),
    )


def reset_peak_memory(device: torch.device) -> None:
    """Begin to measure anew, where the device can (a CPU's peak is that of the process so far)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mib(device: torch.device) -> float:
    """The most memory that was in use: of the GPU since the reset, else of the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere
