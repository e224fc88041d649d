"""Recipes: what one expensive result is made by, from and of; and what its maker works with."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from meddef_lib.engine import fingerprint


class Progress(Protocol):
    """Told by a maker how far it is: `done` of `total` steps, and a few words."""

    def __call__(self, done: int, total: int, text: str = "") -> None: ...


def silent(done: int, total: int, text: str = "") -> None:
    """Progress that nobody is shown."""


@dataclass(frozen=True)
class Recipe:
    """How one result is made: `maker` ("module:function") with `settings` (JSON values) on `inputs`.

    `roots` are further functions that the maker looks up by name, such as that of an attack. `speed` changes
    how fast a result is made and none of its bytes: it goes with the recipe and into the receipt, not into
    the key.
    """

    id: str
    maker: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, "Recipe"] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    speed: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def code(self) -> dict[str, str]:
        return fingerprint.code_of(self.maker, *self.roots)

    @cached_property
    def key(self) -> str:
        """The name of the result: 64 hexadecimal digits."""
        return sha256(canonical_json(self.parts()).encode()).hexdigest()

    def parts(self) -> dict[str, Any]:
        """Everything that the key is made of."""
        return {
            "id": self.id,
            "maker": self.maker,
            "settings": self.settings,
            "inputs": {name: recipe.key for name, recipe in self.inputs.items()},
            "code": self.code,
        }

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def order(self) -> dict[str, Any]:
        """What a worker is asked: the recipe, and the key that it has here."""
        return {"recipe": self.as_json(), "key": self.key}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Recipe":
        inputs = {name: Recipe.from_json(inner) for name, inner in data["inputs"].items()}
        return Recipe(**{**data, "inputs": inputs, "roots": tuple(data["roots"])})

    def with_inputs(self) -> Iterator["Recipe"]:
        """This recipe and all that it needs, inputs first, each once."""
        seen: set[str] = set()

        def walk(recipe: Recipe) -> Iterator[Recipe]:
            if recipe.key not in seen:
                seen.add(recipe.key)
                for inner in recipe.inputs.values():
                    yield from walk(inner)
                yield recipe

        yield from walk(self)


@dataclass(frozen=True)
class Workspace:
    """What a maker works with: it reads `settings` and `inputs` and writes into `folder`."""

    settings: Mapping[str, Any]
    inputs: Mapping[str, Path]
    folder: Path  # appears under its final name when the maker returns
    work: Path  # kept when the process is killed, removed when the result is whole
    device: str = "cpu"
    processes: int = 1  # that the maker may start; never changes a result
    speed: Mapping[str, Any] = field(default_factory=dict)  # of the recipe: how, never what
    progress: Progress = silent
    ran: dict[str, Any] = field(default_factory=dict)  # JSON values that the maker adds to the receipt


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no room for variation; refuses NaN and what JSON cannot say."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
