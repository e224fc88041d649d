"""Entries of a transcription that are known by an id, which comes once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError


def _named(found: Any) -> Any:
    if not isinstance(found, Mapping):
        return found
    return {
        name: {"id": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in found.items()
    }


def _distinct(entries: Iterable[Any]) -> Iterable[Any]:
    for id, times in Counter(entry.id for entry in entries).items():
        if times > 1:
            raise PydanticCustomError("ids", "the id {id} comes twice", {"id": id})
    return entries


ById = BeforeValidator(_named)  # of a mapping: each entry learns the name that it stands under as its `id`
EachId = AfterValidator(_distinct)  # of a list
