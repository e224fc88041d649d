"""Networks on disk: `model.safetensors`, and `model.json` with the arguments that rebuild the network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from meddef_lib.models.contents import ModelFileError
from meddef_lib.models.network import Network, skeleton
from meddef_lib.models.state import fill, read_state
from meddef_lib.params.profile import ModelParams

WEIGHTS = "model.safetensors"
RECIPE = "model.json"


def save(model: Network, folder: Path, recipe: Mapping[str, Any] | None = None) -> None:
    """Write `model.safetensors` and `model.json` (how to rebuild the network, and `recipe`) into `folder`.

    Raises ValueError where `recipe` says otherwise than the network itself.
    """
    of_network = {
        **model.recipe,
        "num_classes": model.num_classes,
        "mean": model.normalise.mean,
        "std": model.normalise.std,
        "options": model.options.settings(),
    }
    for key, value in (recipe or {}).items():
        if of_network.setdefault(key, value) != value:
            raise ValueError(f"the recipe says {key} is {value!r}, the network {of_network[key]!r}")
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}  # not channels_last
    # not by `save_file`: what that writes is its owner's alone, and a store may be shared
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(state))
    text = json.dumps(of_network, indent=2, sort_keys=True)
    (folder / RECIPE).write_text(f"{text}\n", encoding="utf-8")


def load(folder: Path, device: torch.device | str = "cpu") -> Network:
    """The network that `save` wrote, in eval mode on `device`. Raises ModelFileError."""
    found = recipe(folder)
    model = skeleton(
        found,
        found["num_classes"],
        mean=found["mean"],
        std=found["std"],
        options=ModelParams.restored(found["options"]),
    )
    return filled(model, read_state(folder / WEIGHTS), folder / WEIGHTS).to(device)


def filled(model: Network, state: Mapping[str, Tensor], file: Path) -> Network:
    """A skeleton with the values of `state`, which came from `file`, in eval mode. Raises ModelFileError."""
    model.to_empty(device="cpu")
    fill(model, state, str(file))
    return model.eval()


def recipe(folder: Path) -> dict[str, Any]:
    """What `model.json` in `folder` says. Raises ModelFileError."""
    file = folder / RECIPE
    if not file.is_file():
        raise ModelFileError(f"there is no {file}; a folder of `save` has it beside the weights")
    return json.loads(file.read_text(encoding="utf-8"))
