"""A trained network laid open: what it is made of (Figure 2), its weights and the cut (Figure 4)."""

import json

from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import sparsity
from meddef_lib.models import files, outline
from meddef_lib.pruning import prune


def make(space: Workspace) -> None:
    """Make an "anatomy/..." cell: tables (Parquet) and the facts that go with them (`anatomy.json`).

    Writes `blocks` and `modules` (see `models.outline`), `magnitudes` and `sparsity` (see
    `evaluation.sparsity`). Settings: `image_size` (pixels), `rate` (share of weights that the cut removes),
    `scope`. Input `model`: a trained model.
    """
    settings = space.settings
    rate, scope, size = settings["rate"], settings["scope"], settings["image_size"]
    model = files.load(space.inputs["model"])
    tables = {
        "blocks": outline.blocks(model, size),
        "modules": outline.modules(model, size),
        "magnitudes": sparsity.magnitudes(model, rate),
        "sparsity": sparsity.table(prune(model, rate, scope=scope)),
    }
    for name, table in tables.items():
        table.to_parquet(space.folder / f"{name}.parquet", index=False)
    facts = {
        "image_size": size,
        "rate": rate,
        "scope": scope,
        "attention_on": model.options.attention_on,  # what the channel attention looks at
    }
    (space.folder / "anatomy.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
