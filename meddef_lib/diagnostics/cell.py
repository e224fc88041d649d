"""The checks of a trained network and of what pruning makes of it: a "diagnose/..." cell."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from torch import nn

from meddef_lib.diagnostics.checks import check
from meddef_lib.diagnostics.tested import tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models import files
from meddef_lib.params.studies import DiagnosticsParams
from meddef_lib.pruning import prune


def make(space: Workspace) -> None:
    """Make `checks.json`: {images, eps, networks: [{rate, checks}]}, the checks as `Check` has them.

    Settings: split; images (at most so many, drawn by class); rates of pruning and their scope; eps, the
    budget in pixels in [0, 1]; effort (DiagnosticsParams); batch_size; seed. Inputs: model, data, and
    surrogate, a separately trained network, where there is one.
    """
    settings, trained = space.settings, files.load(space.inputs["model"], space.device)
    surrogate = space.inputs.get("surrogate")
    networks = (
        ({"rate": rate}, prune(trained, rate, scope=settings["scope"]) if rate else trained)
        for rate in settings["rates"]
    )
    examine(
        space,
        networks,
        len(settings["rates"]),
        surrogate=files.load(surrogate, space.device) if surrogate else None,
    )


def examine(
    space: Workspace,
    networks: Iterable[tuple[dict[str, Any], nn.Module]],
    count: int,
    *,
    surrogate: nn.Module | None,
) -> None:
    """Check `count` networks and write `checks.json`, where each stands with what is said about it."""
    settings = space.settings
    images, labels, ids = tested(space, settings["images"])
    found = []
    for number, (about, network) in enumerate(networks, start=1):
        checks = check(
            network,
            images,
            labels,
            eps=settings["eps"],
            surrogate=surrogate,
            effort=DiagnosticsParams.model_validate(settings["effort"]),
            image_ids=ids,
            seed=settings["seed"],
            batch_size=settings["batch_size"],
        )
        found.append({**about, "checks": [asdict(one) for one in checks]})
        space.progress(number, count, "networks")
    made = {"images": len(images), "eps": settings["eps"], "networks": found}
    (space.folder / "checks.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
