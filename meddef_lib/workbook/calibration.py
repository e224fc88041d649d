"""Times forward passes, input gradients and training steps on this machine, for `plan`.

Run as `python -m meddef_lib.workbook.calibration '{"device": "cpu", ...}'`: a process of its own, so that
planning a run with nothing to do never imports torch. Prints seconds an image as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

SECONDS_A_RATE = 0.4
BATCH = 32
PIXELS_A_BATCH = BATCH * 64 * 64  # on a CPU, so that it is measured in seconds at any image size


def main(options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds an image of `resnet18` and `full`: {"forward", "gradient", "training"}."""
    import torch
    from torch.nn.functional import cross_entropy

    from meddef_lib import models

    device, size = options["device"], options["image_size"]
    batch = BATCH
    if device == "cpu":
        batch = max(2, min(BATCH, PIXELS_A_BATCH // size**2))
        torch.set_num_threads(options["threads"])
    images = torch.rand(batch, 3, size, size, device=device)
    labels = torch.zeros(batch, dtype=torch.long, device=device)
    measured = {}
    for variant in ("resnet18", "full"):
        model = models.build(variant, 4, seed=0).to(device)

        def train(model: torch.nn.Module = model) -> None:
            model.train()
            cross_entropy(model(images), labels).backward()

        def forward(model: torch.nn.Module = model) -> None:
            model.eval()
            with torch.no_grad():
                model(images)

        def gradient(model: torch.nn.Module = model) -> None:
            model.eval()
            pixels = images.clone().requires_grad_(True)
            torch.autograd.grad(cross_entropy(model(pixels), labels), pixels)

        measured[variant] = {
            "training": _seconds(train, device) / batch,
            "forward": _seconds(forward, device) / batch,
            "gradient": _seconds(gradient, device) / batch,
        }
    return measured


def _seconds(work: Callable[[], None], device: str) -> float:
    import torch

    def timed() -> float:
        start = time.perf_counter()
        work()
        if device != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - start

    timed()  # not counted: memory and kernels are set up
    times: list[float] = []
    deadline = time.perf_counter() + SECONDS_A_RATE
    while len(times) < 2 or (time.perf_counter() < deadline and len(times) < 20):
        times.append(timed())
    return median(times)


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
