"""Reading tensors by name from a file, without running anything that the file holds."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from meddef_lib.errors import UserError

WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which checkpoints keep their weights
PREFIXES = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before names
COUNTER = "num_batches_tracked"  # old checkpoints lack it, and with a fixed momentum nothing reads it


class ModelFileError(UserError, ValueError):
    """A file of weights or its recipe that cannot be used; a sentence that names file and reason."""


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, or of a state dict that torch saved (read with `weights_only`).

    A state dict may lie under one of the keys `WRAPPERS`, beside an optimiser's state and the like; prefixes
    of DistributedDataParallel and torch.compile are taken off. Raises ModelFileError.
    """
    if not file.is_file():
        raise ModelFileError(f"there is no file of weights {file}")
    try:
        found: Any = (
            safetensors.torch.load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
    except safetensors.SafetensorError as error:
        raise ModelFileError(f"{file} is not a whole safetensors file ({error}); copy it again") from error
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{file} holds more than tensors, and reading that could run code; save model.state_dict() alone"
        ) from error
    except (RuntimeError, EOFError) as error:
        raise ModelFileError(f"{file} is not a whole file of torch.save ({error}); copy it again") from error
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
            break
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelFileError(
            f"{file} holds no state dict; expected tensors by name, as of model.state_dict()"
        )
    return {_bare(name): value for name, value in found.items()}


def fits(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether `state` fills `model`: every name and shape is there, and no other; counters may be missing."""
    expected = model.state_dict()
    needed = {name for name in expected if not name.endswith(COUNTER)}
    named = needed <= state.keys() <= expected.keys()
    return named and all(value.shape == expected[name].shape for name, value in state.items())


def misfits(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """What keeps `state` from filling `model`, in words."""
    expected = model.state_dict()
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    surplus = [name for name in state if name not in expected]
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    parts = [("missing", missing), ("not in the network", surplus), ("of another shape", reshaped)]
    return [f"{_few(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in parts if names]


def fill(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put `state` into `model`, all of it and nothing else. Raises ModelFileError."""
    if not fits(model, state):
        raise ModelFileError(f"{source} does not fit the network: {'; '.join(misfits(model, state))}")
    counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(COUNTER)}
    model.load_state_dict(counters | dict(state), strict=True)


def _bare(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
