"""Profiles and data sets by name, what `--set` says of them, and what a profile may name."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError, create_model
from yaml import YAMLError

from meddef_lib import paths
from meddef_lib.errors import known_are
from meddef_lib.params.dataset import Dataset
from meddef_lib.params.profile import AttackParams, Profile
from meddef_lib.params.reading import DEEPEST, LARGEST, SET, ParamsError, loaded, read_yaml, said_of
from meddef_lib.params.refusals import brief
from meddef_lib.params.studies import DefencesParams
from meddef_lib.params.types import Params

Overrides = Sequence[str] | Mapping[str, Any]  # `--set` texts, or what a notebook was given


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

        def with_own(base: type[Params], kinds: Mapping[str, type[Params]]) -> type[Params]:
            own: dict[str, Any] = {name: (kind, kind()) for name, kind in kinds.items()}
            return create_model(base.__name__, __base__=base, __cls_kwargs__={"extra": "forbid"}, **own)

        attacks = with_own(AttackParams, self.attacks)
        defences = with_own(DefencesParams, self.defences)
        return create_model(
            "Profile", __base__=Profile, attacks=(attacks, attacks()), defences=(defences, defences())
        )


def read_profile(
    name: str, overrides: Overrides = (), *, called: str = SET, known: Known | None = None
) -> Profile:
    """Read `params/profiles/<name>.yaml`; `overrides` are `--set` texts such as `training.epochs=3`.

    One that is refused is `called` so. Overrides that begin with a data set's id
    (`roct.preprocessing.clahe=false`) belong to `read_dataset`. `known` tells what it may name; without it,
    names are not checked. Raises ParamsError.
    """
    mine, _ = split_overrides(overrides)
    file = _named_file("profiles", name, "profile")
    kind = known.profile if known else Profile
    return read_yaml(kind, file, overrides=mine, fixed={"name": name}, called=called, known=known)


def read_dataset(name: str, overrides: Overrides = (), *, called: str = SET) -> Dataset:
    """Read `params/datasets/<name>.yaml`, with the overrides that begin with its id. Raises ParamsError."""
    _, others = split_overrides(overrides)
    file = _named_file("datasets", name, "data set")
    mine, called = others.get(name, {}), f"{called}{name}."
    return read_yaml(Dataset, file, overrides=mine, fixed={"id": name}, called=called)


def profile_ids() -> tuple[str, ...]:
    return _names("profiles")


def dataset_ids() -> tuple[str, ...]:
    return _names("datasets")


def split_overrides(overrides: Overrides) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
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
        raise ParamsError(f"overrides is {brief(text)}; expected a JSON object of key: value") from error


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip(" ")  # and no more: what cannot be seen is no part of a key
    if not equals or not key:
        raise ParamsError(
            f"--set {brief(text)} is not understood; expected key=value, such as training.epochs=3"
        )
    if len(text) > LARGEST or key.count(".") > DEEPEST:
        raise ParamsError(f"--set {brief(text)} is longer or deeper than any parameter")
    try:
        return key, loaded(value)
    except YAMLError as error:
        raise ParamsError(f"--set {brief(text)}: the value is not YAML ({said_of(error, value)})") from error


def _names(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (paths.PARAMS / folder).glob("*.yaml") if path.is_file()))


def _named_file(folder: str, name: str, what: str) -> Path:
    known = _names(folder)
    if name not in known:
        raise ParamsError(f"there is no {what} {name!r}; {known_are(name, known)}")
    return paths.PARAMS / folder / f"{name}.yaml"
