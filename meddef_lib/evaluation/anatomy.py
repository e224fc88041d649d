"""A trained network laid open for the report: Figure 2 (the network), Figure 4 (its weights and the cut)."""

import json
from pathlib import Path

from matplotlib.figure import Figure

from meddef_lib import models, pruning
from meddef_lib.engine.recipe import Workspace
from meddef_lib.evaluation import sparsity
from meddef_lib.models import diagram
from meddef_lib.results.pictures import svg


def make(space: Workspace) -> None:
    """Make an "anatomy/..." cell: two pictures (SVG), their data (Parquet) and their words (`anatomy.json`).

    Settings: `image_size` (pixels), `rate` (share of weights that the cut removes), `scope`, `smoke` (stamp
    the pictures). Input `model`: a trained model.
    """
    settings = space.settings
    rate, scope, size = settings["rate"], settings["scope"], settings["image_size"]
    model = models.load(space.inputs["model"])
    blocks = diagram.parameter_table(model, size)
    blocks.to_parquet(space.folder / "blocks.parquet", index=False)
    parts = blocks[blocks["block"] != "total"]
    largest = parts.sort_values("parameters").iloc[-1]
    diagram_alt = (
        f"Block diagram of {models.TITLES[model.variant]} for images of {size} pixels, drawn from the stored "
        f"model: {', '.join(str(name) for name in parts['block'])}. The largest block is {largest['block']}."
    )
    _draw(diagram.draw(model, size), diagram_alt, space.folder / "diagram.svg", smoke=settings["smoke"])
    magnitudes = sparsity.magnitudes(model, rate)
    magnitudes.to_parquet(space.folder / "magnitudes.parquet", index=False)
    magnitudes_alt = (
        "Magnitudes of all convolution and linear weights from smallest to largest; the "
        f"{100 * rate:.0f} % to the left of the cut at {sparsity.cut_at(magnitudes):.2g} "
        + (
            "are set to zero."
            if scope == "global"
            else "would be set to zero, but each layer is cut by itself."
        )
    )
    drawing = sparsity.figure(magnitudes, scope)
    _draw(drawing, magnitudes_alt, space.folder / "magnitudes.svg", smoke=settings["smoke"])
    pruned = pruning.prune(model, rate, scope=scope)
    sparsity.table(pruned).to_parquet(space.folder / "sparsity.parquet", index=False)
    facts = {
        "rate_percent": round(100 * rate),
        "diagram_alt": diagram_alt,
        "magnitudes_alt": magnitudes_alt,
    }
    (space.folder / "anatomy.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _draw(drawing: Figure, alt: str, file: Path, *, smoke: bool) -> None:
    file.write_text(svg(drawing, alt, smoke=smoke), encoding="utf-8")
