"""The strict reader of `params/*.yaml` and of `--set`.

Unknown keys, wrong types and impossible values raise `ParamsError` before any work, with the file, the key,
the value and what is allowed.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meddef_lib import paths
from meddef_lib.params.types import Dataset, Known, Params, Profile

Overrides = Sequence[str] | Mapping[str, Any]  # `--set` texts, or what a notebook was given
AnyParams = TypeVar("AnyParams", bound=Params)


class ParamsError(Exception):
    """A parameter that is unknown, of the wrong type or impossible; the message names file, key and value."""


def read_profile(
    name: str, overrides: Overrides = (), *, folder: Path | None = None, known: Known | None = None
) -> Profile:
    """Read `params/profiles/<name>.yaml`; `overrides` are `--set` texts such as `training.epochs=3`.

    `known` tells what it may name; without it, names are not checked. Overrides that begin with a data set's
    id (`roct.preprocessing.clahe=false`) belong to `read_dataset`. Raises ParamsError.
    """
    folder = folder or paths.PARAMS / "profiles"
    mine, _ = split_overrides(overrides)
    return _read(
        known.profile if known else Profile, folder, "profile", name, mine, {"name": name}, "", known
    )


def read_dataset(name: str, overrides: Overrides = (), *, folder: Path | None = None) -> Dataset:
    """Read `params/datasets/<name>.yaml`, with the overrides that begin with its id. Raises ParamsError."""
    folder = folder or paths.PARAMS / "datasets"
    _, others = split_overrides(overrides)
    return _read(Dataset, folder, "data set", name, others.get(name, {}), {"id": name}, f"{name}.")


def dataset_ids() -> tuple[str, ...]:
    """The data sets that there are: the names of the files of `params/datasets`."""
    return tuple(sorted(file.stem for file in (paths.PARAMS / "datasets").glob("*.yaml")))


def split_overrides(
    overrides: Overrides,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Part `key=value` texts into those of the profile and those of each data set, values read as YAML."""
    pairs, known = override_pairs(overrides), dataset_ids()
    of_profile: dict[str, Any] = {}
    of_datasets: dict[str, dict[str, Any]] = {}
    for key, value in pairs.items():
        first, _, rest = key.partition(".")
        if first in known and rest:
            of_datasets.setdefault(first, {})[rest] = value
        else:
            of_profile[key] = value
    return of_profile, of_datasets


def override_pairs(overrides: Overrides) -> dict[str, Any]:
    """The overrides as dotted key -> value, values read as YAML. Raises ParamsError."""
    if isinstance(overrides, Mapping):
        return dict(overrides)
    return dict(_parse_override(text) for text in overrides)


def overrides_text(overrides: Overrides) -> str:
    """The overrides as the one JSON text that notebooks take; "" where there are none."""
    return json.dumps(override_pairs(overrides)) if overrides else ""


def overrides_from_text(text: str) -> dict[str, Any]:
    """Read what `overrides_text` wrote. Raises ParamsError for anything but a JSON object."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParamsError(f"overrides is {text!r}; expected a JSON object of key: value ({error})") from error
    if not isinstance(found, dict):
        raise ParamsError(f"overrides is {text!r}; expected a JSON object of key: value")
    return found


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ParamsError(f"--set {text!r} is not understood; expected key=value, such as training.epochs=3")
    try:
        return key.strip(), YAML(typ="safe", pure=True).load(value)
    except YAMLError as error:
        raise ParamsError(f"--set {text!r}: the value is not YAML ({_first_line(error)})") from error


def _read(
    kind: type[AnyParams],
    folder: Path,
    what: str,
    name: str,
    overrides: Mapping[str, Any],
    fixed: Mapping[str, Any],
    prefix: str,
    known_names: Known | None = None,
) -> AnyParams:
    file = folder / f"{name}.yaml"
    known = sorted(path.stem for path in folder.glob("*.yaml") if path.is_file())
    if name not in known:
        raise ParamsError(f"there is no {what} {name!r}; known are {', '.join(known)}{_nearest(name, known)}")
    shown = file.relative_to(paths.ROOT) if file.is_relative_to(paths.ROOT) else file
    try:
        found = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")) or {}
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{shown} is not YAML: {_first_line(error)}") from error
    except OSError as error:
        raise ParamsError(f"{shown} cannot be read: {error.strerror}") from error
    if not isinstance(found, dict):
        raise ParamsError(f"{shown} holds {type(found).__name__}; expected keys and values")
    for dotted, value in overrides.items():
        _put(found, dotted.split("."), value, f"--set {prefix}{dotted}")
    for key, value in fixed.items():
        if found.setdefault(key, value) != value:
            origin = f"--set {prefix}{key}" if key in overrides else shown
            raise ParamsError(f"{origin}: {key} is {found[key]!r}; expected {value!r}, as the file is named")
    try:
        return kind.model_validate(found, context=known_names)
    except ValidationError as error:
        raise ParamsError(_sentences(error, kind, str(shown), overrides, prefix)) from error


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        inner = tree.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ParamsError(f"{where}: {key} is {inner!r} and has no keys of its own")
        tree = inner
    tree[keys[-1]] = value


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


def _sentences(
    error: ValidationError, kind: type[Params], file: str, overrides: Mapping[str, Any], prefix: str
) -> str:
    """One line an error: where it stands, the value, what is allowed."""
    lines = []
    for found in error.errors(include_url=False):
        key = ".".join(str(part) for part in found["loc"] if not _is_noise(part))
        origin = _origin(key, file, [prefix + name for name in overrides], prefix)
        value = found["input"]
        if found["type"] == "extra_forbidden":
            allowed = _keys_at(kind, key.split(".")[:-1])
            close = _nearest(key.split(".")[-1], allowed)
            text = f"{key} is not a known key; known are {', '.join(allowed)}{close}"
        elif found["type"] == "missing":
            text = f"{key} is missing"
        else:
            message = found["msg"].removeprefix("Input should be ")
            if found["type"] in EXPECTED:
                message = EXPECTED[found["type"]].format(**found.get("ctx", {}))
            if isinstance(value, dict) or not key:  # several keys that do not fit each other
                text = f"{key}: {message}".removeprefix(": ")
            else:
                text = f"{key} is {value!r}; expected {message.removeprefix('expected ')}"
        line = f"{origin}: {text}"
        if line not in lines:
            lines.append(line)
    return "\n".join(lines)


def _origin(key: str, file: str, overrides: Sequence[str], prefix: str) -> str:
    """Who said what is wrong: an override of the key, of what holds it or of what it holds, or the file."""
    if not key:  # several keys that do not fit each other, whoever said them
        return ", ".join([file, *(f"--set {name}" for name in overrides)])
    whole = f"{prefix}{key}."
    said = [name for name in overrides if whole.startswith(f"{name}.") or name.startswith(whole)]
    return f"--set {said[0]}" if said else file


def _is_noise(part: object) -> bool:
    """Pydantic names the branch of a union in an error's place; the reader's file has no such key."""
    return isinstance(part, str) and ("[" in part or part in {"float", "int", "str", "none", "literal"})


def _keys_at(kind: type[BaseModel], keys: Sequence[str]) -> list[str]:
    for key in keys:
        field = kind.model_fields.get(key)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        kind = inner
    return list(kind.model_fields)


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())
