"""What the paper says of each attack's settings (2.2, 3.8), beside this run's."""

from typing import Any

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import part
from meddef_lib.results.parts.names import PRINTED
from meddef_lib.results.setting import flat

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
