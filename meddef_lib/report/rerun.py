"""`run.sh` beside a page: the command of this run, for a checkout of the workbook elsewhere.

It is put together from what the document says was asked for, each word quoted for the shell: a document may
be somebody else's. What lay somewhere on one machine is an argument of the script.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from meddef_lib.report.places import name_of_place, without_places
from meddef_lib.report.view import View
from meddef_lib.visible import one_line

NAME = "run.sh"
AS_A_SETTING = (
    "setting() {  # KEY FILE: as --set takes them, the file as a text of YAML",
    """    printf "%s='%s'" "$1" "$(printf '%s' "$2" | sed "s/'/''/g")\"""",
    "}",
)
TESTED = {"published": "test", "all": "all"}  # as --images calls them, by the rule of the split


@dataclass(frozen=True)
class Argument:
    """A word of the command that whoever runs it again has to say."""

    name: str  # in the usage of the script, and of the variable in it
    what: str  # it is
    said: str  # in its place where the command is only shown
    key: str = ""  # of the parameter that is set to it


IMAGES = Argument("IMAGES", "the folder that holds the images", "IMAGES")


def command(view: View) -> str:
    """The command of the run for a reader: files go by their names."""
    return shlex.join(each if isinstance(each, str) else each.said for each in words(view))


def words(view: View) -> Iterator[str | Argument]:
    """The command of the run, word by word."""
    run, data = view.document["run"], view.parameters["data"]
    yield from ("invoke", "evaluate" if view.given else "reproduce", "--profile", view.document["profile"])
    if view.given or run["datasets"] != view.parameters["datasets"]:
        yield from (word for dataset in run["datasets"] for word in ("--dataset", dataset))
    if data["source"] != "phantoms":
        yield from ("--data-root", IMAGES)
    if view.given:
        weights = Argument("WEIGHTS", "{file}, sha256 {sha256}".format(**view.given), view.given["file"])
        yield from ("--weights", weights, "--variant", view.parameters["variants"][0])
        asked = {run["overrides"].get(f"{said}.split") for said in ("data", *run["datasets"])}
        if data["split"] not in asked:
            yield from ("--images", TESTED.get(data["split"], "paper"))
    numbers = count(1)
    for key, value in run["overrides"].items():
        file = name_of_place(value)
        said = f"{key}={json.dumps(value if file is None else file, ensure_ascii=False)}"
        yield "--set"
        yield (
            said
            if file is None
            else Argument(f"FILE_{next(numbers)}", f"{file}, the file of {key}", said, key)
        )


def text(view: View) -> str:
    """The script."""
    found = list(words(view))
    arguments = [each for each in found if isinstance(each, Argument)]
    lines = [
        "#!/bin/sh",
        f"# This run again: {one_line(without_places(view, view.document['run']['title']))}",
        f"# In a checkout of the MedDef workbook at {one_line(_commit(view))},",
        "# with its environment active (README.md):",
        f"#     {_usage(arguments)}",
        *(f"# {each.name} is {one_line(each.what)}." for each in arguments),
        "# An OPTION goes to the command, such as --yes or --device cpu; `invoke --help COMMAND` lists them.",
        "set -eu",
        *(_taken(arguments) if arguments else ()),
        *(AS_A_SETTING if any(each.key for each in arguments) else ()),
        " ".join(["exec", *map(_quoted, found), '"$@"']),
    ]
    return "\n".join(lines) + "\n"


def _usage(arguments: Sequence[Argument]) -> str:
    return " ".join(["sh", NAME, *(each.name for each in arguments), "[OPTION]..."])


def _taken(arguments: Sequence[Argument]) -> Iterator[str]:
    """Lines that take the arguments, or say how the script is called."""
    yield f"if [ $# -lt {len(arguments)} ]; then"
    yield f'    echo "usage: {_usage(arguments)}" >&2'
    yield "    exit 2"
    yield "fi"
    for number, each in enumerate(arguments, start=1):
        yield f"{each.name}=${{{number}}}"
    yield f"shift {len(arguments)}"


def _quoted(word: str | Argument) -> str:
    if isinstance(word, str):
        return shlex.quote(word)
    value = f'"${word.name}"'
    return f'"$(setting {shlex.quote(word.key)} {value})"' if word.key else value


def _commit(view: View) -> str:
    commit = view.document["run"]["environment"].get("commit")
    if not commit:
        return "the commit of this report, which is not known"
    unsaved = " (with changes since that are in no commit)" if commit.endswith("+") else ""
    return f"commit {commit.rstrip('+')}{unsaved}"
