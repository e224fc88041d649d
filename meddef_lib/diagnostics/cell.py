"""The checks of a trained network and of what pruning makes of it: a "diagnose/..." cell."""

import json
from dataclasses import asdict

from meddef_lib.diagnostics.checks import check
from meddef_lib.diagnostics.tested import tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models import files
from meddef_lib.params.diagnostics import DiagnosticsParams
from meddef_lib.pruning import prune


def make(space: Workspace) -> None:
    """Make `checks.json`: {images, eps, networks: [{rate, checks}]}, the checks as `Check` has them.

    Settings: split; images (at most so many, drawn by class); rates of pruning and their scope; eps, the
    budget in pixels in [0, 1]; effort (DiagnosticsParams); batch_size; seed. Inputs: model, data, and
    surrogate, a separately trained network, where there is one.
    """
    settings = space.settings
    images, labels, ids = tested(space)
    trained = files.load(space.inputs["model"], space.device)
    surrogate = space.inputs.get("surrogate")
    networks = []
    for number, rate in enumerate(settings["rates"]):
        found = check(
            prune(trained, rate, scope=settings["scope"]) if rate else trained,
            images,
            labels,
            eps=settings["eps"],
            surrogate=files.load(surrogate, space.device) if surrogate else None,
            effort=DiagnosticsParams.model_validate(settings["effort"]),
            image_ids=ids,
            seed=settings["seed"],
            batch_size=settings["batch_size"],
        )
        networks.append({"rate": rate, "checks": [asdict(one) for one in found]})
        space.progress(number + 1, len(settings["rates"]), "networks")
    made = {"images": len(images), "eps": settings["eps"], "networks": networks}
    (space.folder / "checks.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
