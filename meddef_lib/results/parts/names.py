"""What ids are called: variants, attacks, ways of training and data sets, in the order of the page."""

from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES
from meddef_lib.models.variants import VARIANTS
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import TEXT, by_name, fields, list_of, part

TRAININGS = {
    "clean": "clean training",
    "paper": "the paper's training",
    "pgd": "PGD training",
    "trades": "TRADES",
    "fast": "fast training",
    "given": "given weights",
}
PRINTED = ("fgsm", "pgd", "bim", "jsma")  # in the order of the paper's tables


@part(
    "names",
    fields(
        variants=by_name(TEXT),
        attacks=by_name(fields(text="title approximated", flag="has_eps")),
        defences=by_name(fields(text="title source")),
        trainings=by_name(TEXT),
        datasets=by_name(fields(text="title doi licence", classes=list_of(TEXT))),
    ),
)
def names(found: Collected) -> dict[str, Any]:
    """By kind and id, as attacks, networks and data sets call themselves."""
    profile = found.profile
    attacks = dict.fromkeys([*PRINTED, *profile.attacks.methods, *profile.pruning.methods])
    stages = (stage for name in attacks for stage in ATTACKS[name].stages)
    return {
        "variants": {name: variant.title for name, variant in VARIANTS.items()},
        "attacks": {
            name: {
                "title": ATTACKS[name].title,
                "has_eps": ATTACKS[name].has_eps,
                "approximated": ATTACKS[name].approximated(profile.attacks),
            }
            for name in dict.fromkeys([*attacks, *stages])
        },
        "defences": {
            name: {"title": defence.title, "source": defence.source} for name, defence in DEFENCES.items()
        },
        "trainings": TRAININGS,
        "datasets": {
            name: {
                "title": dataset.title,
                "classes": list(dataset.classes),
                "doi": dataset.doi or "",
                "licence": dataset.licence or "",
            }
            for name, dataset in found.datasets.items()
        },
    }
