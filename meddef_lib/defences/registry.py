"""The defences by id, as their modules declare them. Nothing here imports torch until one is built.

A new defence is one file in this folder: `DEFENCE = Defence(id="name", title="Name", source="...")` and a
function `defended(networks, **settings) -> Defended` (`views`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import create_model

from meddef_lib.attacks.registry import Setting
from meddef_lib.declared import declarations
from meddef_lib.params.studies import DefencesParams
from meddef_lib.params.types import Params

UNDEFENDED = "none"  # what all others are compared with
DISTILLED = "distilled"  # in the place of a training mode: taught by another network's answers


@dataclass(frozen=True, kw_only=True)
class Defence:
    """One defence of the plain ResNet-18.

    - source: who proposed it.
    - own: settings of its own (`defences.<id>` in a profile), which its function is called with.
    - networks: beside the plain network, which its function gets first, those that it gets: each by the mode
      of its training, or `DISTILLED`.
    - members: the setting that says how many plain networks it gets, of seeds that follow each other; then
      the function gets all of them, and the others after.
    - examined: how many networks its checks look at: 2 where adaptive attacks look at another than answers.
    - module: where it stands, filled in by the registry.
    """

    id: str
    title: str
    source: str
    own: Mapping[str, Setting] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    members: str = ""
    examined: int = 1
    module: str = ""

    @property
    def root(self) -> str:
        """Its function as "package.module:name"."""
        return f"{self.module}:defended"

    @cached_property
    def params(self) -> type[Params]:
        """The type of `defences.<id>` in a profile."""
        fields: dict[str, Any] = {name: (each.type, each.default) for name, each in self.own.items()}
        return create_model(f"{self.id}_params", __base__=Params, **fields)

    def settings(self, params: DefencesParams) -> dict[str, Any]:
        """What its function is called with."""
        said = getattr(params, self.id, {})
        return (said if isinstance(said, Params) else self.params.model_validate(said)).settings()


def chosen(params: DefencesParams) -> tuple[str, ...]:
    """The defences that a profile asks for, the undefended network first; () for none."""
    named = tuple(DEFENCES) if params.methods is None else params.methods
    return tuple(dict.fromkeys((UNDEFENDED, *named))) if named else ()


DEFENCES: dict[str, Defence] = {
    defence.id: replace(defence, module=f"meddef_lib.defences.{module}")
    for module, defence in declarations(Path(__file__).parent, {"Defence": Defence, "Setting": Setting})
    if isinstance(defence, Defence)
}
