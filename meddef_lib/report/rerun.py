"""`run.sh` beside a page: the command of this run, for a checkout of the workbook elsewhere.

It is put together from what the document says was asked for, each word quoted for the shell: a document may
be somebody else's. What lay somewhere on one machine is an argument of the script.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from meddef_lib.report.places import name_of_place, places_in, without_places
from meddef_lib.report.view import View
from meddef_lib.visible import one_line

NAME = "run.sh"
AS_YAML = (
    "yaml() {  # FILE: as a text of YAML",
    """    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")\"""",
    "}",
)
TESTED = {"published": "test", "all": "all"}  # as --images calls them, by the rule of the split


@dataclass(frozen=True)
class Argument:
    """A word of the command that whoever runs it again has to say."""

    name: str  # in the usage of the script, and of the variable in it
    what: str  # it is
    said: str  # in its place where the command is only shown
    in_yaml: bool = False  # it stands within the value of a setting


Word = tuple[str | Argument, ...]  # of a command, in parts that follow one another
IMAGES = Argument("IMAGES", "the folder that holds the images", "IMAGES")


def command(view: View) -> str:
    """The command of the run for a reader: files go by their names."""
    return shlex.join(
        "".join(part if isinstance(part, str) else part.said for part in word) for word in words(view)
    )


def words(view: View) -> Iterator[Word]:
    """The command of the run, word by word."""
    run, data = view.document["run"], view.parameters["data"]
    said: list[str | Argument] = ["invoke", "evaluate" if view.given else "reproduce"]
    said += ["--profile", view.document["profile"]]
    if view.given or run["datasets"] != view.parameters["datasets"]:
        said += (word for dataset in run["datasets"] for word in ("--dataset", dataset))
    if data["source"] != "phantoms":
        said += ["--data-root", IMAGES]
    if view.given:
        file = name_of_place(view.given["file"]) or view.given["file"]
        weights = Argument("WEIGHTS", f"{file}, sha256 {view.given['sha256']}", file)
        said += ["--weights", weights, "--variant", view.parameters["variants"][0]]
        asked = {run["overrides"].get(f"{each}.split") for each in ("data", *run["datasets"])}
        if data["split"] not in asked:
            said += ["--images", TESTED.get(data["split"], "paper")]
    yield from ((word,) for word in said)
    numbers = count(1)
    for key, value in run["overrides"].items():
        yield ("--set",)
        yield tuple(_setting(key, value, numbers))


def _setting(key: str, value: Any, numbers: Iterator[int]) -> Iterator[str | Argument]:
    """A setting with its value in JSON, which is YAML, and an argument for every absolute path in that."""
    paths = sorted(map(_json, places_in(value)), key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, paths))})", _json(value)) if paths else [_json(value)]
    yield f"{key}={parts[0]}"
    for path, after in zip(parts[1::2], parts[2::2], strict=True):
        file = name_of_place(json.loads(path))
        yield Argument(f"FILE_{next(numbers)}", f"{file}, the file of {key}", _json(file), in_yaml=True)
        yield after


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def text(view: View) -> str:
    """The script."""
    found = list(words(view))
    arguments = [part for word in found for part in word if isinstance(part, Argument)]
    lines = [
        "#!/bin/sh",
        f"# This run again: {one_line(without_places(view, view.document['run']['title']))}",
        f"# In a checkout of the MedDef workbook at {one_line(_commit(view))},",
        "# with its environment active (README.md):",
        f"#     {_usage(arguments)}",
        *(f"# {each.name} is {one_line(each.what)}." for each in arguments),
        "# An OPTION goes to the command, such as --yes or --device cpu; `invoke --help COMMAND` lists them.",
        "set -eu",
        *(line for each in arguments for line in _taken(each, _usage(arguments))),
        *(AS_YAML if any(each.in_yaml for each in arguments) else ()),
        " ".join(["exec", *map(_quoted, found), '"$@"']),
    ]
    return "\n".join(lines) + "\n"


def _usage(arguments: Sequence[Argument]) -> str:
    return " ".join(["sh", NAME, *(each.name for each in arguments), "[OPTION]..."])


def _taken(argument: Argument, usage: str) -> Iterator[str]:
    """Lines that take an argument, or say that it is missing; `./-a` names a file that begins so."""
    missing = f"{argument.name} is missing, {one_line(argument.what)}; usage: {usage}"
    yield 'case "${1-}" in'
    yield f"    '' | -*) printf '%s\\n' {shlex.quote(missing)} >&2; exit 2 ;;"
    yield "esac"
    yield f"{argument.name}=$1"
    yield "shift"


def _quoted(word: Word) -> str:
    return "".join(_quoted_part(part) for part in word if part) or "''"


def _quoted_part(part: str | Argument) -> str:
    if isinstance(part, str):
        return shlex.quote(part)
    return f'"$(yaml "${part.name}")"' if part.in_yaml else f'"${part.name}"'


def _commit(view: View) -> str:
    commit = view.document["run"]["environment"].get("commit")
    if not commit:
        return "the commit of this report, which is not known"
    unsaved = " (with changes since that are in no commit)" if commit.endswith("+") else ""
    return f"commit {commit.rstrip('+')}{unsaved}"
