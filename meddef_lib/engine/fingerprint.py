"""What code makes a result: a hash for each definition of `meddef_lib` that a maker reaches, found without
running it.

From the maker on, every name that a definition means is followed to the function, class or constant behind
it, also through re-exports; of a class the whole body counts, of a module that is used as an object all of
it. A text that names a module of the package, or "module:function", is followed too. A definition counts in
its `normal_form`: no comments, docstrings, types, or words of messages; what only words need is not reached.
The words of an exception count where code that is reached catches its class and reads more than that it came.

Not followed: attributes of objects whose class is not reached by name, names put together at run time (what a
registry looks up is a root of its own), words of Python's own exceptions where they are caught, files.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from meddef_lib.engine.bindings import BESIDE, STARTED, Bindings, Imported, bindings_of
from meddef_lib.engine.names import Mention, names_of
from meddef_lib.engine.normal_form import normal_form

PACKAGE = "meddef_lib"
SOURCES = Path(__file__).resolve().parents[1]

# knobs, pages and the store itself: a change here must not retrain anything (what they say is in the recipe)
PLUMBING = ("params", "paths", "errors", "engine", "workbook", "report", "app")

NONE: frozenset[str] = frozenset()
VALIDATING = ("BaseModel",)  # whose subclasses behave as the types of their fields say


class Symbol(NamedTuple):
    """A definition: where it stands, and its name there."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


def code_of(*roots: str) -> dict[str, str]:
    """The hash of every definition that `roots` ("package.module:symbol") reach, by its name as a root.

    "package.module:" is what a reached module does beside defining. Roots in plumbing reach nothing. Sources
    are read once a process (`forget` reads them again). Raises ModuleNotFoundError and AttributeError where a
    root or a name on the way is not there.
    """
    return dict(_code_of(roots))


def forget() -> None:
    """Read sources anew from now on."""
    for remembered in (_code_of, _definition, _module, _body, _file):
        remembered.cache_clear()


def is_plumbing(module: str) -> bool:
    """Whether a change of this module leaves every result as it is."""
    return any(f"{module}.".startswith(f"{PACKAGE}.{part}.") for part in PLUMBING)


# --- the walk ---


@cache
def _code_of(roots: tuple[str, ...]) -> dict[str, str]:
    starts = [symbol for root in roots for symbol in _root(root)]
    kept: dict[Symbol, frozenset[str]] = {}  # as written: exceptions whose words are results
    while True:
        found = _reached(starts, kept)
        caught = {symbol for definition in found.values() for symbol in definition.caught}
        wanted = {
            symbol: words
            for symbol in found
            if (words := frozenset(_words_that_are_read(_definition(symbol, NONE), caught)))
        }
        if wanted == kept:
            break
        kept = wanted
    return {
        str(symbol): sha256(definition.text.encode()).hexdigest()
        for symbol, definition in sorted(found.items())
        if definition.text
    }


def _reached(starts: list[Symbol], kept: Mapping[Symbol, frozenset[str]]) -> dict[Symbol, "_Definition"]:
    found: dict[Symbol, _Definition] = {}
    waiting = list(starts)
    while waiting:
        symbol = waiting.pop()
        if symbol not in found:
            found[symbol] = _definition(symbol, kept.get(symbol, NONE))
            waiting += found[symbol].used
    return found


def _words_that_are_read(definition: "_Definition", caught: set[Symbol]) -> Iterator[str]:
    """What a definition raises, as written, that is caught somewhere for more than its class."""
    for written, targets in definition.raised:
        if any(_is_one_of(target, caught) for target in targets):
            yield written


def _is_one_of(symbol: Symbol, caught: set[Symbol]) -> bool:
    """Whether a class is among `caught` or inherits from one that is, or a function makes one of them."""
    definition = _definition(symbol, NONE)
    if definition.is_class:
        return symbol in caught or any(_is_one_of(base, caught) for base in definition.bases)
    return not caught.isdisjoint(definition.used)


# --- definitions ---


@dataclass(frozen=True)
class _Definition:
    text: str  # in its normal form
    used: frozenset[Symbol] = frozenset()
    raised: frozenset[tuple[str, frozenset[Symbol]]] = frozenset()
    caught: frozenset[Symbol] = frozenset()
    bases: frozenset[Symbol] = frozenset()
    is_class: bool = False


@dataclass(frozen=True)
class _Module:
    name: str
    file: Path
    package: str  # where its relative imports begin
    binds: Bindings

    def of(self, mentions: set[Mention]) -> frozenset[Symbol]:
        """The definitions of the package behind what is mentioned here."""
        return frozenset(symbol for mention in mentions for symbol in self.behind(mention))

    def behind(self, mention: Mention) -> Iterator[Symbol]:
        if isinstance(mention.root, Imported):
            yield from _behind_import(mention.root, mention.attributes)
        else:
            yield from self.named(mention.root, mention.attributes)

    def named(self, name: str, attributes: tuple[str, ...]) -> Iterator[Symbol]:
        """What a name stands for: both, where an import may fail and something takes its place."""
        if name in self.binds.places:
            yield Symbol(self.name, name)
        if name in self.binds.imports:
            yield from _behind_import(self.binds.imports[name], attributes)

    def whole(self) -> Iterator[Symbol]:
        """Everything that it defines, or hands on."""
        yield from (Symbol(self.name, name) for name in self.binds.places if name != STARTED)
        for imported in self.binds.imports.values():
            if self.file.name == "__init__.py" and imported.name is not None:
                yield from _behind_import(imported, ())


@cache
def _definition(symbol: Symbol, kept: frozenset[str]) -> _Definition:
    module = _existing(symbol.module)
    body = _body(module.file, kept)
    original = [body[place] for place in module.binds.places.get(symbol.name, [])]
    is_class = any(isinstance(statement, ast.ClassDef) for statement in original)
    typed = is_class and _validates(symbol)
    forms = [normal_form(statement, typed=typed, kept=kept) for statement in original]
    statements = [statement for statement in forms if statement is not None]
    names = names_of(statements, module.package)
    texts = {found for text in names.texts for found in _named_by(text)}
    beside = {Symbol(symbol.module, BESIDE)} - {symbol}
    return _Definition(
        # written out rather than dumped: the dump names fields that differ between versions of Python
        text="\n".join(ast.unparse(statement) for statement in statements),
        used=module.of(names.used) | texts | beside,
        raised=frozenset((written, frozenset(module.behind(mention))) for written, mention in names.raised),
        caught=module.of(names.caught),
        bases=module.of(names.bases),
        is_class=is_class,
    )


def _validates(symbol: Symbol) -> bool:
    """Whether a class checks what its fields are given against their types."""
    module = _module(symbol.module)
    if module is None:
        return False
    for place in module.binds.places.get(symbol.name, []):
        statement = _body(module.file, NONE)[place]
        for base in statement.bases if isinstance(statement, ast.ClassDef) else []:
            name = ast.unparse(base).rpartition(".")[2]
            inherited = names_of([ast.Expr(base)], module.package)
            if name in VALIDATING or any(_validates(behind) for behind in module.of(inherited.used)):
                return True
    return False


# --- modules ---


@cache
def _file(module: str) -> Path | None:
    if module != PACKAGE and not module.startswith(f"{PACKAGE}."):
        return None
    base = SOURCES.joinpath(*module.split(".")[1:])
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def _body(file: Path, kept: frozenset[str]) -> list[ast.stmt]:
    """The statements of a file; a normal form takes their place, so that each kind has a tree of its own."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file)).body


@cache
def _module(name: str) -> _Module | None:
    """A module of the package; None where there is none of this name."""
    file = _file(name)
    if file is None:
        return None
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return _Module(name, file, package, bindings_of(_body(file, NONE), package))


def _existing(name: str) -> _Module:
    module = _module(name)
    if module is None:
        raise ModuleNotFoundError(f"there is no module {name}, which code that makes results names")
    return module


def _root(root: str) -> list[Symbol]:
    module, _, name = root.partition(":")
    if is_plumbing(module):
        return []
    return list(_in_module(module, tuple(name.split("."))))


def _behind_import(imported: Imported, attributes: tuple[str, ...]) -> Iterator[Symbol]:
    if imported.module == PACKAGE or imported.module.startswith(f"{PACKAGE}."):
        name = () if imported.name is None else (imported.name,)
        yield from _in_module(imported.module, (*name, *attributes))


def _in_module(name: str, attributes: tuple[str, ...]) -> Iterator[Symbol]:
    """The definitions behind `name.one.two`, where the last of these may be attributes of a definition."""
    if is_plumbing(name):
        return
    module = _existing(name)
    yield Symbol(name, BESIDE)
    if not attributes or attributes[0].startswith("__"):  # passed on, or asked by getattr
        yield from module.whole()
        return
    first, *rest = attributes
    inner = f"{name}.{first}"
    if first in module.binds.places or first in module.binds.imports:
        yield from module.named(first, tuple(rest))
    elif is_plumbing(inner) or _file(inner) is not None:
        yield from _in_module(inner, tuple(rest))
    else:
        raise AttributeError(
            f"{name} has no {first}, which code that makes results names; take it from the module that "
            "defines it: what a package's __init__ finds when it is asked cannot be followed"
        )


def _named_by(text: str) -> Iterator[Symbol]:
    """The definitions that a text names: "package.module:function", or a module to be started."""
    if not re.fullmatch(rf"{PACKAGE}(\.\w+)+(:\w+)?", text):
        return
    name, _, defined = text.partition(":")
    module = _module(name)
    if module is None or is_plumbing(name):
        return
    if not defined:
        yield from module.whole()
        if STARTED in module.binds.places:
            yield Symbol(name, STARTED)
    elif defined in module.binds.places:
        yield Symbol(name, defined)
