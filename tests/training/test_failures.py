from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from meddef_lib.params import TrainingParams
from meddef_lib.training import loop


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
