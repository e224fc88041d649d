"""What the paper does not say: every assumption of this project, with the parameter that switches it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meddef_lib import paths
from meddef_lib.params import Dataset, Params, Profile

FILE = paths.PARAMS / "assumptions.yaml"


class LedgerError(Exception):
    """The ledger cannot be read; the message says which entry and what is wrong."""


class Saying(Params):
    """What one place says."""

    where: str
    text: str


class Assumption(Params):
    """One open place of the paper, and what is done about it."""

    id: str
    topic: str
    says: tuple[Saying, ...] = Field(min_length=1)
    we: str
    why: str
    parameter: str | None = None  # the key that switches the reading
    fixed: str = ""  # why there is no such key
    sensitivity: str = ""  # where a run shows the other reading; "": nowhere

    @model_validator(mode="after")
    def _switchable_or_not(self) -> "Assumption":
        if bool(self.parameter) == bool(self.fixed):
            raise PydanticCustomError("assumption", "needs either a parameter or a reason why there is none")
        return self


def read(file: Path = FILE) -> tuple[Assumption, ...]:
    """Read the ledger. Raises LedgerError if an entry is not understood."""
    try:
        found = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        return TypeAdapter(tuple[Assumption, ...]).validate_python(found["assumptions"])
    except YAMLError as error:
        raise LedgerError(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        index = problem["loc"][0]
        name = found["assumptions"][index].get("id", index) if isinstance(index, int) else index
        place = ".".join(str(part) for part in problem["loc"][1:])
        raise LedgerError(f"{file.name}: entry {name}: {place}: {problem['msg']}") from error


def rows(
    assumptions: tuple[Assumption, ...], profile: Profile, datasets: Mapping[str, Dataset]
) -> list[dict[str, Any]]:
    """The ledger for results.json: each entry with the value that its parameter has in this run."""
    return [
        {
            "id": entry.id,
            "topic": entry.topic,
            "says": [{"where": saying.where, "text": saying.text} for saying in entry.says],
            "we": entry.we,
            "why": entry.why,
            "parameter": entry.parameter,
            "value": value_of(entry.parameter, profile, datasets) if entry.parameter else None,
            "fixed": entry.fixed,
            "sensitivity": bool(entry.sensitivity),
            "sensitivity_where": entry.sensitivity,
        }
        for entry in assumptions
    ]


def value_of(key: str, profile: Profile, datasets: Mapping[str, Dataset]) -> Any:
    """The value of a dotted key, as plain JSON; None for a data set that is not part of the run.

    Raises LedgerError if there is no such key.
    """
    first, _, rest = key.partition(".")
    at: Any = profile
    names = key.split(".")
    if first in ("roct", "chest_xray"):
        if first not in datasets:
            return None
        at, names = datasets[first], rest.split(".")
    for name in names:
        if not isinstance(at, BaseModel) or name not in type(at).model_fields:
            raise LedgerError(f"assumptions.yaml names the parameter {key}, which does not exist")
        at = getattr(at, name)
    return TypeAdapter(Any).dump_python(at, mode="json")
