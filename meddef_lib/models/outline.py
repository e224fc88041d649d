"""What a network is made of, read from the model itself: its blocks, their outputs, their parameters.

With the maker of sizes/<data set>: the counts of all variants.
"""

import copy
import json
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib.engine.recipe import Workspace
from meddef_lib.models.network import Network, skeleton
from meddef_lib.params.profile import ModelParams

BLOCKS = (  # of a network: module, colour group, what the paper calls it, and where
    ("normalise", "backbone", "Normalisation", "3.1.2"),
    ("backbone", "backbone", "Backbone B (ResNet-18)", "3.7"),
    ("defense.afd", "branch", "AFD", "eq. 3"),
    ("defense.mfe", "branch", "MFE", "eq. 4"),
    ("defense.msf", "branch", "MSF", "eq. 5"),
    ("defense.fusion", "defense", "Fusion Φ", "eq. 6"),
    ("defense.attention", "defense", "Channel attention Ω", "eq. 6"),
    ("attention", "head", "Self-attention A", "eq. 1, 2"),
    ("head", "head", "Head", "3.7"),
)


def make(space: Workspace) -> None:
    """Make a "sizes/..." cell: `sizes.json`, trainable parameters by variant at the paper's width.

    Settings: num_classes, and networks: what `models.network.built` makes each variant from.
    """
    said, options = space.settings, ModelParams()
    found = {
        name: parameters(skeleton(recipe, said["num_classes"], options=options))
        for name, recipe in said["networks"].items()
    }
    (space.folder / "sizes.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def parameters(module: nn.Module) -> int:
    """How many trainable values it has; running statistics are none."""
    return sum(values.numel() for values in module.parameters())


def blocks(model: Network, image_size: int = 224) -> pd.DataFrame:
    """One row a block, in the order of computation, and a last one, "total".

    Columns: module, group, block, paper (section or equation), output (channels × height × width of one
    image; positions × channels after self-attention; logits), parameters, share (of all parameters).
    """
    known = modules(model, image_size).set_index("module")
    rows: list[tuple[Any, ...]] = [
        (*block, *known.loc[block[0]]) for block in BLOCKS if block[0] in known.index
    ]
    rows.append(("", "", "total", "3.7", "", parameters(model)))
    columns = ["module", "group", "block", "paper", "output", "parameters"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(share=table["parameters"] / table["parameters"].iloc[-1])


def modules(model: Network, image_size: int = 224) -> pd.DataFrame:
    """One row a module of any depth: module (its name), output of one image, parameters."""
    rows = [
        (name, " × ".join(f"{length}" for length in shape), parameters(model.get_submodule(name)))
        for name, shape in output_shapes(model, image_size).items()
        if name
    ]
    return pd.DataFrame(rows, columns=["module", "output", "parameters"])


def output_shapes(model: Network, image_size: int = 224) -> dict[str, tuple[int, ...]]:
    """What every module makes of one image, without the batch's dimension, by the module's name.

    Nothing is computed: a copy of the model without memory for its values is run on an image without pixels.
    """
    without_values = copy.deepcopy(model).to("meta").eval()
    shapes: dict[str, tuple[int, ...]] = {}

    names = {module: name for name, module in without_values.named_modules()}

    def note(module: nn.Module, _inputs: object, output: Tensor) -> None:
        shapes[names[module]] = tuple(output.shape[1:])

    for module in names:
        module.register_forward_hook(note)
    with torch.no_grad():
        without_values(torch.empty(1, 3, image_size, image_size, device="meta"))
    return shapes
