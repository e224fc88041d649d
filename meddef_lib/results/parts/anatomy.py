"""The networks laid open: blocks and parameters (Figure 2), sorted weights and the cut (Figure 4)."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from meddef_lib.results.collected import Collected
from meddef_lib.results.model import Model
from meddef_lib.results.part import COUNT, NUMBER, TEXT, YES_OR_NO, Part, fields, table

DEEPEST = 2  # names of a module, one in another: what a picture of the whole network has room for
HALVINGS = 5  # of the image's side by the backbone


def anatomies(found: Collected) -> list[dict[str, Any]]:
    """Each network that was laid open."""
    cells = [
        (model, found.folder(f"anatomy/{model.id}"))
        for dataset in found.datasets
        for model in found.main_models(dataset)
    ]
    return [of_model(model, folder) for model, folder in cells if folder]


def of_model(model: Model, folder: Path) -> dict[str, Any]:
    """One network from the folder of its cell."""
    facts = json.loads((folder / "anatomy.json").read_text(encoding="utf-8"))
    names = ("blocks", "modules", "magnitudes", "sparsity")
    blocks, modules, weights, sparsity = (pd.read_parquet(folder / f"{name}.parquet") for name in names)
    modules = modules[modules["module"].str.count(r"\.") < DEEPEST].set_index("module")
    return {
        "id": model.id,
        "dataset": model.dataset,
        "variant": model.variant,
        "image_size": facts["image_size"],
        "map_side": -(-facts["image_size"] // 2**HALVINGS),  # of what the defense module works on
        "attention_on": facts["attention_on"],
        "blocks": blocks.to_dict("records"),
        "modules": modules.to_dict("index"),
        "rate": facts["rate"],
        "scope": facts["scope"],
        "cut": float(weights.loc[~weights["removed"], "magnitude"].iloc[0]),  # the least that stays
        "magnitudes": weights.to_dict("list"),
        "sparsity": sparsity.to_dict("records"),
    }


NUMBERS = {"type": "array", "items": NUMBER}

PART = Part(
    make=anatomies,
    schema=table(
        id=TEXT,
        dataset=TEXT,
        variant=TEXT,
        image_size=COUNT,
        map_side=COUNT,
        attention_on=TEXT,
        blocks=table(
            module=TEXT, group=TEXT, block=TEXT, paper=TEXT, output=TEXT, parameters=COUNT, share=NUMBER
        ),
        modules={"type": "object", "additionalProperties": fields(output=TEXT, parameters=COUNT)},
        rate=NUMBER,
        scope=TEXT,
        cut=NUMBER,
        magnitudes=fields(share=NUMBERS, magnitude=NUMBERS, removed={"type": "array", "items": YES_OR_NO}),
        sparsity=table(layer=TEXT, weights=COUNT, zeros=COUNT, sparsity=NUMBER),
    ),
)
