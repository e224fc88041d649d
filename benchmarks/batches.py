"""How large a batch of attacked images this machine holds, and which is fast: `python -m benchmarks.batches`.

`evaluation.batch_size` belongs to a recipe (a batch of another size rounds differently), so a run does not
look for it; this does, once a machine. PGD on the full MedDef network as the profile `paper` has it (224 px),
from 8 images to as many as memory holds, twice as many each time; as the network is and, on a GPU, with
`evaluation.compile`. It ends where memory does, or where twice the images brought less than 2 %.

A row (`--json` prints them as a list) has the batch, images a second, the ratio to the first row and, on a
GPU, the peak of its memory in MiB. The last lines name the batch that is fast enough: the smallest within 5 %
of the fastest; a larger one would only take memory.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch

from benchmarks._rows import parser, say, shown
from meddef_lib import evaluation, models, precision
from meddef_lib.attacks.gradient import pgd

SMALLEST = 8
WORTH = 1.02  # less is no reason to go on
CLOSE = 0.95  # of the fastest rate
ROUNDS = 3  # the best of them: what else the machine does only slows
EPS, STEP_SIZE = 0.05, 0.01
CLASSES = 4


@dataclass(frozen=True)
class Row:
    """What a batch of this size comes to."""

    batch: int
    compiled: bool
    images_per_second: float
    ratio: float  # to the first row
    peak_mib: float | None  # of a GPU's memory


@dataclass(frozen=True)
class Effort:
    """What is attacked."""

    size: int = 224
    steps: int = 5
    most: int = 4096
    variant: str = "full"


QUICK = Effort(size=32, steps=1, most=16)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__).parse_args(arguments)
    rows = measure(QUICK if options.quick else Effort(), "cuda" if torch.cuda.is_available() else "cpu")
    print(shown(rows, as_json=options.json) + ("" if options.json else advice(rows)))
    return 0


def measure(effort: Effort, device: str) -> list[Row]:
    """The rows, in the order in which they were measured. Raises what the first batch raises."""
    rows: list[Row] = []
    for compiled in (False, True) if device == "cuda" else (False,):
        fastest = 0.0
        for batch in _sizes(effort.most):
            try:
                rate, peak = _rate(effort, batch, device, compiled=compiled)
            except torch.OutOfMemoryError:
                if not rows:
                    raise
                say(f"{batch} images do not fit into the memory of this device")
                break
            rows.append(Row(batch, compiled, rate, rate / rows[0].images_per_second if rows else 1.0, peak))
            say(rows[-1])
            if rate < WORTH * fastest:
                break
            fastest = max(fastest, rate)
    return rows


def fast_enough(rows: Sequence[Row]) -> Row:
    """The smallest batch, compiled only where that is worth it, within 5 % of the fastest row."""
    fastest = max(row.images_per_second for row in rows)
    close = [row for row in rows if row.images_per_second >= CLOSE * fastest]
    return min(close, key=lambda row: (row.compiled, row.batch))


def advice(rows: Sequence[Row]) -> str:
    """The parameters that the rows speak for."""
    found = fast_enough(rows)
    chosen = f"--set evaluation.batch_size={found.batch}" + " --set evaluation.compile=true" * found.compiled
    return f"\nfast enough: {chosen}"


def _sizes(most: int) -> Iterator[int]:
    for doublings in count():
        if (size := SMALLEST << doublings) > most:
            return
        yield size


def _rate(effort: Effort, batch: int, device: str, *, compiled: bool) -> tuple[float, float | None]:
    """Attacked images a second, and the peak of the device's memory in MiB where it tells."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, effort.size, effort.size, generator=generator)
    model = models.build(effort.variant, CLASSES, seed=0).eval().to(device)
    computing = evaluation.Computing(
        batch_size=batch,
        bfloat16=precision.in_bfloat16("auto", device),
        compile=compiled,
        device=device,
    )
    images = images.to(device)
    images = images.contiguous(memory_format=computing.memory_format(images))
    with torch.no_grad():
        labels = torch.cat([model(part).argmax(1) for part in images.split(SMALLEST)])
    network = evaluation.Attacked(model, computing).fast(images)
    seconds = []
    for _ in range(1 + ROUNDS):  # the first one warms up, and compiles
        began = time.perf_counter()
        pgd(network, images, labels, eps=EPS, step_size=STEP_SIZE, steps=effort.steps, batch_size=batch).cpu()
        seconds.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    return batch / min(seconds[1:]), peak


if __name__ == "__main__":
    raise SystemExit(main())
