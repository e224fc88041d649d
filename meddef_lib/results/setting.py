"""The setting that a number was measured in, and how it deviates from the published one."""

from collections.abc import Iterable, Mapping
from typing import Any

from meddef_lib.paper.addresses import Address
from meddef_lib.paper.statements import SettingFact
from meddef_lib.params import GIVEN, Dataset, Profile

# what this run's parameters do not say of given weights; that they were trained elsewhere is `training.mode`
OF_TRAINING = ("training.", "data.limits.train", "data.limits.val", "model.dropout")


def of_run(profile: Profile, dataset: Dataset, summary: Mapping[str, Any], *, mode: str) -> dict[str, Any]:
    """The setting of one trained model of a run, by dotted parameter keys, its data set's among them.

    `summary` is that of the prepared data set (its `published_counts` and `data_version`), `mode` how the
    model was trained.
    """
    settings = profile.model_dump(mode="json")
    found = dict(flat({**settings, "preprocessing": dataset.preprocessing.model_dump(mode="json")}))
    return found | {
        "data.version": "published" if summary["published_counts"] else summary["data_version"],
        "data.split": profile.data.split or dataset.split,
        "training.mode": mode,
        "training.batch_size": profile.training.batch_size_of(dataset),
        "training.augmented": any(profile.training.augmentation.settings().values()),
        "normalisation.mean": dataset.mean,  # of the network's first layer
        "normalisation.std": dataset.std,
    }


def deviations(found: Mapping[str, Any], address: Address, facts: Iterable[SettingFact]) -> tuple[str, ...]:
    """What of `found` is not as published, as phrases; () if the number may be compared with the paper's.

    `facts` are those of the address's data set (`Paper.setting`); there are none of one that is not printed.
    """
    relevant = (fact for fact in facts if _bears_on(fact, address, mode=found.get("training.mode", "")))
    return tuple(phrase for fact in relevant if (phrase := _deviation(fact, found[fact.key])))


def _bears_on(fact: SettingFact, address: Address, *, mode: str) -> bool:
    """Whether a published setting matters for the number at an address, for a model trained in `mode`."""
    return (
        address.quantity in fact.quantities
        and (not fact.variants or address.variant in fact.variants)
        and (not fact.attacks or address.attack in fact.attacks)
        and (not fact.modes or mode in fact.modes)
        and (not fact.pruned_only or address.rate_percent > 0)
        and (mode != GIVEN or fact.key == "training.mode" or not fact.key.startswith(OF_TRAINING))
    )


def _deviation(fact: SettingFact, found: Any) -> str | None:
    expected, plain = fact.value, list(found) if isinstance(found, tuple | list) else found
    if any(plain == allowed for allowed in (expected, *fact.also)):
        return None
    if fact.at_most and found <= expected:
        return None
    if expected is None:
        return f"{fact.name} {found}"
    return f"{fact.name} {_said(found)} instead of {'at most ' if fact.at_most else ''}{_said(expected)}"


def _said(value: Any) -> Any:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def flat(tree: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """The settings below a mapping by their dotted keys; an empty mapping is a setting, too."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
