"""Clean and robust accuracy of the baseline and the full model at the paper's main budget."""

from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.models.variants import FULL, RESNET18
from meddef_lib.paper.addresses import Address
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import NUMBER, TEXT, Part, table
from meddef_lib.results.parts import tables

VARIANTS = (RESNET18.id, FULL.id)


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a data set and model, its cells as those of `tables`; balanced accuracy, in percent, is ours."""
    eps = found.profile.pruning.eps
    columns = ["clean", *(name for name in found.profile.attacks.methods if ATTACKS[name].has_eps)]
    every = []
    for dataset in found.datasets:
        for variant in (name for name in found.profile.variants if name in VARIANTS):
            clean = found.outcomes.get(Address(dataset=dataset, quantity="accuracy", variant=variant))
            every.append(
                {
                    "dataset": dataset,
                    "variant": variant,
                    "balanced_accuracy": clean.alternatives.get("balanced_accuracy") if clean else None,
                    **tables.cells(found, dataset, "accuracy", variant, eps, columns),
                }
            )
    return every


PART = Part(make=rows, schema=table(dataset=TEXT, variant=TEXT, balanced_accuracy=NUMBER, **tables.BY_COLUMN))
