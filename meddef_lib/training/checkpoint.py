"""Checkpoints of a training: safetensors and JSON, whole or absent, the last epoch and the best one.

`checkpoint.json` is replaced in one step and names the tensor files that belong to it with their hashes, so
that a process killed at any moment leaves the checkpoint of an epoch that was finished. `before.json` is the
checkpoint of the epoch before, for where the last one is damaged. Files that neither names are removed at the
next.
"""

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from meddef_lib.engine import sealed
from meddef_lib.engine.files import file_hash, sync

FILE = "checkpoint.json"
BEFORE = "before.json"


class CheckpointError(RuntimeError):
    """A checkpoint that was lost or removed meanwhile; says where and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What `load` found: JSON values, and the tensors of the last epoch and of the best one, on the CPU."""

    state: dict[str, Any]
    last: dict[str, Tensor]
    best: Path

    def best_weights(self) -> dict[str, Tensor]:
        return safetensors.torch.load_file(self.best)


def save(
    folder: Path,
    state: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    epochs_done: int,
    best: Mapping[str, Tensor] | None,
) -> None:
    """Write the checkpoint after an epoch; `best` are the network's weights if it is the best so far.

    `state` holds JSON values without NaN. Raises OSError where the disk is full; the checkpoint before it
    stays. Raises CheckpointError where no epoch is the best.
    """
    folder.mkdir(parents=True, exist_ok=True)
    last = sealed.read(folder / FILE)
    if last is not None:
        sealed.write(folder / BEFORE, last)
    before = last or sealed.read(folder / BEFORE)
    files = {"last": _write(folder / f"last-{epochs_done}.safetensors", tensors)}
    if best is not None:
        files["best"] = _write(folder / f"best-{epochs_done}.safetensors", best)
    elif before is not None:
        files["best"] = before["files"]["best"]
    else:
        raise CheckpointError(f"what {folder} held of the best epoch was lost meanwhile; start again")
    sealed.write(folder / FILE, {"files": files, **state})
    sync(folder)
    named = [name for found in (before, {"files": files}) if found for name, _ in found["files"].values()]
    for file in folder.glob("*.safetensors*"):
        if file.name not in named:
            file.unlink()


def load(folder: Path) -> Checkpoint | None:
    """The last checkpoint in `folder` that is as it was written, or None where there is none.

    One that is damaged is set aside, and said to be.
    """
    for file in (folder / FILE, folder / BEFORE):
        if not file.exists():
            continue
        state = sealed.read(file)
        parts = state["files"].values() if state is not None else ()
        wrong = [file.name] if state is None else []  # and tensor files that are not what was written
        wrong += [n for n, of in parts if not (folder / n).is_file() or file_hash(folder / n) != of]
        if state is not None and not wrong:
            last, best = (folder / state["files"][name][0] for name in ("last", "best"))
            return Checkpoint(state, safetensors.torch.load_file(last), best)
        aside = file.with_name(f"{file.name}.damaged")
        said = f"{', '.join(wrong)} in {folder} is not what was written; that checkpoint is now {aside.name}"
        print(said, file=sys.stderr)  # the output is what one of several processes tells the first
        with suppress(FileNotFoundError):  # another process of this training was quicker
            file.replace(aside)
    return None


def training_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights, running averages and Adam's moments by name: `model/<name>`, `adam/<moment>/<name>`."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"adam/{moment}/{name}"] = value
    return tensors


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `training_tensors` took, each moment in the memory format of its parameter.

    The network must be on its device and in its memory format already, which copying into it keeps: a network
    that goes on in another format sums in another order, and its weights would differ in the last bits.
    """
    model.load_state_dict(dict(_below("model/", tensors)), strict=True)
    parameters = dict(model.named_parameters())
    for key, value in _below("adam/", tensors):
        moment, name = key.split("/", 1)
        parameter = parameters[name]
        if moment == "step":  # Adam's count of steps, beside the parameter only in the fused version
            kept = value.to(parameter.device) if optimizer.defaults["fused"] else value
        else:
            kept = torch.empty_like(parameter, requires_grad=False).copy_(value)
        optimizer.state[parameter][moment] = kept


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    return [(key.removeprefix(prefix), value) for key, value in tensors.items() if key.startswith(prefix)]


def _write(file: Path, tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """Write tensors that are on the disk before they have their name; returns that and their hash."""
    part = file.with_name(f"{file.name}.part")
    safetensors.torch.save_file(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, part
    )
    sync(part)
    digest = file_hash(part)
    part.replace(file)
    return file.name, digest
