"""What ids are called: variants, attacks, ways of training and data sets, in the order in which they are shown."""

from typing import Any

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import TEXT, TEXTS, Part, fields

TRAININGS = {
    "clean": "clean training",
    "paper": "the paper's training",
    "pgd": "PGD training",
    "trades": "TRADES",
    "fast": "fast training",
    "given": "given weights",
}
ATTACKS = {"clean": "Clean", "fgsm": "FGSM", "pgd": "PGD", "bim": "BIM", "jsma": "JSMA"}


def names(found: Collected) -> dict[str, Any]:
    """By kind and id; what the paper does not name is called by its id."""
    profile = found.profile
    attacks = dict.fromkeys([*ATTACKS, *profile.attacks.methods, *profile.pruning.methods])
    return {
        "variants": found.paper.variants
        | {name: found.paper.variants.get(name, name) for name in profile.variants},
        "attacks": {name: ATTACKS.get(name, name) for name in attacks},
        "trainings": TRAININGS,
        "datasets": {
            name: {"title": dataset.title, "classes": list(dataset.classes)}
            for name, dataset in found.datasets.items()
        },
    }


_TITLES = {"type": "object", "additionalProperties": TEXT}
PART = Part(
    make=names,
    schema=fields(
        variants=_TITLES,
        attacks=_TITLES,
        trainings=_TITLES,
        datasets={"type": "object", "additionalProperties": fields(title=TEXT, classes=TEXTS)},
    ),
)
