"""The networks laid open: blocks and parameters (Figure 2), sorted weights and the cut (Figure 4)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from meddef_lib.results.collected import Collected
from meddef_lib.results.model import Model
from meddef_lib.results.part import COUNT, NUMBER, YES_OR_NO, by_name, fields, list_of, part, table

DEEPEST = 2  # names of a module, one in another: what a picture of the whole network has room for
HALVINGS = 5  # of the image's side by the backbone
MSF_SCALES = (2, 4, 8)  # pooled to k x k (equation 5)
STEM = ("backbone.conv1", "backbone.bn1", "backbone.maxpool")  # drawn as one block, "stem"


@part(
    "anatomy",
    text="id dataset variant attention_on largest_block scope",
    count="image_size map_side map_positions",
    number="rate cut cut_share",
    enlarged_scales=list_of(COUNT),
    blocks=table(text="module group block paper output", count="parameters", number="share"),
    modules=by_name(fields(text="output", count="parameters")),
    magnitudes=fields(share=list_of(NUMBER), magnitude=list_of(NUMBER), removed=list_of(YES_OR_NO)),
    sparsity=table(text="layer", count="weights zeros", number="sparsity"),
)
def anatomies(found: Collected) -> list[dict[str, Any]]:
    """Each network that was laid open."""
    cells = [
        (model, found.folder(f"anatomy/{model.id}"))
        for dataset in found.datasets
        for model in found.book.main_models(dataset)
    ]
    return [of_model(model, folder) for model, folder in cells if folder]


def of_model(model: Model, folder: Path) -> dict[str, Any]:
    facts = json.loads((folder / "anatomy.json").read_text(encoding="utf-8"))
    names = ("blocks", "modules", "magnitudes", "sparsity")
    every, modules, weights, sparsity = (pd.read_parquet(folder / f"{name}.parquet") for name in names)
    blocks = every.to_dict("records")
    least = weights[~weights["removed"]].iloc[0]  # of the weights that stay
    return {
        "id": model.id,
        "dataset": model.dataset,
        "variant": model.variant,
        "image_size": facts["image_size"],
        **of_map(facts["image_size"]),
        "attention_on": facts["attention_on"],
        "blocks": blocks,
        "largest_block": max(blocks[:-1], key=lambda block: block["parameters"])["block"],  # the last: total
        "modules": of_modules(modules),
        "rate": facts["rate"],
        "scope": facts["scope"],
        "cut": float(least["magnitude"]),
        "cut_share": float(least["share"]),
        "magnitudes": weights.to_dict("list"),
        "sparsity": sparsity.to_dict("records"),
    }


def of_map(image_size: int) -> dict[str, Any]:
    """What the defense module works on: the side of its map, its positions, and MSF's pools beyond it."""
    side = -(-image_size // 2**HALVINGS)
    enlarged = [scale for scale in MSF_SCALES if scale > side]
    return {"map_side": side, "map_positions": side**2, "enlarged_scales": enlarged}


def of_modules(modules: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    """The output and the parameters of every module by name, the outer ones and the backbone's `stem`."""
    found = modules[modules["module"].str.count(r"\.") < DEEPEST].set_index("module").to_dict("index")
    parameters = sum(found[name]["parameters"] for name in STEM)
    return found | {"stem": {"output": found[STEM[-1]]["output"], "parameters": parameters}}
