"""What a profile may name, and the type of a profile with each attack's and defence's own settings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, create_model

from meddef_lib.params.profile import AttackParams, Profile
from meddef_lib.params.studies import DefencesParams
from meddef_lib.params.types import Params


class _NoOtherAttack(AttackParams):
    model_config = ConfigDict(extra="forbid")


class _NoOtherDefence(DefencesParams):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Known:
    """What exists for a profile to name: the ids, and of attacks and defences the types of own settings."""

    variants: Collection[str]
    attacks: Mapping[str, type[Params]]
    datasets: Collection[str]
    defences: Mapping[str, type[Params]]

    @cached_property
    def profile(self) -> type[Profile]:
        """`Profile`, in which each attack and each defence has its own settings by its id.

        Validate in the context of this.
        """

        def own(kinds: Mapping[str, type[Params]]) -> dict[str, Any]:
            return {name: (kind, kind()) for name, kind in kinds.items()}

        attacks = create_model("AttackParams", __base__=_NoOtherAttack, **own(self.attacks))
        defences = create_model("DefencesParams", __base__=_NoOtherDefence, **own(self.defences))
        return create_model(
            "Profile", __base__=Profile, attacks=(attacks, attacks()), defences=(defences, defences())
        )
