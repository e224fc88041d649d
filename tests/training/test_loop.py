import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from meddef_lib.params import SafetyParams, TrainingParams
from meddef_lib.training import checkpoint, loop, validation
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.loop import Diverged, OutOfMemory

ROOT = Path(__file__).resolve().parents[2]
MODES = ("paper", "clean", "pgd", "trades", "fast")


class Interrupted(Exception):
    pass


def interrupt_at(step):
    def progress(done, total, text=""):
        if done == step:
            raise Interrupted

    return progress


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_learns_and_writes_its_history(tmp_path, new_tiny, sets, short, plan_of, mode, device):
    model = new_tiny()

    trained = loop.fit(model, *sets, plan_of(short, mode), work=tmp_path, device=device)

    history = trained.history
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert history["val_clean_balanced_accuracy"].between(0, 1).all()
    assert history["train_clean_accuracy"].notna().all()
    assert history["train_adversarial_accuracy"].notna().all() == (mode != "clean")
    assert history["val_adversarial_accuracy"].notna().all() == (mode != "clean")
    assert (history[["seconds", "images_per_second", "peak_memory_mib"]] > 0).all().all()
    expected = {"clean": [0.0] * 4, "paper": [0.015, 0.025, 0.03, 0.03]}.get(mode, [0, 0.01, 0.02, 0.02])
    assert history["eps"].tolist() == pytest.approx(expected)
    history.to_parquet(tmp_path / "history.parquet")
    assert pd.read_parquet(tmp_path / "history.parquet").equals(history)


@pytest.mark.parametrize("called_within", [False, True])
def test_what_inference_mode_made_is_trained_like_any_other(
    tmp_path, new_tiny, sets, short, plan_of, called_within
):
    expected = new_tiny()
    loop.fit(expected, *sets, plan_of(short), work=tmp_path / "expected")
    with torch.inference_mode():
        model = new_tiny()
    with torch.inference_mode(called_within):
        loop.fit(model, *sets, plan_of(short), work=tmp_path / "found")
    assert same(weights(model), weights(expected))


def test_clean_training_tells_dark_squares_from_noise(tmp_path, tiny, sets, short, plan_of):
    params = short.model_copy(update={"epochs": 12, "learning_rate": 1e-2})

    trained = loop.fit(tiny, *sets, plan_of(params, "clean"), work=tmp_path)

    assert trained.best.criterion > 0.9


def test_every_batch_is_learned_at_the_rate_of_its_place(tmp_path, tiny, sets, short, plan_of, monkeypatch):
    rates, train_batch = [], loop.train_batch

    def watched(learner, optimizer, *args, **settings):
        rates.append(optimizer.param_groups[0]["lr"])
        return train_batch(learner, optimizer, *args, **settings)

    monkeypatch.setattr(loop, "train_batch", watched)
    params = short.model_copy(update={"learning_rate_decay": "cosine"})
    loop.fit(tiny, *sets, plan_of(params, "clean"), work=tmp_path)

    places = np.arange(len(rates)) / len(rates)
    assert rates == pytest.approx(params.learning_rate * (1 + np.cos(np.pi * places)) / 2)
    assert len(rates) > params.epochs


def test_the_weights_that_are_left_are_those_of_the_best_epoch(tmp_path, tiny, sets, short, plan_of):
    trained = loop.fit(tiny, *sets, plan_of(short), work=tmp_path)

    history = trained.history
    at_full_budget = history[history["phase"] == "stabilization"]
    assert len(at_full_budget) == 2
    order = at_full_budget.sort_values(["val_criterion", "val_loss"], ascending=[False, True])
    assert trained.best.epoch == order["epoch"].iloc[0]
    assert trained.best.criterion == at_full_budget["val_criterion"].max()
    assert history["best_so_far"].iloc[trained.best.epoch - 1]
    found = checkpoint.load(tmp_path)
    assert same(weights(tiny), found.best_weights())
    assert found.best.name == f"best-{trained.best.epoch}.safetensors"


@pytest.mark.parametrize(("mode", "kept"), [("paper", 3), ("pgd", 3), ("clean", 1)])
def test_no_epoch_before_the_full_budget_is_kept_where_a_later_one_exists(
    tmp_path, monkeypatch, tiny, sets, short, plan_of, mode, kept
):
    """The first epoch is the best by far; with a schedule it was trained at a part of the budget."""
    worth = iter([0.9, 0.8, 0.5, 0.4])
    monkeypatch.setattr(
        validation, "measure", lambda *args, **named: validation.Measured(0.1, *[next(worth)] * 2, 0.2, 0.2)
    )

    trained = loop.fit(tiny, *sets, plan_of(short, mode), work=tmp_path)

    assert trained.best.epoch == kept
    assert trained.best.at_full_budget


@pytest.mark.parametrize("mode", ["paper", "trades"])
@pytest.mark.parametrize(("channels_last", "decay"), [("on", "none"), ("off", "cosine")])
@pytest.mark.parametrize("step", [2, 4, 8, 12])
@pytest.mark.usefixtures("deterministic")
def test_interrupted_anywhere_the_weights_are_those_of_an_undisturbed_run(
    tmp_path, new_tiny, sets, short, plan_of, mode, channels_last, decay, step, device
):
    changed = {"channels_last": channels_last, "learning_rate_decay": decay}
    plan = plan_of(short.model_copy(update=changed), mode)
    undisturbed, disturbed = new_tiny(), new_tiny()
    torch.manual_seed(1)
    loop.fit(undisturbed, *sets, plan, work=tmp_path / "undisturbed", device=device)

    interrupted = interrupt_at(step)
    with pytest.raises(Interrupted):
        loop.fit(disturbed, *sets, plan, work=tmp_path / "disturbed", progress=interrupted, device=device)
    torch.manual_seed(2)
    resumed = new_tiny(seed=9 if step > 3 else 0)  # once there is a checkpoint, whatever it starts with
    trained = loop.fit(resumed, *sets, plan, work=tmp_path / "disturbed", device=device)

    assert same(weights(undisturbed), weights(resumed))
    last = [checkpoint.load(tmp_path / name).last for name in ("undisturbed", "disturbed")]
    assert same(*last)
    assert trained.history["epoch"].tolist() == [1, 2, 3, 4]


SCRIPT = """
    import sys
    from pathlib import Path
    import numpy as np
    import torch
    torch.set_num_threads(1)
    from meddef_lib import models
    from meddef_lib.params import TrainingParams
    from meddef_lib.training import loop
    from meddef_lib.training.batches import ImageSet
    from meddef_lib.training.underway import Plan

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (28, 32, 32)).astype(np.uint8)
    labels = np.arange(28, dtype=np.int64) % 2
    rows = np.arange(28)
    params = TrainingParams(epochs=4, pgd_steps=1, validation_steps=1, learning_rate=1e-3)
    model = models.build("resnet18", 2, mean=0.4, std=0.2)
    plan = Plan("paper", params, num_classes=2, batch_size=8, seed=0)
    loop.fit(
        model, ImageSet(pixels, rows[:20], labels[:20]), ImageSet(pixels, rows[20:], labels[20:]), plan,
        work=Path(sys.argv[1]), progress=lambda done, total, text="": print(text, flush=True),
    )
"""


def test_killed_in_the_middle_of_epoch_2_of_4_the_bytes_are_the_same(tmp_path):
    """A process of its own, SIGKILL, and the same command again."""

    def start(work):
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), str(work)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    undisturbed, disturbed, killed = tmp_path / "a", tmp_path / "b", ""
    with start(disturbed) as process:
        for line in process.stdout:
            if line.startswith("epoch 2/4, batch 2/3"):
                killed = line
                process.send_signal(signal.SIGKILL)
                break
    assert killed
    assert process.returncode == -signal.SIGKILL
    assert checkpoint.load(disturbed).state["epochs_done"] == 1
    runs = [start(disturbed), start(undisturbed)]
    lines = [run.communicate()[0].splitlines() for run in runs]

    assert [run.returncode for run in runs] == [0, 0]
    assert lines[0][0].startswith("epoch 2/4, batch 1/3")
    files = sorted(file.name for file in undisturbed.glob("*.safetensors"))
    assert {"last-3.safetensors", "last-4.safetensors"} < set(files)
    assert files == sorted(file.name for file in disturbed.glob("*.safetensors"))
    for file in files:
        assert (undisturbed / file).read_bytes() == (disturbed / file).read_bytes()


def test_the_global_random_state_is_neither_used_nor_changed(tmp_path, new_tiny, sets, short, plan_of):
    models_made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = new_tiny()
        loop.fit(model, *sets, plan_of(short), work=tmp_path / str(seed))
        after = torch.rand(3)
        torch.manual_seed(seed)
        assert torch.equal(after, torch.rand(3))
        models_made.append(weights(model))

    assert same(*models_made)


def test_another_seed_gives_other_weights(tmp_path, new_tiny, sets, short, plan_of):
    made = []
    for seed in (0, 1):
        model = new_tiny()
        loop.fit(model, *sets, plan_of(short, seed=seed), work=tmp_path / str(seed))
        made.append(weights(model))

    assert not same(*made)


def test_a_batch_in_parts_takes_the_same_step_on_a_network_without_batch_statistics(
    tmp_path, sets, short, plan_of
):
    """Mean gradients over parts of unequal size are the gradient of the mean over the batch."""
    train, validate = sets
    steps = []
    for accumulation in (1, 3):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)
        )
        nothing = short.augmentation.model_copy(
            update=dict.fromkeys(type(short.augmentation).model_fields, 0.0)
        )
        params = short.model_copy(
            update={"epochs": 1, "accumulation": accumulation, "augmentation": nothing, "batch_size": 48}
        )
        loop.fit(model, train, validate, plan_of(params, "clean"), work=tmp_path / str(accumulation))
        found = checkpoint.load(tmp_path / str(accumulation)).last
        steps.append({name: value for name, value in found.items() if "exp_avg/" in name})

    for name, gradient in steps[0].items():
        assert torch.allclose(gradient, steps[1][name], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("accumulation", "batch_size"), [(1, 16), (4, 4)])
def test_accumulation_spares_memory_in_validation_too(
    tmp_path, tiny, sets, short, plan_of, monkeypatch, accumulation, batch_size
):
    measure, sizes = validation.measure, []

    def noting(*arguments, **settings):
        sizes.append(settings["batch_size"])
        return measure(*arguments, **settings)

    monkeypatch.setattr(validation, "measure", noting)
    params = short.model_copy(update={"epochs": 1, "accumulation": accumulation})

    loop.fit(tiny, *sets, plan_of(params), work=tmp_path)

    assert sizes == [batch_size]


def test_a_compiled_network_trains_to_the_same_weights_under_the_same_names(
    tmp_path, new_tiny, sets, short, plan_of, monkeypatch
):
    """Traced, with torch's own operators behind: what a compiler makes of them is the compiler's."""
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module: compile_module(module, backend="aot_eager")
    )
    made = []
    for compiled in (False, True):
        model = new_tiny()
        params = short.model_copy(
            update={"epochs": 1, "crafted_in": "train", "compile": compiled, "pgd_steps": 1}
        )
        loop.fit(model, *sets, plan_of(params), work=tmp_path / str(compiled))
        made.append(weights(model))

    assert made[0].keys() == made[1].keys()
    for name, value in made[0].items():
        assert torch.allclose(value, made[1][name], atol=1e-4), name


def test_the_safety_rule_lowers_the_budget_of_later_epochs(tmp_path, tiny, sets, short, plan_of, monkeypatch):
    measure = validation.measure
    accuracies = iter([0.9, 0.5, 0.5, 0.9])

    def worse_and_worse(*arguments, **settings):
        found = measure(*arguments, **settings)
        return replace(found, clean_balanced_accuracy=next(accuracies))

    monkeypatch.setattr(validation, "measure", worse_and_worse)
    rule = SafetyParams(drop=0.05, patience=1, eps_factor=0.5, least_factor=0.1)

    trained = loop.fit(tiny, *sets, plan_of(short.model_copy(update={"safety": rule})), work=tmp_path)

    assert trained.history["safety_factor"].tolist() == [1, 1, 0.5, 0.25]
    assert trained.history["eps"].tolist() == pytest.approx([0.015, 0.025, 0.015, 0.0075])
    assert checkpoint.load(tmp_path).state["safety"]["steps"] == 1


def test_a_loss_that_is_not_finite_stops_with_its_place(tmp_path, tiny, sets, short, plan_of):
    def poison(done, total, text=""):
        if done == 4:  # after the first batch of epoch 2
            with torch.no_grad():
                tiny.head.weight.fill_(float("nan"))

    with pytest.raises(Diverged, match=r"epoch 2, batch 2\. The last good checkpoint is that of epoch 1"):
        loop.fit(tiny, *sets, plan_of(short), work=tmp_path, progress=poison)

    found = checkpoint.load(tmp_path)
    assert found.state["epochs_done"] == 1
    assert all(value.isfinite().all() for value in found.last.values())


def test_weights_broken_by_the_last_update_are_not_kept(tmp_path, tiny, sets, short, plan_of):
    def poison(done, total, text=""):
        if done == 3:  # after the last batch of epoch 1
            with torch.no_grad():
                tiny.head.bias.fill_(float("inf"))

    with pytest.raises(Diverged, match=r"head\.bias is not finite after the last update in epoch 1, batch 3"):
        loop.fit(tiny, *sets, plan_of(short), work=tmp_path, progress=poison)

    assert checkpoint.load(tmp_path) is None


def test_running_out_of_memory_stops_with_its_place(tmp_path, tiny, sets, short, plan_of, monkeypatch):
    train_batch, calls = loop.train_batch, []

    def hungry(*arguments, **settings):
        calls.append(1)
        if len(calls) == 5:
            torch.empty(2**60)
        return train_batch(*arguments, **settings)

    monkeypatch.setattr(loop, "train_batch", hungry)

    with pytest.raises(OutOfMemory, match=r"epoch 2, batch 2 .*training\.accumulation=2 \(now 1\)"):
        loop.fit(tiny, *sets, plan_of(short), work=tmp_path)


def test_other_errors_travel_on(tmp_path, tiny, sets, short, plan_of, monkeypatch):
    def broken(*arguments, **settings):
        raise RuntimeError("something else")

    monkeypatch.setattr(loop, "train_batch", broken)

    with pytest.raises(RuntimeError, match="something else"):
        loop.fit(tiny, *sets, plan_of(short), work=tmp_path)


def test_a_checkpoint_says_where_the_training_stands(tmp_path, tiny, sets, short, plan_of):
    short = short.model_copy(update={"channels_last": "off"})  # "auto" goes by the machine
    loop.fit(tiny, *sets, plan_of(short), work=tmp_path)

    state = json.loads((tmp_path / "checkpoint.json").read_text())
    assert state["epochs_done"] == 4
    assert state["memory_format"] == "contiguous"
    assert state["random"]["bit_generator"] == "PCG64"
    assert len(state["history"]) == 4
    assert set(state["safety"]) == {"best", "degraded", "sound", "steps"}


def test_a_finished_training_is_not_done_again(tmp_path, new_tiny, sets, short, plan_of):
    first, second, told = new_tiny(), new_tiny(seed=3), []
    loop.fit(first, *sets, plan_of(short), work=tmp_path)

    loop.fit(second, *sets, plan_of(short), work=tmp_path, progress=lambda *news: told.append(news))

    assert not told
    assert same(weights(first), weights(second))


def test_progress_tells_epoch_batch_and_the_time_left(tmp_path, tiny, sets, short, plan_of):
    told = []

    loop.fit(tiny, *sets, plan_of(short), work=tmp_path, progress=lambda *news: told.append(news))

    assert [news[:2] for news in told] == [(done, 12) for done in range(1, 13)]
    assert told[4][2].startswith("epoch 2/4, batch 2/3, ")
    assert all(news[2].endswith(" s left") for news in told)


def test_no_validation_images_are_refused(tmp_path, tiny, sets, short, plan_of):
    train, validate = sets
    none = ImageSet(validate.pixels, validate.rows[:0], validate.labels[:0])

    with pytest.raises(ValueError, match="there are no validation images"):
        loop.fit(tiny, train, none, plan_of(short), work=tmp_path)


def test_parts_of_one_image_are_refused(tmp_path, tiny, sets, short, plan_of):
    params = short.model_copy(update={"accumulation": 16})

    with pytest.raises(ValueError, match=r"make parts of 1; .* lower training\.accumulation"):
        loop.fit(tiny, *sets, plan_of(params), work=tmp_path)


def run(epochs_done):
    plan = SimpleNamespace(params=TrainingParams(learning_rate=1e-3, accumulation=2))
    return SimpleNamespace(epochs_done=epochs_done, batch=0, work=Path("w"), plan=plan)


def test_divergence_says_where_what_is_kept_and_what_to_change():
    text = str(loop._diverged(run(epochs_done=2), "the loss became nan", 6))

    assert "the loss became nan in epoch 3, batch 7" in text
    assert "last good checkpoint is that of epoch 2, in w" in text
    assert "Lower training.learning_rate (now 0.001)" in text


def test_before_the_first_checkpoint_there_is_none():
    text = str(loop._diverged(run(epochs_done=0), "the loss became inf", 1))

    assert "there is no checkpoint" in text


def test_running_out_of_memory_suggests_accumulation():
    error = RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    text = str(loop._out_of_memory(run(epochs_done=1), error))

    assert "epoch 2, batch 1 (CUDA out of memory. Tried to allocate 2 GiB)" in text
    assert "training.accumulation=4 (now 2)" in text
    assert "training.batch_size" in text


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_each_device_says_it_in_its_own_way(error, expected):
    assert loop.is_out_of_memory(error) is expected


def test_an_allocation_that_no_cpu_can_make_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)

    assert loop.is_out_of_memory(caught.value)
