"""How a worker process computes networks: its threads, and whether it repeats itself bit for bit."""

from collections.abc import Mapping
from typing import Any

import torch


def prepare(options: Mapping[str, Any]) -> None:
    """Set up torch in this process; options: device, threads, deterministic (on CUDA)."""
    if options["device"] == "cpu":
        torch.set_num_threads(options["threads"])
    if options["deterministic"] and options["device"] == "cuda":
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
