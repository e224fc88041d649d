"""A GPU against the CPU: the same numbers to stated tolerances, the same bytes again where that is promised.

What compares also runs on the CPU, against float64; what only a GPU has (`gpu`) is skipped elsewhere. A GPU
multiplies convolutions in TF32 (10 bits of mantissa), and a sum of thousands of products loses more.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmarks import batches as batch_sizes
from meddef_lib import evaluation, models, paths
from meddef_lib.attacks.calling import frozen, input_gradients
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import LocalEngine
from meddef_lib.evaluation.attacked import Attacked, require_logits
from meddef_lib.params import TrainingParams
from meddef_lib.training import batches, loop
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.underway import Plan
from meddef_lib.workbook.book import workbook
from tests.toys import WORKER

gpu = pytest.mark.gpu
SIDE, NUMBER, EPS = 32, 6, 0.05
LOGITS = {"cpu": 1e-5, "cuda": 5e-3}  # of the largest
GRADIENTS = {"cpu": 1e-4, "cuda": 2e-2}  # of the norm
IN_BFLOAT16 = 0.35  # of the norm: 8 bits of mantissa, 20 layers, and weights that nobody trained
SAME_PIXELS = {"cpu": 0.98, "cuda": 0.90}  # after steps along signs, of which those near 0 flip
LOSSES = {"cpu": 1e-3, "cuda": 2e-2}  # relative
UNCHANGED = dict.fromkeys(
    ("horizontal_flip", "rotation_degrees", "translation", "brightness", "contrast"), 0.0
)
OPTIONS = {
    "plain": {"fold": False, "channels_last": "off"},
    "folded": {"fold": True, "channels_last": "off"},
    "channels_last": {"fold": True, "channels_last": "on"},
    "bfloat16": {"fold": True, "channels_last": "on", "bfloat16": True},
}


def drawn():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(NUMBER, 3, SIDE, SIDE, generator=generator), torch.arange(NUMBER) % 4


def network(variant="full"):
    """A network whose batch normalisation has seen images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models.build(variant, 4, seed=0).train()
        with torch.no_grad():
            for _ in range(3):
                model(torch.rand(16, 3, SIDE, SIDE))
    return model.eval()


def distance(found, exact):
    """The norm of the difference, as a share of the norm."""
    found, exact = found.detach().cpu().double(), exact.detach().cpu().double()
    return ((found - exact).norm() / exact.norm()).item()


def gradient_of(model, images, labels):
    with input_gradients(model) as input_gradient:
        return input_gradient(images.clone(), lambda logits: cross_entropy(logits, labels, reduction="none"))[
            2
        ]


# --- passes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["resnet18", "full"])
def test_logits_are_those_of_the_cpu_in_float64(device, variant):
    images, _ = drawn()
    model = network(variant)
    with torch.no_grad():
        found = model.to(device)(images.to(device)).cpu().double()
        exact = model.to("cpu").double()(images.double())
    assert (found - exact).abs().max() <= LOGITS[device] * exact.abs().max()


@pytest.mark.parametrize("variant", ["resnet18", "full"])
def test_a_sound_network_is_not_refused(device, variant):
    """Alone, beside others and again an image gets the same answer, to the tolerance of the check itself."""
    images, _ = drawn()
    require_logits(network(variant).to(device), images.to(device))


@pytest.mark.parametrize("how", OPTIONS)
def test_input_gradients_are_those_of_the_cpu_in_float64(device, how):
    images, labels = drawn()
    model = network()
    exact = gradient_of(network().double(), images.double(), labels)
    attacked = Attacked(model.to(device), evaluation.Computing(device=device, **OPTIONS[how]))
    on_device = images.to(device)
    on_device = on_device.contiguous(memory_format=attacked.computing.memory_format(on_device))
    found = gradient_of(attacked.fast(on_device), on_device, labels.to(device))
    assert distance(found, exact) <= (IN_BFLOAT16 if how == "bfloat16" else GRADIENTS[device])


def test_gradients_of_the_weights_are_those_of_the_cpu_in_float64(device):
    images, labels = drawn()
    found, exact = network().to(device).train(), network().double().train()
    for model in (found, exact):
        for layer in model.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
    cross_entropy(found(images.to(device)), labels.to(device)).backward()
    cross_entropy(exact(images.double()), labels).backward()
    pairs = zip(found.parameters(), exact.parameters(), strict=True)
    gradients = [(one.grad.cpu().flatten(), other.grad.flatten()) for one, other in pairs]
    assert distance(*(torch.cat(each) for each in zip(*gradients, strict=True))) <= 2 * GRADIENTS[device]


# --- attacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_makes_what_it_makes_on_the_cpu_in_float64(device, name):
    """The same starts and steps: most pixels agree, and the network loses as much."""
    images, labels = drawn()
    attack, params = ATTACKS[name], workbook("mini").profile.attacks
    settings = attack.settings(params) | ({"eps": EPS} if attack.has_eps else {})
    settings |= {"queries": 20} if "queries" in attack.own else {}

    def made(model, images):
        seeded = {"seed": 0, "image_ids": torch.arange(NUMBER, device=images.device)} if attack.seeded else {}
        return attack(model, images, labels.to(images.device), **settings, **seeded)

    exact_model = network().double()
    exact = made(exact_model, images.double())
    found = made(network().to(device), images.to(device)).cpu()
    if attack.has_eps:
        assert (found - images).abs().max() <= EPS + 1e-6
    assert 0 <= found.min() <= found.max() <= 1
    assert ((found - exact).abs() < 1e-3).double().mean() >= SAME_PIXELS[device]
    with frozen(exact_model):
        losses = [cross_entropy(exact_model(each.double()), labels).item() for each in (found, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=LOSSES[device])


def test_a_compiled_attack_makes_the_same_records(device, monkeypatch):
    """On a CPU traced, with torch's own operators behind: what a compiler makes of them is the compiler's."""
    if device == "cpu":
        whole = torch.nn.Module.compile
        monkeypatch.setattr(torch.nn.Module, "compile", lambda module: whole(module, backend="aot_eager"))
    images, labels = drawn()
    plain, compiled = (
        evaluation.attack(
            network("resnet18"),
            images,
            labels,
            "pgd",
            {"eps": EPS, "step_size": 0.01, "steps": 2},
            computing=evaluation.Computing(batch_size=3, device=device, compile=wanted),
        )
        for wanted in (False, True)
    )
    assert compiled["adv_confidence"].to_numpy() == pytest.approx(plain["adv_confidence"], rel=LOSSES[device])
    assert compiled["linf"].to_numpy() == pytest.approx(plain["linf"], abs=1e-6)


def test_the_batch_that_fits_and_is_fast_enough_is_found(monkeypatch):
    """On a device that holds 64 images and is as fast as it gets with 16."""

    def rate(effort, batch, device, *, compiled):
        if batch > 64:
            raise torch.OutOfMemoryError("made up")
        return {8: 50.0, 16: 97.0, 32: 100.0, 64: 103.0}[batch] * (1.01 if compiled else 1), 1.0

    monkeypatch.setattr(batch_sizes, "_rate", rate)
    rows = batch_sizes.measure(batch_sizes.Effort(), "cuda")
    assert [(row.batch, row.compiled) for row in rows] == [
        (batch, compiled) for compiled in (False, True) for batch in (8, 16, 32, 64)
    ]
    found = batch_sizes.fast_enough(rows)
    assert (found.batch, found.compiled) == (32, False)
    assert "--set evaluation.batch_size=32" in batch_sizes.advice(rows)


# --- training -------------------------------------------------------------------------------------


def fitted(device, folder, mode, **changed):
    """A short training of ResNet-18; its history, and its weights on the CPU.

    With steps too small to matter, and nothing drawn that a device draws in its own way: its loss tells of
    the passes alone.
    """
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (24, SIDE, SIDE)).astype(np.uint8)
    labels, rows = np.arange(24, dtype=np.int64) % 2, np.arange(24)
    options = {"epochs": 1, "pgd_steps": 1, "validation_steps": 1, "learning_rate": 1e-6, "autocast": "none"}
    options["augmentation"] = UNCHANGED
    params = TrainingParams(**(options | changed))
    plan = Plan(mode, params, num_classes=2, batch_size=8, seed=0)
    model = models.build("resnet18", 2, mean=0.5, std=0.3, seed=0)
    sets = ImageSet(pixels, rows[:16], labels[:16]), ImageSet(pixels, rows[16:], labels[16:])
    made = loop.fit(model, *sets, plan, work=folder, device=device)
    return made.history, {name: value.cpu() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    "changed",
    [{}, {"channels_last": "on"}, {"autocast": "bfloat16"}, {"compile": True}],
    ids=str,
)
def test_a_training_on_this_device_loses_what_one_on_the_cpu_loses(device, tmp_path, changed):
    if device == "cpu" and (not changed or "compile" in changed):
        pytest.skip("the same on a CPU, or tested beside the loop")
    plain, _ = fitted("cpu", tmp_path / "cpu", "clean")  # starts are drawn in a device's own order
    found, _ = fitted(device, tmp_path / "found", "clean", **changed)
    tolerance = 0.1 if "autocast" in changed else max(LOSSES[device], 5e-3)
    assert found["train_loss"].item() == pytest.approx(plain["train_loss"].item(), rel=tolerance)


REPEATED = """
import sys, hashlib, pathlib, torch
from meddef_lib import precision
from tests.test_gpu import fitted
precision.prepare({"device": sys.argv[1], "threads": 1, "deterministic": True})
_, weights = fitted(sys.argv[1], pathlib.Path(sys.argv[2]), "paper", epochs=2)
print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights.values())).hexdigest())
"""


@gpu
def test_a_training_repeats_to_the_last_bit_on_a_gpu(tmp_path, monkeypatch):
    """In processes of their own, as workers are; on a CPU the tests of the loop hold it."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    said = [
        subprocess.run(
            [sys.executable, "-c", REPEATED, "cuda", str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("one", "other")
    ]
    assert said[0] == said[1]


@gpu
@pytest.mark.parametrize("pinned", [True, False])
def test_copies_from_pinned_memory_are_what_they_are_copies_of(pinned):
    pixels = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE)).astype(np.uint8)
    images = ImageSet(pixels, np.arange(64), np.arange(64))
    parts = np.array_split(np.random.default_rng(1).permutation(64), 9)
    for places, (grey, labels) in zip(
        parts, batches.stream(images, parts, torch.device("cuda"), pinned=pinned), strict=True
    ):
        assert np.array_equal(grey.cpu().numpy(), pixels[places])
        assert np.array_equal(labels.cpu().numpy(), places)


# --- workers --------------------------------------------------------------------------------------


TOYS = """
def grab(space):
    import torch
    torch.empty(2**60, dtype=torch.uint8, device=space.device)

def sees(space):
    import os
    (space.folder / "word").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
"""


def compute(toy, cells, store, device, workers):
    (toy / "toy/engine.py").write_text((toy / "toy/engine.py").read_text() + TOYS)
    options = WORKER | {"device": device}
    return scheduler.compute(cells, store, lambda number: LocalEngine(store, options, workers))


def test_out_of_memory_is_a_sentence_and_the_next_cell_is_made(device, toy, tmp_path):
    store = Store(tmp_path / "store")
    cells = [Recipe("a", "toy.engine:grab"), Recipe("b", "toy.engine:write", {"word": "next"})]
    ended = compute(toy, cells, store, device, 1)
    assert ended["a"].state == "failed"
    assert "evaluation.batch_size" in ended["a"].text
    assert ("ulimit" in ended["a"].text) is (device == "cpu")
    assert ended["b"].state == "made"


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_divide_the_gpus(toy, tmp_path, monkeypatch, workers):
    """With a driver that lists two: what a worker sees is what it is told, before any CUDA."""
    driver = tmp_path / "bin/nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'GPU 0: made up (UUID: GPU-0)'\necho 'GPU 1: made up (UUID: GPU-1)'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(driver.parent), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    store = Store(tmp_path / "store")
    cells = [Recipe(f"{number}", "toy.engine:sees") for number in range(4)]
    compute(toy, cells, store, "cuda", workers)
    seen = {(store.folder(cell) / "word").read_text() for cell in cells}
    assert seen <= ({"0,1"} if workers == 1 else {"0", "1"})
