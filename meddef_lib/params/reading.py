"""The strict reader of all YAML: of `params/`, of papers, and of the values of `--set`.

Unknown and repeated keys, wrong types and impossible values raise `ParamsError` before any work, with the
file, the key, the value and what is allowed.
"""

import re
import stat
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import ValidationError
from yaml import MappingNode, Node, SequenceNode, YAMLError
from yaml.constructor import ConstructorError
from yaml.reader import ReaderError

from meddef_lib import paths
from meddef_lib.errors import UserError
from meddef_lib.params.refusals import brief, sentence, speaker
from meddef_lib.params.types import Params

AnyParams = TypeVar("AnyParams", bound=Params)

SET = "--set "  # before the key of an override, as a command takes it
LARGEST = 2**15  # bytes of a file, twice the largest here: the reader takes its time over each
DEEPEST = 20  # lists and mappings within one another
MOST_VALUES = 20_000  # of a file in which every alias is written out
MOST_BITS = 64  # of a whole number
MOST_DIGITS = 64  # of what is said to be a number or a date
MOST_SENTENCES = 10  # about one file
# what text without quotes is, and what it may begin with: YAML 1.2's core schema, in which `on` and `no` are
# text and 010 is ten, with dates, which are refused, and `<<`
PLAIN = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9][0-9_]*|0o[0-7_]+|0x[0-9a-fA-F_]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "null": (r"~|null|Null|NULL|", ("~", "n", "N", "")),
    "timestamp": (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?", "0123456789"),
    "merge": (r"<<", "<"),
}
# line ends of YAML 1.1 alone, which makes spaces of them, and halves of characters
UNREADABLE = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_CLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built


class _Loader(_CLoader):
    """Values as Python has them, but no dates, no more than is bounded, and what is refused with its line."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def construct_document(self, node: Node) -> Any:
        _require_few(node, {})
        return super().construct_document(node)

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        if node.tag == f"{_TAG}timestamp":
            said = f"{node.value[:MOST_DIGITS]} is a date, and no parameter is one; in quotes it is text"
            raise ConstructorError(None, None, said, node.start_mark)
        try:
            found = super().construct_object(node, deep)
        except ValueError as error:
            said = str(error) if len(node.value) < MOST_DIGITS else f"{brief(node.value)} has too many digits"
            raise ConstructorError(None, None, said, node.start_mark) from error
        except (KeyError, TypeError) as error:
            said = f"{brief(node.value)} is no {str(node.tag).rpartition(':')[2]}"
            raise ConstructorError(None, None, said, node.start_mark) from error
        if isinstance(found, int) and found.bit_length() > MOST_BITS:
            said = f"{brief(node.value)} has too many digits"
            raise ConstructorError(None, None, said, node.start_mark)
        return found

    def construct_mapping(self, node: Node, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, MappingNode):
            met: set[str] = set()
            for key, _ in node.value:
                if key.tag != f"{_TAG}merge" and isinstance(key.value, str):
                    if key.value in met:
                        said = f"there is a duplicate key {brief(key.value)}"
                        raise ConstructorError(None, None, said, key.start_mark)
                    met.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found

    def construct_whole(self, node: Node) -> int:
        text = self.construct_scalar(node)
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)


for _kind, (_pattern, _first) in PLAIN.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^({_pattern})$"), list(_first))
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_whole)


def loaded(text: str) -> Any:
    """The values of a text. Raises YAMLError."""
    if found := UNREADABLE.search(text):
        raise ReaderError("", found.start(), ord(found[0]), "unicode", "not readable")
    _require_shallow(text)
    return yaml.load(text, Loader=_Loader)  # a safe loader


def _require_shallow(text: str) -> None:
    """Raise ConstructorError where lists and mappings lie too deep within one another: each is a call."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            said = f"maximum depth of data structure exceeded ({depth})"
            raise ConstructorError(None, None, said, event.start_mark)


def _require_few(node: Node, known: dict[int, int]) -> int:
    """How many values a node stands for. Raises ConstructorError at the first that is too many or endless."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES  # met again before it is counted, it holds itself
        mapping, sequence = isinstance(node, MappingNode), isinstance(node, SequenceNode)
        inside = chain.from_iterable(node.value) if mapping else node.value if sequence else ()
        known[id(node)] = found = 1 + sum(_require_few(each, known) for each in inside)
        if found > MOST_VALUES:
            said = f"what begins here has over {MOST_VALUES:,} values with its aliases written out"
            raise ConstructorError(None, None, said, node.start_mark)
    return known[id(node)]


class ParamsError(UserError):
    """A parameter that is unknown, of the wrong type or impossible; the message names file, key and value."""


def read_yaml(
    kind: type[AnyParams],
    file: Path,
    *more: Path,
    overrides: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    called: str = SET,
    known: object = None,
) -> AnyParams:
    """Read one object from a file, or from several whose keys stand beside one another.

    `overrides` go by dotted key, and are `called` so before it where they are wrong; `fixed` are keys that
    the file's own name gives; `known` goes to the validators as their context. Raises ParamsError.
    """
    overrides, fixed = overrides or {}, fixed or {}
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for one in (file, *more):
        shown = _shown(one)
        for key, value in _mapping(one, shown).items():
            if key in origin:
                raise ParamsError(f"{key} stands in {origin[key]} and in {shown}")
            found[key], origin[key] = value, shown
    where = str(Path(shown).parent) if more else shown
    for dotted, value in overrides.items():
        if not all(part.strip() for part in dotted.split(".")):
            raise ParamsError(
                f"{called}{dotted}: {dotted!r} has an empty name; expected names with a dot between them, "
                "such as training.epochs"
            )
        _put(found, dotted.split("."), value, f"{called}{dotted}")
    for key, value in fixed.items():
        if found.setdefault(key, value) != value:
            said = f"{called}{key}" if key in overrides else origin[key]
            raise ParamsError(f"{said}: {key} is {found[key]!r}; expected {value!r}, as the file is named")
    try:
        return kind.model_validate(found, context=known)
    except ValidationError as error:
        sentences = []
        for problem in error.errors(include_url=False)[:MOST_SENTENCES]:
            key, text = sentence(problem, kind, found)
            file_of = origin.get(key.partition(".")[0], where)
            said = speaker(key, file_of, overrides, called)
            known_line = said in origin.values() and problem["type"] != "missing" and key
            line = f" (line {_line(paths.ROOT / said, problem['loc'])})" if known_line else ""
            sentences.append(f"{said}: {text}{line}")
        raise ParamsError("\n".join(dict.fromkeys(sentences))) from error


def text_of(file: Path) -> str:
    """The text of a parameter file. Raises ParamsError: no ordinary file, too large, no UTF-8."""
    shown = _shown(file)
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # to open a pipe would wait for who writes to it
            raise ParamsError(f"{shown} is no ordinary file; expected a file of text")
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ParamsError(f"{shown} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise ParamsError(
            f"{shown} has over {LARGEST:,} bytes, more than is read; split it, or leave out notes"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParamsError(f"{shown} is not YAML: line {line} is not UTF-8 ({error.reason})") from error


def _shown(file: Path) -> str:
    return str(file.relative_to(paths.ROOT) if file.is_relative_to(paths.ROOT) else file)


def _line(file: Path, place: Sequence[str | int]) -> int:
    """In which line of a file a place begins, or what of it stands there."""
    node, line = yaml.compose(text_of(file), Loader=_Loader), 0
    for part in place:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    node, line = value, key.start_mark.line
        elif isinstance(node, SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _mapping(file: Path, shown: str) -> dict[str, Any]:
    text = text_of(file)
    try:
        found = loaded(text) or {}
    except YAMLError as error:
        raise ParamsError(f"{shown} is not YAML: {said_of(error, text)}") from error
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


def said_of(error: YAMLError, text: str) -> str:
    """What a YAML reader says of `text`, on one line and with the number of that line."""
    if isinstance(error, ReaderError):  # it counts characters
        line = text.count("\n", 0, error.position) + 1
        return f"line {line} holds the character #x{error.character:04x}, which YAML has only as an escape"
    return " ".join(str(error).replace(' in "<unicode string>",', " in").split())
