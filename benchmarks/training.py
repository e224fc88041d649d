"""One adversarial training step, ours against a plain loop: `python -m benchmarks.training [--json]`.

The step is Madry's on the full MedDef network: a batch of 32 images attacked by PGD, then one update by Adam.

- ours: what a run does, from the array on disk to the update; in float32 and, where the device computes in
  it and a run therefore would, in bfloat16
- plain: the same step as tutorials write it, `.backward()` in the attack and all

The plain loop is in float32. They take turns in one process, from the same weights, on the same images,
random starts and dropout. In float64 their losses must agree. In float32 a last bit decides the sign of a
gradient that is nearly 0, so there, and in bfloat16, the difference is only shown. Ratios are medians over
the rounds; the machine's peak is a large float32 product of matrices, measured between the steps.
"""

import copy
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._rows import parser, shown
from meddef_lib import models
from meddef_lib.params import TrainingParams
from meddef_lib.precision import pays
from meddef_lib.training import batches, crafting, loop, losses, schedule
from meddef_lib.training.batches import ImageSet, augment
from meddef_lib.training.distributed import Group
from meddef_lib.training.learner import Learner, adam, learner_of

BATCH = 32
EPS = 0.02
PRODUCT = 2048  # side of the matrices
CHECK = {"images": 4, "steps": 3}  # in float64
TOLERANCE = 1e-6  # relative, of the losses in float64; logits are handed on in float32


@dataclass(frozen=True)
class Row:
    """One image size in one precision: medians over the rounds; shares are of 1."""

    image_size: int
    precision: str  # of our step
    variant: str
    attack_steps: int
    device: str
    threads: int
    images_per_second: float
    plain_images_per_second: float
    ratio_to_plain: float
    lowest_ratio: float
    highest_ratio: float
    outside_share: float  # of our step: outside forward, backward and attack
    share_of_peak: float
    peak_gflops: float
    loss_difference: float  # relative, in that precision: the largest
    loss_difference_float64: float  # on a few images and steps


class InFloat64(nn.Module):
    """A network that computes in float64 between float32 images and logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.double()).float()


class Race:
    """The two loops, each with a network and an optimizer of its own, on the same `images` pictures."""

    def __init__(
        self,
        variant: str,
        size: int,
        *,
        images: int,
        steps: int,
        folder: Path,
        device: torch.device,
        precision: str = "float32",
    ) -> None:
        self.device = device
        autocast: Literal["bfloat16", "none"] = "bfloat16" if precision == "bfloat16" else "none"
        self.params = TrainingParams(
            reference_eps=EPS, reference_steps=steps, reference_warmup_share=0, autocast=autocast
        )
        self.phase = schedule.phase_of(0, "pgd", self.params)
        self.images = _images(folder, images, size)
        self.generator = torch.Generator(device=device)
        network = models.build(variant, 2, mean=0.5, std=0.25)
        self.model = InFloat64(network) if precision == "float64" else network
        self.plain = copy.deepcopy(self.model).to(device)
        self.learner = learner_of(
            self.model,
            self.params,
            image_size=size,
            device=device,
            group=Group(),
        )
        self.optimizer = adam(self.model, self.params, device)
        self.plain_optimizer = torch.optim.Adam(
            self.plain.parameters(), lr=self.params.learning_rate, weight_decay=self.params.weight_decay
        )
        self._computing_from = self._computing_until = 0.0
        self.optimizer.register_step_pre_hook(lambda *_: self._note_end_of_backward())

    def ours(self, seed: int) -> tuple[float, float, float]:
        """One step: loss, seconds, and how many of them outside forward, backward and attack."""
        started = self._now()
        grey, labels = self._batch(seed)
        loss, _ = loop.train_batch(
            self.learner,
            self.optimizer,
            [(grey, labels, seed)],
            losses.Step("pgd", self.phase, self.params, 1, self.generator),
            images=len(self.images),
            loss_of=self._timed_part_loss,
        )
        value = loss.item()
        seconds = self._now() - started
        return value, seconds, seconds - (self._computing_until - self._computing_from)

    def theirs(self, seed: int) -> tuple[float, float]:
        """The same step by `plain_step`, whose images and random start are ready before the clock starts."""
        self.plain.load_state_dict(self.model.state_dict())
        grey, labels = self._batch(seed)
        self.generator.manual_seed(seed)
        inputs = augment(batches.as_images(grey), self.params.augmentation, generator=self.generator)
        images = batches.as_input(inputs, self.learner.memory_format)
        start = crafting.uniform_start(images, EPS, generator=self.generator).clamp(0, 1).contiguous()
        torch.manual_seed(seed)  # dropout
        started = self._now()
        loss = plain_step(
            self.plain,
            self.plain_optimizer,
            images.contiguous(),
            labels,
            start,
            step_size=self.phase.step_size,
            steps=self.params.reference_steps,
        )
        return loss, self._now() - started

    def flops(self) -> int:
        """Floating-point operations of our step; passes forward, to input and to weights count alike."""
        images = torch.zeros(BATCH, 3, *self.images.pixels.shape[1:], device=self.device)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.plain(images)
        return counter.get_total_flops() * (2 * self.params.reference_steps + 3)

    def _batch(self, seed: int) -> tuple[Tensor, Tensor]:
        order = np.random.default_rng(seed).permutation(len(self.images))
        return next(batches.stream(self.images, [order], self.device))

    def _timed_part_loss(
        self, learner: Learner, images: Tensor, labels: Tensor, step: losses.Step
    ) -> tuple[Tensor, Tensor]:
        self._computing_from = self._now()
        return losses.part_loss(learner, images, labels, step)

    def _note_end_of_backward(self) -> None:
        self._computing_until = self._now()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def plain_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    start: Tensor,
    *,
    step_size: float,
    steps: int,
) -> float:
    """Madry's training step as tutorials write it; returns the loss."""
    model.eval()
    attacked = start.clone()
    for _ in range(steps):
        attacked.requires_grad = True
        model.zero_grad()
        loss = functional.cross_entropy(model(attacked), labels)
        loss.backward()
        assert attacked.grad is not None
        attacked = attacked.detach() + step_size * attacked.grad.sign()
        attacked = images + torch.clamp(attacked - images, -EPS, EPS)
        attacked = torch.clamp(attacked, 0, 1)
    model.train()
    optimizer.zero_grad()
    loss = functional.cross_entropy(model(attacked), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def measure(
    variant: str, size: int, steps: int, rounds: int, device: torch.device, folder: Path
) -> Iterator[Row]:
    """A row in float32 and, where a run would compute in it, one in bfloat16."""
    exact = Race(variant, size, **CHECK, folder=folder, device=device, precision="float64")
    plain_loss, loss = exact.theirs(0)[0], exact.ours(0)[0]
    difference = abs(loss - plain_loss) / abs(plain_loss)
    for wanted in ["float32", "bfloat16"] if pays(device) else ["float32"]:
        yield _measure(variant, size, wanted, steps, rounds, device, folder, difference)


def _measure(
    variant: str,
    size: int,
    precision: str,
    steps: int,
    rounds: int,
    device: torch.device,
    folder: Path,
    difference_float64: float,
) -> Row:
    """Run both loops in turn for some rounds, after one that does not count."""
    race = Race(variant, size, images=BATCH, steps=steps, folder=folder, device=device, precision=precision)
    flops = race.flops()
    ours, theirs, outside, products, differences = [], [], [], [], []
    for seed in range(rounds + 1):
        # before ours, which takes the step that both begin the next round from
        plain_loss, plain_seconds = race.theirs(seed)
        loss, seconds, seconds_outside = race.ours(seed)
        products.append(_seconds_of_product(device))
        differences.append(abs(loss - plain_loss) / abs(plain_loss))
        if seed:
            ours.append(seconds)
            theirs.append(plain_seconds)
            outside.append(seconds_outside / seconds)
    ratios = [plain / own for own, plain in zip(ours, theirs, strict=True)]
    peak = 2 * PRODUCT**3 / min(products)
    return Row(
        image_size=size,
        precision=precision,
        variant=variant,
        attack_steps=steps,
        device=str(device),
        threads=torch.get_num_threads(),
        images_per_second=BATCH / median(ours),
        plain_images_per_second=BATCH / median(theirs),
        ratio_to_plain=median(ratios),
        lowest_ratio=min(ratios),
        highest_ratio=max(ratios),
        outside_share=median(outside),
        share_of_peak=flops / median(ours) / peak,
        peak_gflops=peak / 1e9,
        loss_difference=max(differences),
        loss_difference_float64=difference_float64,
    )


def _images(folder: Path, count: int, size: int) -> ImageSet:
    """Smooth random pictures in a memory-mapped array."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 1, 8, 8, generator=generator)
    pictures = functional.interpolate(coarse, (size, size), mode="bilinear").squeeze(1)
    file = folder / f"{count}-{size}.npy"
    np.save(file, (255 * pictures).to(torch.uint8).numpy())
    labels = (pictures.mean(dim=(1, 2)) > pictures.mean()).long().numpy()
    return ImageSet(np.load(file, mmap_mode="r"), np.arange(count), labels)


def _seconds_of_product(device: torch.device) -> float:
    left, right = (torch.rand(PRODUCT, PRODUCT, device=device) for _ in range(2))
    (left @ right).sum().item()
    started = time.perf_counter()
    (left @ right).sum().item()
    return time.perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows as a table or as JSON; the exit code is 1 where the losses do not agree."""
    said = parser(__doc__, quick="one round with a short attack")
    said.add_argument("--sizes", type=int, nargs="+", default=[64, 224], help="image sizes in px")
    said.add_argument("--variant", default="full", choices=models.VARIANTS)
    said.add_argument("--steps", type=int, default=7, help="of the attack")
    said.add_argument("--rounds", type=int, default=3)
    said.add_argument("--device", default="cpu")
    said.add_argument("--threads", type=int, default=1)
    options = said.parse_args(arguments)
    if options.quick:
        options.rounds, options.steps = 1, 2
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for size in options.sizes
            for row in measure(options.variant, size, options.steps, options.rounds, device, Path(folder))
        ]
    print(shown(rows, as_json=options.json))
    apart = sorted({row.image_size for row in rows if not row.loss_difference_float64 <= TOLERANCE})
    if apart:
        print(f"at {apart} px the losses differ in float64: the loops do not do the same", file=sys.stderr)
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
