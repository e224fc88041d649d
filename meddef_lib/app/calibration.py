"""Times forward passes, input gradients and training steps on this machine, for `plan`.

Run as `python -m meddef_lib.app.calibration '{"device": "cpu", ...}'`: a process of its own, so that
planning a run with nothing to do never imports torch. Prints seconds an image as JSON. Networks are prepared
as training and evaluation prepare them, in the precision that the profile gives to each.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

SECONDS_A_RATE = 0.4
BATCH = 32
PIXELS_A_BATCH = BATCH * 64 * 64  # on a CPU, so that it is measured in seconds at any image size


def main(options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds an image of each of the `variants`: {"forward", "gradient", "training", "crafting"}.

    Options: variants, model (`ModelParams`), device, threads, image_size, autocast (`training`'s), bfloat16
    (`evaluation`'s).
    """
    import torch
    from torch.nn.functional import cross_entropy

    from meddef_lib import evaluation, models, precision
    from meddef_lib.params import ModelParams, TrainingParams
    from meddef_lib.training.distributed import Group
    from meddef_lib.training.learner import Learner, learner_of

    device, size = options["device"], options["image_size"]
    batch = BATCH
    if device == "cpu":
        batch = max(2, min(BATCH, PIXELS_A_BATCH // size**2))
        torch.set_num_threads(options["threads"])
    images = torch.rand(batch, 3, size, size, device=device)
    labels = torch.zeros(batch, dtype=torch.long, device=device)
    params = TrainingParams(autocast=options["autocast"])
    in_bfloat16 = precision.in_bfloat16(options["bfloat16"], device)
    computing = evaluation.Computing(bfloat16=in_bfloat16, device=device)

    def gradient(logits: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> None:
        pixels = pixels.detach().requires_grad_(True)
        torch.autograd.grad(cross_entropy(logits(pixels), labels), pixels)

    measured = {}
    for variant in options["variants"]:
        model = models.build(variant, 4, options=ModelParams.restored(options["model"]))
        learner = learner_of(
            model,
            params,
            image_size=size,
            device=torch.device(device),
            group=Group(),
        )
        learned = images.contiguous(memory_format=learner.memory_format)
        attacked = images.contiguous(memory_format=computing.memory_format(images))
        fast = evaluation.Attacked(model, computing).fast(attacked)

        def train(learner: Learner = learner, images: torch.Tensor = learned) -> None:
            learner.model.train()
            cross_entropy(learner.train_logits(images), labels).backward()

        def forward(model: torch.nn.Module = model) -> None:
            model.eval()
            with torch.no_grad():
                model(images)

        measured[variant] = {
            "training": _seconds(train, device) / batch,
            "crafting": _seconds(partial(gradient, learner.twin_logits, learned), device) / batch,
            "forward": _seconds(forward, device) / batch,
            "gradient": _seconds(partial(gradient, fast, attacked), device) / batch,
        }
    return measured


def _seconds(work: Callable[[], None], device: str) -> float:
    """The median of what `work` takes, after a first time that does not count."""
    import torch
    from torch.utils.benchmark import Timer

    def now() -> float:
        if device == "cpu":  # this thread's share of a core: what else the machine does now is not the cost
            return time.thread_time()
        torch.accelerator.synchronize()  # the timer's own clock waits for Apple's GPUs only from torch 2.9 on
        return time.perf_counter()

    timer = Timer("work()", timer=now, globals={"work": work}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=SECONDS_A_RATE).median


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
