"""Checkpoints of a training: safetensors and JSON, whole or absent, the last epoch and the best one.

`checkpoint.json` is replaced in one step and names the tensor files that belong to it, so that a process
killed at any moment leaves the checkpoint of an epoch that was finished; files that it does not name are
removed at the next.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

FILE = "checkpoint.json"
FORMAT = 1


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read, or that belongs to another training; says which file and what to
    do."""


@dataclass(frozen=True)
class Checkpoint:
    """What `load` found: JSON values, and the tensors of the last epoch and of the best one, on the CPU."""

    state: dict[str, Any]
    last: dict[str, Tensor]
    best: Path

    def best_weights(self) -> dict[str, Tensor]:
        """The state dict of the best epoch."""
        return _read(self.best)


def save(
    folder: Path,
    state: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    epochs_done: int,
    best: Mapping[str, Tensor] | None,
) -> None:
    """Write the checkpoint after an epoch; `best` are the network's weights if this epoch is the best so
    far.

    `state` holds JSON values without NaN. Raises OSError where the disk is full; the checkpoint before it
    stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _state(folder)
    last_name = f"last-{epochs_done}.safetensors"
    best_name = before["files"]["best"] if before else ""
    _write(folder / last_name, tensors)
    if best is not None:
        best_name = f"best-{epochs_done}.safetensors"
        _write(folder / best_name, best)
    files = {"last": last_name, "best": best_name}
    text = json.dumps({"format": FORMAT, "files": files, **state}, indent=1, allow_nan=False)
    part = folder / f"{FILE}.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / FILE)
    for file in folder.glob("*.safetensors*"):
        if file.name not in files.values():
            file.unlink()


def load(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`, or None where there is none. Raises CheckpointError."""
    state = _state(folder)
    if state is None:
        return None
    return Checkpoint(state, _read(folder / state["files"]["last"]), folder / state["files"]["best"])


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


def _state(folder: Path) -> dict[str, Any] | None:
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        found = state["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{file} is not a checkpoint ({error}); delete {folder} to begin anew"
        ) from error
    if found != FORMAT:
        raise CheckpointError(
            f"{file} has the format {found}, this program {FORMAT}; delete {folder} to begin anew"
        )
    return state


def _write(file: Path, tensors: Mapping[str, Tensor]) -> None:
    part = file.with_name(f"{file.name}.part")
    safetensors.torch.save_file(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, part
    )
    part.replace(file)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({error}); delete {file.parent} to begin this training anew"
        ) from error
