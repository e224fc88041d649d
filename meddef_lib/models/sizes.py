"""How many parameters each network has as the paper builds it, counted without memory for their values."""

import json
from collections.abc import Mapping
from typing import Any

from meddef_lib.engine.recipe import Workspace
from meddef_lib.models.network import skeleton
from meddef_lib.params.profile import ModelParams

READINGS = ModelParams()  # at the width that the paper names


def make(space: Workspace) -> None:
    """Make a "sizes/..." cell: `sizes.json`, trainable parameters by variant.

    Settings: num_classes, and networks: what `models.network.built` makes each variant from.
    """
    classes = space.settings["num_classes"]
    found = {name: parameters(said, classes) for name, said in space.settings["networks"].items()}
    (space.folder / "sizes.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def parameters(recipe: Mapping[str, Any], num_classes: int, options: ModelParams = READINGS) -> int:
    """The trainable values of a network; running statistics are none. Raises ValueError as `skeleton`."""
    network = skeleton(recipe, num_classes, mean=0.0, std=1.0, options=options)
    return sum(values.numel() for values in network.parameters())
