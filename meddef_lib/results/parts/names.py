"""What a run is of: its networks, attacks, trainings and data sets, and what each of them is called."""

from typing import Any

import numpy as np

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES
from meddef_lib.models.variants import VARIANTS
from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected, names_of, of_model
from meddef_lib.results.model import Model
from meddef_lib.results.part import OF_A_MODEL, TEXT, by_name, fields, list_of, part
from meddef_lib.results.setting import flat

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


@part("models", **OF_A_MODEL, text="title", flag="main")
def models(found: Collected) -> list[dict[str, Any]]:
    """A row a network, data set by data set; those of larger images, which are for saliency alone, last."""
    return [
        names_of(model)
        | {
            "title": title(found, model),
            "main": not model.image_size and model.mode == found.book.modes(model.variant)[0],
        }
        for dataset in found.datasets
        for model in (*found.book.models(dataset), *found.book.larger_models(dataset))
    ]


def title(found: Collected, model: Model) -> str:
    """The name of its variant, how it was trained and, where there are several, its seed and image size."""
    seed = f", seed {model.seed}" if len(found.profile.seeds) > 1 else ""
    size = f", {model.image_size} px" if model.image_size else ""
    return trained(VARIANTS[model.variant].title, f"{TRAININGS[model.mode]}{seed}{size}")


def trained(title: str, training: str) -> str:
    """A network with its training, in one pair of brackets: "MedDef (Full DAAM, clean training)"."""
    return f"{title[:-1]}, {training})" if title.endswith(")") else f"{title} ({training})"


@part("networks", text="dataset model", count="rate_percent", flag="collapsed")
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a pruned network and rate that has records."""
    if found.pruned.empty:
        return []
    return [
        {
            "dataset": model.dataset,
            "model": model.id,
            "rate_percent": round(100 * rate),
            "collapsed": metrics.one_answer(of_rate) is not None,
        }
        for dataset in found.datasets
        for model in found.book.main_models(dataset)
        for records in [of_model(found.pruned, model)]
        for rate in sorted(found.profile.pruning.rates)
        if len(of_rate := records[np.isclose(records["rate"], rate)])
    ]


ANY: dict[str, Any] = {}  # of whatever type a setting is


@part("attack_settings", text="attack name section", published=ANY, ours=ANY)
def attack_settings(found: Collected) -> list[dict[str, Any]]:
    """A row an attack of the paper and setting that this run has a parameter for, attack by attack."""
    ours = dict(flat(found.profile.model_dump(mode="json")))
    facts = {fact.key: fact for dataset in found.datasets for fact in found.paper.setting(dataset)}
    return [
        {"attack": attack, "name": fact.name, "section": fact.section}
        | {"published": fact.value, "ours": ours[fact.key]}
        for attack in PRINTED
        for fact in facts.values()
        if attack in fact.attacks and not fact.pruned_only and fact.key in ours
    ]
