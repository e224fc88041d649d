"""What ids are called: variants, attacks, ways of training and data sets, in the order of the page."""

from typing import Any

from meddef_lib.params import Profile
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import TEXT, TEXTS, YES_OR_NO, Part, Schema, fields

TRAININGS = {
    "clean": "clean training",
    "paper": "the paper's training",
    "pgd": "PGD training",
    "trades": "TRADES",
    "fast": "fast training",
    "given": "given weights",
}
ATTACKS = {"fgsm": "FGSM", "pgd": "PGD", "bim": "BIM", "jsma": "JSMA"}
WITHOUT_EPSILON = ("jsma",)


def names(found: Collected) -> dict[str, Any]:
    """By kind and id; what the paper does not name is called by its id."""
    profile = found.profile
    attacks = dict.fromkeys([*ATTACKS, *profile.attacks.methods, *profile.pruning.methods])
    return {
        "variants": found.paper.variants
        | {name: found.paper.variants.get(name, name) for name in profile.variants},
        "attacks": {name: _attack(name, profile) for name in attacks},
        "trainings": TRAININGS,
        "datasets": {
            name: {"title": dataset.title, "classes": list(dataset.classes)}
            for name, dataset in found.datasets.items()
        },
    }


def _attack(name: str, profile: Profile) -> dict[str, Any]:
    jsma = profile.attacks.jsma
    parts = [
        f"at most {jsma.max_steps} steps" if jsma.max_steps else "",
        f"{jsma.pairs_per_step} pairs a step" if jsma.pairs_per_step > 1 else "",
        f"{jsma.images} images" if jsma.images else "",
    ]
    return {
        "title": ATTACKS.get(name, name),
        "has_eps": name not in WITHOUT_EPSILON,
        "approximated": ", ".join(part for part in parts if part) if name == "jsma" else "",
    }


def _by_id(entry: Schema) -> Schema:
    return {"type": "object", "additionalProperties": entry}


PART = Part(
    make=names,
    schema=fields(
        variants=_by_id(TEXT),
        attacks=_by_id(fields(title=TEXT, has_eps=YES_OR_NO, approximated=TEXT)),
        trainings=_by_id(TEXT),
        datasets=_by_id(fields(title=TEXT, classes=TEXTS)),
    ),
)
