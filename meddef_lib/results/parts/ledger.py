"""The ledger: each place where the paper is silent or says two things, and what this run does there."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from meddef_lib.paper import assumptions
from meddef_lib.paper.assumptions import Assumption
from meddef_lib.params import Dataset, ParamsError, Profile, dataset_ids
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import listed, part


def rows(
    entries: Sequence[Assumption], profile: Profile, datasets: Mapping[str, Dataset]
) -> list[dict[str, Any]]:
    """A row an assumption, with the value that its parameter has in this run."""
    return [
        {
            **entry.model_dump(mode="json", exclude={"sensitivity"}),
            "value": value_of(entry.parameter, profile, datasets) if entry.parameter else None,
            "sensitivity": bool(entry.sensitivity),
            "sensitivity_where": entry.sensitivity,
        }
        for entry in entries
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


@part("ledger", listed("assumption"))
def ledger(found: Collected) -> list[dict[str, Any]]:
    """The `rows` of this run."""
    return rows(assumptions.read(), found.profile, found.datasets)
