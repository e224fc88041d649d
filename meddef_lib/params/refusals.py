"""The sentences that refuse a parameter: which key, what stands there, what is allowed, and who said it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from meddef_lib.errors import did_you_mean, known_are
from meddef_lib.params.types import Params

# what pydantic says in words of Python
EXPECTED = {
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "string_type": "text",
    "bool_type": "true or false",
    "float_type": "a number",
    "invalid_key": "a key that is text",
    "too_short": "at least {min_length} values",
    "string_pattern_mismatch": "text that matches {pattern}",
}


LONGEST = 200  # characters of a value in a sentence


def brief(value: object) -> str:
    """A value as a sentence repeats it: not all of a long one."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def sentence(problem: Any, kind: type[Params], found: Any) -> tuple[str, str]:
    """The dotted key of a problem, and what stands there with what is allowed."""
    key, value = _dotted(problem["loc"], found), problem["input"]
    if problem["type"] == "extra_forbidden":
        allowed = _keys_at(kind, problem["loc"][:-1])
        return key, f"{key} is not a known key; {known_are(key.split('.')[-1], allowed)}"
    if problem["type"] == "missing":
        return key, f"{key} is missing"
    message = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if problem["type"] in EXPECTED:
        message = EXPECTED[problem["type"]].format(**problem.get("ctx", {}))
    if problem["type"] == "literal_error" and isinstance(value, str):
        message += did_you_mean(value, re.findall("'(.+?)'", problem["ctx"]["expected"]))
    entries = value if isinstance(value, list | tuple) else [value]
    whole = problem["type"] not in (*EXPECTED, "literal_error")  # keys that do not fit each other
    if not key or (whole and any(isinstance(entry, dict) for entry in entries)):
        return key, f"{key}: {message}".removeprefix(": ")
    return key, f"{key} is {brief(value)}; expected {message.removeprefix('expected ')}"


def _dotted(place: Sequence[str | int], found: Any) -> str:
    """The place of a problem as a key: an entry of a list by its own id, where it has one.

    Pydantic also names the branch of a union, which the file has no key for.
    """
    keys = []
    for part in place:
        inner = None
        if isinstance(found, dict) and part in found:
            inner = found[part]
        elif isinstance(found, list) and isinstance(part, int) and part < len(found):
            inner = found[part]
            part = inner.get("id", part) if isinstance(inner, dict) else part
        elif _is_branch(part):
            continue
        found = inner
        keys.append(str(part))
    return ".".join(keys)


def _is_branch(part: object) -> bool:
    names_type = {"float", "int", "str", "none", "literal"}
    return isinstance(part, str) and ("[" in part or part in names_type or part[:1].isupper())


def speaker(key: str, file: str, overrides: Mapping[str, Any], called: str) -> str:
    """Who said what is wrong: an override of the key, of what holds it or of what it holds, or the file."""
    names = [called + name for name in overrides]
    if not key:  # several keys that do not fit each other, whoever said them
        return ", ".join([file, *names])
    whole = f"{called}{key}."
    said = [name for name in names if whole.startswith(f"{name}.") or name.startswith(whole)]
    return said[0] if said else file


def _keys_at(kind: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys that may stand at a place, whatever lists and mappings lie on the way to it."""
    models = [kind]
    for part in place:
        field = next((fields[str(part)] for fields in map(_fields, models) if part in fields), None)
        if field is not None:
            models = _models(field.annotation)
    return [key for model in models for key in _fields(model)]


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
