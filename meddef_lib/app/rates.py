"""How fast networks are computed: on this machine, measured once and remembered, or on one of the table's.

What is measured are the three things that a workbook spends its hours on (forward passes, input gradients
and training steps), on the smallest and the largest network of the tables and on those for comparison that
are built of something else. They are prepared as training and evaluation prepare them, in the precision that
the profile gives to each, and timed by a process of its own, so that planning a run never imports torch:

    python -m meddef_lib.app.rates '{"device": "cpu", ...}'

prints seconds an image as JSON.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from meddef_lib import paths
from meddef_lib.engine import sealed
from meddef_lib.engine.receipts import environment
from meddef_lib.engine.recipe import canonical_json
from meddef_lib.errors import FAILED, UserError
from meddef_lib.models.variants import FULL, RESNET18, VARIANTS
from meddef_lib.params import ModelParams, Profile, TrainingParams, devices
from meddef_lib.params.devices import Device, Peak
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Rates

# forward passes that each takes: the gradient of the input doubles one, that of the weights adds a third
PASSES = {"forward": 1, "gradient": 2, "training": 3, "crafting": 2}
SECONDS_A_RATE = 0.4
BATCH = 32
PIXELS_A_BATCH = BATCH * 64 * 64  # on a CPU, so that it is measured in seconds at any image size


class CalibrationFailed(UserError):
    """The machine could not be measured; the message holds what the measuring process said."""

    exit_code = FAILED


def of_device(device: Device, profile: Profile) -> dict[str, Rates]:
    """The rates of a device that need not be here, by network; those of its peaks in the profile's precision.

    In proportion to the pixels, and to the square of the networks' width.
    """
    table = devices.read()
    scale = (profile.image_size / table.image_size * profile.model.width / ModelParams().width) ** 2
    if device.measured is not None:
        found = {name: rates.model_dump() for name, rates in device.measured.items()}
    else:
        found = {
            name: {
                what: passes * 2e9 * multiply_adds / (1e12 * peak.tflops * peak.share)
                for what, passes in PASSES.items()
                if (peak := _peak(device, profile, what))
            }
            for name, multiply_adds in table.multiply_adds.items()
        }
    return {
        name: Rates(**{what: scale * seconds for what, seconds in rates.items()})
        for name, rates in found.items()
    }


def sources(device: Device) -> list[str]:
    """Where a device's rates come from: a sentence each, which says whether they were measured."""
    if device.measured is not None:
        return [f"{device.title}: measured, {device.source}"]
    peaks = {"float32": device.float32, "bfloat16": device.bfloat16}
    return [
        f"{device.title}: estimated, {peak.share:.0%} of {peak.tflops:g} TFLOP/s in {name} ({peak.source})"
        for name, peak in peaks.items()
        if peak
    ]


def _peak(device: Device, profile: Profile, what: str) -> Peak:
    """The peak in the precision that the profile gives to what is computed, where the device has it."""
    wanted = {
        "forward": "off",  # what the records say is computed in float32
        "gradient": profile.evaluation.bfloat16,
        "training": profile.training.autocast,
        "crafting": profile.training.autocast,
    }[what]
    assert device.float32 is not None  # as its validator says
    return device.bfloat16 if device.bfloat16 and wanted not in ("off", "none") else device.float32


def _timed(profile: Profile) -> list[str]:
    """The smallest and the largest network of the tables, and those that are built of something else."""
    known = {RESNET18.network, FULL.network}
    named = dict.fromkeys((*profile.variants, *profile.comparison.networks))
    others = [name for name in named if VARIANTS[name].network not in known]
    return [RESNET18.id, FULL.id, *others]


def of_this_machine(book: Workbook, device: str) -> dict[str, Rates]:
    """The rates of this machine, measured once and remembered in the store. Raises CalibrationFailed."""
    profile = book.profile
    options = {
        "variants": _timed(profile),
        "device": device,
        "threads": profile.threads,
        "image_size": profile.image_size,
        "model": profile.model.settings("pretrained"),
        "autocast": profile.training.autocast,
        "bfloat16": profile.evaluation.bfloat16,
    }
    machine = {key: environment()[key] for key in ("processor", "packages")}
    name = sha256(canonical_json({**machine, **options}).encode()).hexdigest()[:16]
    file = book.store.root / "calibration" / f"{name}.json"
    measured = sealed.read(file)
    if measured is None:
        print(f"measuring this machine once ({device}, {book.profile.image_size} px) ...", flush=True)
        command = [sys.executable, "-m", "meddef_lib.app.rates", json.dumps(options)]
        with tempfile.TemporaryDirectory(prefix="meddef-") as temporary:  # torch leaves a folder there
            own = paths.environment() | {"TMPDIR": temporary}
            done = subprocess.run(
                command, cwd=paths.ROOT, env=own, capture_output=True, text=True, check=False
            )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise CalibrationFailed(
                f"this machine could not be measured ({device}, {book.profile.image_size} px); "
                f"`invoke doctor` may tell why. The measurement ended with: {last}"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        measured = json.loads(done.stdout)
        sealed.write(file, measured)
    return {variant: Rates(**rates) for variant, rates in measured.items()}


def main(options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds an image of each of the variants: {"forward", "gradient", "training", "crafting"}."""
    import torch
    from torch.nn.functional import cross_entropy

    from meddef_lib import evaluation, models, precision
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
