"""Several processes of one machine training one network, by PyTorch's own DistributedDataParallel.

Each process takes its part of every batch (batch normalisation sees that part alone) and the gradients are
averaged. One process that accumulates over the same parts takes the same steps up to rounding.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from meddef_lib import paths
from meddef_lib.engine.recipe import Workspace

RANK_MODULE = "meddef_lib.training.cell"
PATIENCE = timedelta(minutes=30)  # how long the others wait while the first process writes a checkpoint


class RankFailed(RuntimeError):
    """One of the processes that train together failed; the message says which, and what it said."""


class RankDied(RankFailed):
    """One of them ended without a word, as by a kill."""


@dataclass(frozen=True)
class Group:
    """The processes that train together; alone, every method does nothing."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and tells of progress."""
        return self.rank == 0

    def sum_(self, tensor: Tensor) -> None:
        if self.size > 1:
            torch.distributed.all_reduce(tensor)

    def average_running_statistics_(self, model: nn.Module) -> None:
        """Give every process the mean of the running averages of batch normalisation, in place."""
        if self.size > 1:
            for name, buffer in model.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    self.sum_(buffer)
                    buffer.div_(self.size)

    def wait(self) -> None:
        if self.size > 1:
            torch.distributed.barrier()

    def wrapped(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The module to train through; its gradients are averaged over the processes."""
        if self.size == 1:
            return model
        devices = [device] if device.type == "cuda" else None
        # the running averages are brought together once an epoch instead of before each pass
        return DistributedDataParallel(
            model, device_ids=devices, broadcast_buffers=False, gradient_as_bucket_view=True
        )


@contextmanager
def joined(rank: int, size: int, meeting: Path, device: torch.device) -> Iterator[Group]:
    """Meet the other processes at the file `meeting`, which none has used before; leave them at the end."""
    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        # not by its file:// address: PyTorch waits for ever where that has to write a space as %20
        store=torch.distributed.FileStore(str(meeting.resolve()), size),
        rank=rank,
        world_size=size,
        timeout=PATIENCE,
    )
    try:
        yield Group(rank, size)
    finally:
        torch.distributed.destroy_process_group()


def launch(space: Workspace, size: int) -> None:
    """Make the cell of `space` in `size` processes, on a GPU each or together on the CPU.

    Each computes as this process would: with its number of threads, and deterministically if it does. They
    end with this process, however it ends; where one dies they go on from the checkpoint once more. Raises
    ValueError where there are fewer GPUs, and RankFailed.
    """
    if space.device.startswith("cuda") and torch.cuda.device_count() < size:
        raise ValueError(
            f"training.data_parallel is {size}, and this process sees {torch.cuda.device_count()} GPUs; "
            "lower it, or divide the GPUs among fewer workers (--workers 1 gives one all of them)"
        )
    try:
        _together(space, size)
    except RankDied as died:
        print(f"{died}; it is tried once more", file=sys.stderr)
        _together(space, size)


def _together(space: Workspace, size: int) -> None:
    with tempfile.TemporaryDirectory() as meeting:
        job = {
            "settings": dict(space.settings),
            "speed": dict(space.speed),
            "inputs": {name: str(path) for name, path in space.inputs.items()},
            "folder": str(space.folder),
            "work": str(space.work),
            "device": space.device,
            "size": size,
            "threads": torch.get_num_threads(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "meeting": str(Path(meeting) / "meeting"),
        }
        processes = [_start({**job, "rank": rank}) for rank in range(size)]
        try:
            _follow(processes, space)
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def end_with_parent() -> None:
    """Have this process end as soon as the one that started it closes its pipe, or is gone."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start(job: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", RANK_MODULE, json.dumps(job)],
        stdin=subprocess.PIPE,  # closed when this process dies, which is how they notice
        stdout=subprocess.PIPE,
        text=True,
        env=paths.environment(),
    )


def _follow(processes: list[subprocess.Popen[str]], space: Workspace) -> None:
    """Pass on what the first process tells of its progress, until all are done or one has failed."""
    told: queue.SimpleQueue[tuple[int, dict[str, Any] | None]] = queue.SimpleQueue()

    def listen(rank: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told.put((rank, json.loads(line)))
        told.put((rank, None))

    for rank, process in enumerate(processes):
        threading.Thread(target=listen, args=(rank, process), daemon=True).start()
    running = len(processes)
    while running:
        rank, event = told.get()
        if event is None:
            running -= 1
            if code := processes[rank].wait():
                raise RankDied(f"process {rank} of {len(processes)} ended with exit code {code}")
        elif "failed" in event:
            raise RankFailed(f"process {rank} of {len(processes)}: {event['failed']}")
        else:
            space.progress(event["done"], event["total"], event["text"])
