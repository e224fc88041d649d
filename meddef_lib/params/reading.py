"""The strict reader of all YAML in `params/`, and of `--set`.

Unknown and repeated keys, wrong types and impossible values raise `ParamsError` before any work, with the
file, the key, the value and what is allowed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML, MappingNode, Node, SafeConstructor, SequenceNode
from ruamel.yaml.constructor import ConstructorError
from ruamel.yaml.error import YAMLError

from meddef_lib import paths
from meddef_lib.errors import UserError, known_are
from meddef_lib.params.dataset import Dataset
from meddef_lib.params.profile import Known, Profile
from meddef_lib.params.refusals import sentence, speaker
from meddef_lib.params.types import Params

Overrides = Sequence[str] | Mapping[str, Any]  # `--set` texts, or what a notebook was given
AnyParams = TypeVar("AnyParams", bound=Params)


class _Constructor(SafeConstructor):
    """Values as Python has them, but no dates, and what Python refuses said with its line."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            said = f"{node.value} is a date, and no parameter is one; in quotes it is text"
            raise ConstructorError(None, None, said, node.start_mark)
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise ConstructorError(None, None, str(error), node.start_mark) from error


class ParamsError(UserError):
    """A parameter that is unknown, of the wrong type or impossible; the message names file, key and value."""


def read_profile(
    name: str, overrides: Overrides = (), *, known: Known | None = None, folder: Path | None = None
) -> Profile:
    """Read `params/profiles/<name>.yaml`; `overrides` are `--set` texts such as `training.epochs=3`.

    Overrides that begin with a data set's id (`roct.preprocessing.clahe=false`) belong to `read_dataset`.
    `known` tells what it may name; without it, names are not checked. Raises ParamsError.
    """
    mine, _ = split_overrides(overrides)
    file = _named_file(folder or paths.PARAMS / "profiles", name, "profile")
    kind = known.profile if known else Profile
    return read_yaml(kind, file, overrides=mine, fixed={"name": name}, known=known)


def read_dataset(name: str, overrides: Overrides = (), *, folder: Path | None = None) -> Dataset:
    """Read `params/datasets/<name>.yaml`, with the overrides that begin with its id. Raises ParamsError."""
    _, others = split_overrides(overrides)
    file = _named_file(folder or paths.PARAMS / "datasets", name, "data set")
    return read_yaml(Dataset, file, overrides=others.get(name, {}), fixed={"id": name}, prefix=f"{name}.")


def profile_ids() -> tuple[str, ...]:
    """The name of every profile: those of the files in `params/profiles`."""
    return _names(paths.PARAMS / "profiles")


def dataset_ids() -> tuple[str, ...]:
    """The id of every data set: the names of the files in `params/datasets`."""
    return _names(paths.PARAMS / "datasets")


def read_yaml(
    kind: type[AnyParams],
    file: Path,
    *more: Path,
    overrides: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    prefix: str = "",
    known: Known | None = None,
) -> AnyParams:
    """Read one object from a file, or from several whose keys stand beside one another.

    `overrides` go by dotted key and are called `--set <prefix><key>` where they are wrong; `fixed` are keys
    that the file's own name gives; `known` goes to the validators as their context. Raises ParamsError.
    """
    overrides, fixed = overrides or {}, fixed or {}
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for one in (file, *more):
        shown = str(one.relative_to(paths.ROOT) if one.is_relative_to(paths.ROOT) else one)
        for key, value in _mapping(one, shown).items():
            if key in origin:
                raise ParamsError(f"{key} stands in {origin[key]} and in {shown}")
            found[key], origin[key] = value, shown
    where = str(Path(shown).parent) if more else shown
    for dotted, value in overrides.items():
        _put(found, dotted.split("."), value, f"--set {prefix}{dotted}")
    for key, value in fixed.items():
        if found.setdefault(key, value) != value:
            said = f"--set {prefix}{key}" if key in overrides else origin[key]
            raise ParamsError(f"{said}: {key} is {found[key]!r}; expected {value!r}, as the file is named")
    try:
        return kind.model_validate(found, context=known)
    except ValidationError as error:
        sentences = []
        for problem in error.errors(include_url=False):
            key, text = sentence(problem, kind, found)
            file_of = origin.get(key.partition(".")[0], where)
            said = speaker(key, file_of, overrides, prefix)
            known_line = said in origin.values() and problem["type"] != "missing" and key
            line = f" (line {_line(paths.ROOT / said, problem['loc'])})" if known_line else ""
            sentences.append(f"{said}: {text}{line}")
        raise ParamsError("\n".join(dict.fromkeys(sentences))) from error


def split_overrides(
    overrides: Overrides,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Part `key=value` texts into those of the profile and those of each data set, values read as YAML."""
    pairs, datasets = override_pairs(overrides), dataset_ids()
    of_profile: dict[str, Any] = {}
    of_datasets: dict[str, dict[str, Any]] = {}
    for key, value in pairs.items():
        first, _, rest = key.partition(".")
        if first in datasets and rest:
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
    try:
        return TypeAdapter(dict[str, Any]).validate_json(text or "{}")
    except ValidationError as error:
        raise ParamsError(f"overrides is {text!r}; expected a JSON object of key: value") from error


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ParamsError(f"--set {text!r} is not understood; expected key=value, such as training.epochs=3")
    try:
        return key.strip(), _yaml().load(value)
    except (YAMLError, RecursionError) as error:
        raise ParamsError(f"--set {text!r}: the value is not YAML ({_first_line(error)})") from error


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml


def _line(file: Path, place: Sequence[str | int]) -> int:
    """In which line of a file a place begins, or what of it stands there."""
    node, line = _yaml().compose(file.read_text(encoding="utf-8")), 0
    for part in place:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    node, line = value, key.start_mark.line
        elif isinstance(node, SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.yaml") if path.is_file()))


def _named_file(folder: Path, name: str, what: str) -> Path:
    known = _names(folder)
    if name not in known:
        raise ParamsError(f"there is no {what} {name!r}; {known_are(name, known)}")
    return folder / f"{name}.yaml"


def _mapping(file: Path, shown: str) -> dict[str, Any]:
    try:
        found = _yaml().load(file.read_text(encoding="utf-8")) or {}
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ParamsError(f"{shown} is not YAML: {_first_line(error)}") from error
    except OSError as error:
        raise ParamsError(f"{shown} cannot be read: {error.strerror}") from error
    if not isinstance(found, dict):
        raise ParamsError(f"{shown} holds {type(found).__name__}; expected keys and values")
    return found


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        inner = tree.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ParamsError(f"{where}: {key} is {inner!r} and has no keys of its own")
        tree = inner
    tree[keys[-1]] = value


def _first_line(error: Exception) -> str:
    return " ".join(str(error).replace(' in "<unicode string>",', " in").split())
