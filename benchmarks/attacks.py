"""How fast the attacks are, beside three libraries and a loop by hand: `python -m benchmarks.attacks`.

The same ResNet-18 (torchvision, 4 classes, trained for a moment on made-up images), the same images and
settings for all; one process a library, one thread each. The libraries take turns within a round; rates
are of processor time, and every ratio is a median over rounds. Peers that are not installed
(benchmarks/requirements.txt) are named and left out.

Rows (`--json` prints them as a list):

- `fgsm`, `bim`, `pgd` (40 steps, no early stop), `jsma`: each library at each image size.
  `ratio_to_ours` is the library's rate over this project's. JSMA's is a rate of image-steps, since each
  library stops by its own rule.
- `bare passes` is a library that does the attack's forward and backward passes and nothing else, on the
  copy of the network that this project attacks. `share_of_bare_passes` is our rate over its rate,
  `share_of_peak` over that of the machine's float32 matrix product.
- `peak_mib` is the process's largest resident memory beyond the network, the images and the libraries'
  code; this project's copy of the network counts.
- `worst_case/undefended`, `worst_case/third_survives`: PGD-40 on a queue of images; this project lets
  an image go once it is misclassified. Success is the worst case for this project, the last iterate for
  the others.
- `input_gradient`: what freezing, folding, going back through the first convolution by phases, channels last
  and bfloat16 change on this machine.
- `best_pair`: the exact pair of features at 224 x 224 x 3, on gradients of the network.
"""

import multiprocessing
import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import _worker
from benchmarks._libraries import BARE, LIBRARIES, OURS, Settings, missing_peers
from benchmarks._rows import parser, say, shown
from meddef_lib.attacks.gradient import pgd
from meddef_lib.engine.workers import THREAD_VARIABLES

CLASSES = 4
EPS = 0.05  # pixels in [0, 1], as in MedDef's Tables 3 and 4
GRADIENTS = {"fgsm": 1, "bim": 1, "pgd": 1, "jsma": 2}  # passes back to the input, a step
MEASURED = (
    *("images_per_second", "ratio_to_ours", "success_rate", "peak_mib", "image_steps_per_second"),
    *("share_of_bare_passes", "share_of_peak", "peak_gflops"),
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One attack at one size, for all libraries."""

    attack: str
    size: int
    images: int
    settings: Settings
    libraries: Sequence[str]
    rounds: int
    title: str = ""  # the row's name, where it is not the attack's

    @property
    def task(self) -> dict[str, Any]:
        return {
            "do": "attack",
            "attack": self.attack,
            "size": self.size,
            "images": self.images,
            "settings": asdict(self.settings),
        }


@dataclass(frozen=True)
class Effort:
    """How much is measured; the quick one shows that everything works."""

    sizes: tuple[int, ...] = (64, 224)
    batch: int = 32
    jsma_batch: int = 8
    steps: int = 40
    jsma_steps: int = 20
    queue: int = 128  # images of the worst-case rows
    rounds: int = 5
    large_rounds: int = 1  # from 128 px: a round is a quarter of an hour there
    training_batches: int = 60


QUICK = Effort(
    sizes=(64,), batch=8, jsma_batch=2, steps=5, jsma_steps=2, queue=16, rounds=1, training_batches=12
)


def main(arguments: Sequence[str] | None = None) -> None:
    said = parser(__doc__, quick="a few steps at 64 px: does it work here?")
    said.add_argument("--sizes", type=int, nargs="+", help="image sizes in px (default: 64 224)")
    said.add_argument("--rounds", type=int, help="rounds for every size")
    options = said.parse_args(arguments)
    effort = QUICK if options.quick else Effort()
    if options.sizes:
        effort = replace(effort, sizes=tuple(options.sizes))
    if options.rounds:
        effort = replace(effort, rounds=options.rounds, large_rounds=options.rounds)
    rows = measure(effort)
    print(shown(rows, as_json=options.json))


def measure(effort: Effort) -> list[Row]:
    """All rows at this effort."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    missing = missing_peers()
    if missing:
        say(f"not installed, left out: {', '.join(missing)} (see benchmarks/requirements.txt)")
    libraries = [name for name in LIBRARIES if name not in missing]
    network = trained_network(effort.training_batches)
    images = {
        size: made_up_images(effort.queue if size == 64 else effort.batch, size)[0]
        for size in {*effort.sizes, 64, 224}
    }
    labels = {size: predictions(network, batch) for size, batch in images.items()}
    eps = eps_that_a_third_survive(network, images[64], labels[64], effort.steps, effort.batch)
    cases = _cases(effort, libraries, eps)
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        inputs = folder / "inputs.safetensors"
        save_file(_named(network, images, labels), inputs)
        os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")  # of the processes that begin now
        spawn = multiprocessing.get_context("spawn")
        workers = {
            name: stack.enter_context(
                ProcessPoolExecutor(1, spawn, initializer=_worker.begin, initargs=(name, inputs))
            )
            for name in libraries
        }
        peak_gflops = median(_ask(workers[OURS], {"do": "matmul"})["gflops"] for _ in range(5))
        for case in cases:
            answers = _rounds(case, workers)
            gflop = None
            if case.attack in GRADIENTS:
                task = {**case.task, "do": "flops", "gradients": GRADIENTS[case.attack]}
                gflop = _ask(workers[BARE], task)["gflop"]
            rows += _rows(case, answers, gflop, peak_gflops)
        for size in effort.sizes:
            rows += _option_rows(workers[BARE], size, effort)
        rows.append(_pair_row(workers[OURS], effort))
    return rows


def _cases(effort: Effort, libraries: Sequence[str], eps_third: float) -> list[Case]:
    cases = []
    for size in effort.sizes:
        rounds = effort.large_rounds if size >= 128 else effort.rounds
        usual = Settings(EPS, 0.01, effort.steps, effort.batch)
        single = replace(usual, steps=1)
        pairs = Settings(EPS, 0.01, effort.jsma_steps, effort.jsma_batch)
        # one pass is short: more rounds for the same certainty
        cases.append(Case("fgsm", size, effort.batch, single, libraries, 3 * rounds))
        cases.append(Case("pgd", size, effort.batch, usual, libraries, rounds))
        cases.append(Case("bim", size, effort.batch, usual, libraries, rounds))
        cases.append(Case("jsma", size, effort.jsma_batch, pairs, libraries, rounds))
    racers = [name for name in (OURS, "torchattacks", "by hand") if name in libraries]  # the fastest peer
    for title, eps, step_size in (
        ("worst_case/undefended", EPS, 0.01),
        ("worst_case/third_survives", eps_third, eps_third / 4),
    ):
        settings = Settings(eps, step_size, effort.steps, effort.batch)
        cases.append(
            Case("worst_case", 64, effort.queue, settings, racers, min(effort.rounds, 3), title=title)
        )
    return cases


def _rounds(case: Case, workers: dict[str, ProcessPoolExecutor]) -> dict[str, list[Row]]:
    """Each library's answers, one a round; every round begins with another library."""
    warm = {**case.task, "settings": asdict(replace(case.settings, steps=1))}
    answers: dict[str, list[Row]] = defaultdict(list)
    able = [name for name in case.libraries if _ask(workers[name], warm)["seconds"] is not None]
    for number in range(case.rounds):
        say(f"{case.title or case.attack} {case.size} px, round {number + 1} of {case.rounds}")
        turn = number % len(able)
        for name in able[turn:] + able[:turn]:
            answers[name].append(_ask(workers[name], case.task))
    return answers


def _rows(case: Case, answers: dict[str, list[Row]], gflop: float | None, peak_gflops: float) -> list[Row]:
    def rates(name: str) -> list[float]:
        return [
            (answer["image_steps"] if case.attack == "jsma" else case.images) / answer["seconds"]
            for answer in answers[name]
        ]

    rows = []
    for name in case.libraries:
        row: Row = {
            "attack": case.title or case.attack,
            "library": name,
            "size": case.size,
            "batch": case.settings.batch,
            "steps": case.settings.steps,
            "eps": None if case.attack == "jsma" else case.settings.eps,
            "rounds": case.rounds,
            **dict.fromkeys(MEASURED),
        }
        rows.append(row)
        if name not in answers:  # JSMA, where a library has none or asks for n x n matrices
            continue
        given = answers[name]
        row["images_per_second"] = case.images / median(answer["seconds"] for answer in given)
        row["success_rate"] = None if name == BARE else median(answer["success_rate"] for answer in given)
        row["ratio_to_ours"] = median(
            theirs / ours for theirs, ours in zip(rates(name), rates(OURS), strict=True)
        )
        peaks = [answer["peak_mib"] for answer in given if answer["peak_mib"] is not None]
        row["peak_mib"] = max(peaks) if peaks else None
        if case.attack == "jsma":
            row["image_steps_per_second"] = median(rates(name))
        if name == OURS and BARE in answers and gflop is not None:
            bare = zip(rates(OURS), rates(BARE), strict=True)
            row["share_of_bare_passes"] = median(ours / passes for ours, passes in bare)
            steps = 1 if case.attack == "jsma" else case.settings.steps
            row["share_of_peak"] = median(rates(OURS)) * steps * gflop / peak_gflops
            row["peak_gflops"] = peak_gflops
    return rows


def _ask(worker: ProcessPoolExecutor, task: dict[str, Any]) -> Row:
    """What the process of a library answers. Raises BrokenProcessPool if it ended."""
    return worker.submit(_worker.answer, task).result()


def _option_rows(worker: ProcessPoolExecutor, size: int, effort: Effort) -> list[Row]:
    """Input gradients by option; the ratio is to the network as it is."""
    say(f"input gradients {size} px")
    repeats = 3 * (effort.rounds if size < 128 else effort.large_rounds)
    rates = _ask(worker, {"do": "options", "size": size, "images": effort.batch, "repeats": repeats})
    blank = {
        "size": size,
        "batch": effort.batch,
        "success_rate": None,
        "peak_mib": None,
        "ratio_to_ours": None,
    }
    return [
        {
            "attack": "input_gradient",
            "library": OURS,
            "option": option,
            "images_per_second": rate,
            "ratio_to_plain": rate / rates["as it is"],
            **blank,
        }
        for option, rate in rates.items()
    ]


def _pair_row(worker: ProcessPoolExecutor, effort: Effort) -> Row:
    say("best pair at 224 px")
    task = {"do": "best_pair", "size": 224, "images": min(effort.jsma_batch, 8), "repeats": 9}
    found = _ask(worker, task)
    row: Row = {"attack": "best_pair", "library": OURS, "size": 224, "success_rate": None, "peak_mib": None}
    return row | {"images_per_second": 1e3 / found["milliseconds"], "ratio_to_ours": 1.0} | found


# --- the network and its images ----------------------------------------------------------------------


def made_up_images(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Grey clouds with faint stripes in the direction of their class (n,): (n, 3, size, size) in [0, 1]."""
    classes = torch.randint(CLASSES, (count,))
    clouds = functional.interpolate(torch.rand(count, 1, 8, 8), size=(size, size), mode="bilinear")
    place = torch.linspace(0, 16 * torch.pi, size)
    down, across = torch.meshgrid(place, place, indexing="ij")
    stripes = torch.stack([down, across, (down + across) / 2**0.5, (down - across) / 2**0.5]).sin()
    images = 0.25 + 0.5 * clouds + 0.08 * stripes[classes][:, None] + 0.02 * torch.randn(count, 1, size, size)
    return images.clamp(0, 1).expand(-1, 3, -1, -1).contiguous(), classes


def trained_network(batches: int) -> nn.Module:
    """A ResNet-18 that tells the classes apart, undefended; in eval mode."""
    say(f"training the network on {batches} batches")
    network = torchvision.models.resnet18(num_classes=CLASSES)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(batches):
        images, classes = made_up_images(32, 64)
        loss = functional.cross_entropy(network(images), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def predictions(network: nn.Module, images: Tensor) -> Tensor:
    """The network's own classes: every image starts as correctly classified."""
    with torch.no_grad():
        return torch.cat([network(part).argmax(1) for part in images.split(32)])


def eps_that_a_third_survive(
    network: nn.Module, images: Tensor, labels: Tensor, steps: int, batch: int
) -> float:
    """The budget at which about a third of the images outlast PGD, by bisection on a part of them."""
    images, labels = images[:64], labels[:64]
    low, high = 0.0, EPS
    for _ in range(8):
        eps = (low + high) / 2
        say(f"looking for a budget that a third survive: {eps:.5f}")
        attacked = pgd(
            network,
            images,
            labels,
            eps=eps,
            step_size=eps / 4,
            steps=steps,
            early_stop=True,
            batch_size=batch,
        )
        survive = (predictions(network, attacked) == labels).double().mean().item()
        if abs(survive - 1 / 3) < 0.03:
            break
        low, high = (eps, high) if survive > 1 / 3 else (low, eps)
    return eps


def _named(network: nn.Module, images: dict[int, Tensor], labels: dict[int, Tensor]) -> dict[str, Tensor]:
    return (
        {f"network.{key}": value for key, value in network.state_dict().items()}
        | {f"images.{size}": batch for size, batch in images.items()}
        | {f"labels.{size}": classes for size, classes in labels.items()}
    )


if __name__ == "__main__":
    main()
