"""What a network is made of, read from the model itself: its blocks, their outputs, their parameters."""

import copy
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from meddef_lib.models.network import Network


@dataclass(frozen=True)
class Block:
    """One block of the network: its module, what the paper calls it and where, and its colour group."""

    module: str
    title: str
    paper: str
    group: str


BLOCKS = (
    Block("normalise", "Normalisation", "3.1.2", "backbone"),
    Block("backbone", "Backbone B (ResNet-18)", "3.7", "backbone"),
    Block("defense.afd", "AFD", "eq. 3", "branch"),
    Block("defense.mfe", "MFE", "eq. 4", "branch"),
    Block("defense.msf", "MSF", "eq. 5", "branch"),
    Block("defense.fusion", "Fusion Φ", "eq. 6", "defense"),
    Block("defense.attention", "Channel attention Ω", "eq. 6", "defense"),
    Block("attention", "Self-attention A", "eq. 1, 2", "head"),
    Block("head", "Head", "3.7", "head"),
)


def blocks(model: Network, image_size: int = 224) -> pd.DataFrame:
    """One row a block, in the order of computation, and a last one, "total".

    Columns: module, group, block, paper (section or equation), output (channels × height × width of one
    image; positions × channels after self-attention; logits), parameters, share (of all parameters).
    """
    known = modules(model, image_size).set_index("module")
    rows = [
        (block.module, block.group, block.title, block.paper, *known.loc[block.module])
        for block in BLOCKS
        if block.module in known.index
    ]
    rows.append(("", "", "total", "3.7", "", sum(value.numel() for value in model.parameters())))
    columns = ["module", "group", "block", "paper", "output", "parameters"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(share=table["parameters"] / table["parameters"].iloc[-1])


def modules(model: Network, image_size: int = 224) -> pd.DataFrame:
    """One row a module of any depth: module (its name), output of one image, parameters."""
    rows = [
        (name, " × ".join(f"{length}" for length in shape), _parameters(model, name))
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


def _parameters(model: nn.Module, module: str) -> int:
    return sum(value.numel() for value in model.get_submodule(module).parameters())
