"""One library in a process of its own, which answers tasks of `benchmarks.attacks`: so they take turns.

Time is the processor time of this process, which has one thread: what others do on the machine disturbs it
less than the clock on the wall.
"""

import contextlib
import ctypes
import gc
import itertools
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._libraries import Library, Settings, import_peer, library
from meddef_lib.attacks.folding import fast_copy
from meddef_lib.attacks.jsma import best_pair

Answer = dict[str, float | None]


def network_of(state: dict[str, Tensor]) -> nn.Module:
    """torchvision's ResNet-18 with these weights, in eval mode."""
    network = torchvision.models.resnet18(num_classes=len(state["fc.bias"]))
    network.load_state_dict(state)
    return network.eval()


class Worker:
    """A network, images of each size, and one library's attacks on them."""

    def __init__(self, name: str, tensors: dict[str, Tensor]) -> None:
        self.name = name
        prefix = "network."
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        self.network = network_of(state)
        self.images = {int(k.split(".")[1]): v for k, v in tensors.items() if k.startswith("images.")}
        self.labels = {int(k.split(".")[1]): v for k, v in tensors.items() if k.startswith("labels.")}
        self.prepared: dict[int, Library] = {}
        import_peer(name)
        for images in self.images.values():  # kernels that are compiled at the first pass are nobody's memory
            _input_gradient(self.network, images[:1])
        _reset_peak()
        self.resident_mib = _resident_mib("VmRSS")

    def answer(self, task: dict[str, Any]) -> Answer:
        """What `task["do"]` asks for: "attack", "matmul", "flops", "options", "best_pair"."""
        if task["do"] == "matmul":
            return {"gflops": _matmul_gflops()}
        images = self.images[task["size"]][: task["images"]]
        labels = self.labels[task["size"]][: task["images"]]
        if task["do"] == "flops":
            return {"gflop": _gflop(self.network, images, task["gradients"])}
        if task["do"] == "options":
            return _options(self.network, images, task["repeats"])
        if task["do"] == "best_pair":
            return _pair_search(self.network, images, task["repeats"])
        return self._attack(task["attack"], images, labels, Settings(**task["settings"]))

    def _attack(self, attack: str, images: Tensor, labels: Tensor, settings: Settings) -> Answer:
        size = images.shape[-1]
        if size not in self.prepared:
            self.prepared[size] = library(self.name, self.network, images)
        found = self.prepared[size]
        if attack not in found.attacks:
            return {"seconds": None}
        found.image_steps = 0
        reset = _reset_peak()
        start = time.process_time()
        adversarial = found.attacks[attack](images, labels, settings)
        seconds = time.process_time() - start
        peak = _resident_mib("VmHWM")
        with torch.no_grad():
            predicted = torch.cat(
                [self.network(part).argmax(1) for part in adversarial.split(settings.batch)]
            )
        return {
            "seconds": seconds,
            "success_rate": (predicted != labels).double().mean().item(),
            "image_steps": found.image_steps,
            "peak_mib": peak - self.resident_mib if reset and peak and self.resident_mib else None,
        }


_workers: list[Worker] = []  # the one of this process


def begin(name: str, inputs: Path) -> None:
    """Prepare this process for a library; `inputs` holds the network's state and images by size."""
    os.dup2(2, 1)  # libraries print; on standard output belong the rows alone
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    _workers.append(Worker(name, load_file(inputs)))


def answer(task: dict[str, Any]) -> Answer:
    return _workers[0].answer(task)


def _input_gradient(network: nn.Module, images: Tensor) -> Tensor:
    point = images.clone().requires_grad_(True)
    logits = network(point)
    loss = functional.cross_entropy(logits, logits.argmax(1), reduction="sum")
    return torch.autograd.grad(loss, point)[0]


def _options(network: nn.Module, images: Tensor, repeats: int) -> Answer:
    """Images per second of input gradients, on the network as it is and on its fast copies; in turns."""
    copies: dict[str, tuple[nn.Module, torch.memory_format]] = {
        "as it is": (network, torch.contiguous_format)
    }
    for fold, strided, channels_last, bfloat16 in itertools.product((False, True), repeat=4):
        if strided and bfloat16:  # the two exclude each other
            continue
        chosen = {"folded": fold, "by phases": strided, "channels last": channels_last, "bfloat16": bfloat16}
        title = ", ".join(["frozen", *(name for name, on in chosen.items() if on)])
        fast = fast_copy(
            network,
            images[:2],
            fold=fold,
            strided=strided,
            channels_last=channels_last,
            bfloat16=bfloat16,
        )
        copies[title] = (fast, torch.channels_last if channels_last else torch.contiguous_format)
    seconds: dict[str, list[float]] = {title: [] for title in copies}
    for _ in range(repeats + 1):
        for title, (copy, memory_format) in copies.items():
            batch = images.contiguous(memory_format=memory_format)
            with _timer(seconds[title]):
                _input_gradient(copy, batch)
    return {title: len(images) / median(timed[1:]) for title, timed in seconds.items()}


def _pair_search(network: nn.Module, images: Tensor, repeats: int) -> Answer:
    """`best_pair` on gradients of the network's logits: milliseconds, and its share of one image's step."""
    searches: list[float] = []
    steps: list[float] = []
    for image in images:
        point = image[None].clone().requires_grad_(True)
        with _timer(steps):
            logits = network(point)[0]
            target = int(logits.argsort()[-2])
            (a,) = torch.autograd.grad(logits[target], point, retain_graph=True)
            (b,) = torch.autograd.grad(logits.sum() - logits[target], point)
        for _ in range(repeats):
            with _timer(searches):
                best_pair(a.flatten(), b.flatten())
    return {
        "features": images[0].numel(),
        "milliseconds": 1e3 * median(searches),
        "slowest_milliseconds": 1e3 * max(searches),
        "share_of_step": median(searches) / median(steps),
    }


@contextlib.contextmanager
def _timer(seconds: list[float]) -> Iterator[None]:
    start = time.process_time()
    yield
    seconds.append(time.process_time() - start)


def _matmul_gflops(side: int = 1024) -> float:
    """The float32 rate of a product of two square matrices: what the machine can do at best."""
    left, right = torch.rand(2, side, side)
    torch.mm(left, right)
    seconds: list[float] = []
    for _ in range(5):
        with _timer(seconds):
            torch.mm(left, right)
    return 2 * side**3 / median(seconds) / 1e9


def _gflop(network: nn.Module, images: Tensor, gradients: int) -> float:
    """Operations of one forward pass and `gradients` passes back to the input, for one image."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    point = images[:1].clone().requires_grad_(True)
    with FlopCounterMode(display=False) as forward:
        logits = network(point)
    with FlopCounterMode(display=False) as backward:
        torch.autograd.grad(functional.cross_entropy(logits, logits.argmax(1)), point)
    for parameter in trained:
        parameter.requires_grad_(True)
    return (forward.get_total_flops() + gradients * backward.get_total_flops()) / 1e9


def _reset_peak() -> bool:
    """Give unused memory back and let Linux forget the largest resident set; False elsewhere."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (AttributeError, OSError):
        return False
    return True


def _resident_mib(field: str) -> float | None:
    """VmRSS (now) or VmHWM (largest since the reset) of this process; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))
