"""The ledger: each place where the paper is silent or says two things, and what this run does there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, model_validator

from meddef_lib import paths
from meddef_lib.params import Dataset, ParamsError, Profile, dataset_ids
from meddef_lib.params.reading import read_yaml
from meddef_lib.params.types import EachId, Params
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import listed, part

FILE = paths.PARAMS / "assumptions.yaml"


class Saying(Params):
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
            raise ValueError("needs either a parameter or a reason why there is none")
        return self


class Assumptions(Params):
    assumptions: Annotated[tuple[Assumption, ...], EachId]


def read(file: Path = FILE) -> tuple[Assumption, ...]:
    """Read the assumptions. Raises ParamsError if one is not understood."""
    return read_yaml(Assumptions, file).assumptions


@part("ledger", listed("assumption"))
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row an assumption, with the value that its parameter has in this run."""
    return [
        {
            **entry.model_dump(mode="json", exclude={"sensitivity"}),
            "value": value_of(entry.parameter, found.profile, found.datasets) if entry.parameter else None,
            "sensitivity": bool(entry.sensitivity),
            "sensitivity_where": entry.sensitivity,
        }
        for entry in read()
    ]


def value_of(key: str, profile: Profile, datasets: Mapping[str, Dataset]) -> Any:
    """The value of a dotted key, as plain JSON; None for a data set that is not part of the run.

    Raises ParamsError if there is no such key.
    """
    first, _, rest = key.partition(".")
    at: Any = profile
    names = key.split(".")
    if first in dataset_ids():
        if first not in datasets:
            return None
        at, names = datasets[first], rest.split(".")
    for name in names:
        if not isinstance(at, BaseModel) or name not in type(at).model_fields:
            raise ParamsError(f"assumptions.yaml names the parameter {key}, which does not exist")
        at = getattr(at, name)
    return TypeAdapter(Any).dump_python(at, mode="json")
