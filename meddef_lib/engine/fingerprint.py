"""What code makes a result: a hash for each definition of `meddef_lib` that a maker reaches, found without
running it.

From the maker on, every name that a definition means is followed to the function, class or constant behind
it, also through re-exports; of a class the whole body counts, of a module that is used as an object all of
it. A text that names a module of the package, or "module:function", is followed too. A definition counts in
its normal form: no comments, docstrings, types, or words of messages; what only words need is not reached.
The words of an exception never count: what becomes a result where it is caught is a code (`CODED` of the
normal form). A function that a decorator registers ("@area.register") counts with its module.

Not followed: attributes of objects whose class is not reached by name, `__subclasses__`, names put together
at run time (what a registry looks up is a root of its own), files.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from meddef_lib.engine.bindings import BESIDE, STARTED, Module, address_of, first_of, imported, read
from meddef_lib.engine.normal_form import NormalForm

PACKAGE = "meddef_lib"
SOURCES = Path(__file__).resolve().parents[1]

# knobs, pages and the store itself: a change here must not retrain anything (what they say is in the recipe)
PLUMBING = ("params", "paths", "errors", "engine", "workbook", "report", "app")


def code_of(*roots: str) -> dict[str, str]:
    """The hash of every definition that `roots` ("package.module:symbol") reach, by its symbol.

    A symbol is the address of a definition where it stands; "package.module:" is what a reached module does
    beside defining. Roots in plumbing reach nothing. Sources are read once a process (`forget` reads them
    again). Raises ModuleNotFoundError and AttributeError where a root or a name on the way is not there.
    """
    return dict(_code_of(roots))


def forget() -> None:
    for each in (_code_of, _definition, _module):
        each.cache_clear()


def is_plumbing(module: str) -> bool:
    """Whether a change of this module leaves every result as it is."""
    return any(f"{module}.".startswith(f"{PACKAGE}.{part}.") for part in PLUMBING)


# --- definitions ---


@cache
def _code_of(roots: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = _symbols(roots)
    while waiting:
        symbol = waiting.pop()
        if symbol not in found:
            found[symbol], used = _definition(symbol)
            waiting |= used
    return {symbol: sha256(text.encode()).hexdigest() for symbol, text in sorted(found.items()) if text}


@cache
def _definition(symbol: str) -> tuple[str, frozenset[str]]:
    """A definition in its normal form, and the symbols that it uses."""
    module, form = _existing(symbol), _form(symbol)
    imports = imported(form.imports, module.package)
    free = form.outside.union(*map(module.free, form.statements))
    # the symbols behind names: what a function imported, or what the module has
    addresses = [address_of(imports, name) for name in form.used if first_of(name) in imports]
    of_module = [name for name in form.used if first_of(name) in free]
    addresses += [at for name in of_module for at in module.addresses(name)]
    return "".join(form.text), frozenset(_symbols(addresses) | _named_by(form.strings))


def _form(symbol: str) -> NormalForm:
    return NormalForm(_existing(symbol).statements(symbol))


def _named_by(strings: Iterable[str]) -> set[str]:
    """What texts name: "package.module:function", or a module to be started."""
    found = (re.fullmatch(rf"({PACKAGE}(?:\.\w+)+)(?::(\w+))?", text) for text in strings)
    named = [(_module(match[1]), match[2] or STARTED) for match in found if match]
    known = [(module, name) for module, name in named if module and name in {STARTED, *module.defined}]
    return _symbols(f"{module.name}:{name}" for module, name in known)


# --- addresses ---


@cache
def _module(name: str) -> Module | None:
    if not _is_ours(name):
        return None
    base = SOURCES.joinpath(*name.split(".")[1:])
    files = (base.with_suffix(".py"), base / "__init__.py")
    return next((read(name, file) for file in files if file.is_file()), None)


def _existing(address: str) -> Module:
    name = address.partition(":")[0]
    module = _module(name)
    if module is None:
        raise ModuleNotFoundError(f"there is no module {name}, which code that makes results names")
    return module


def _is_ours(module: str) -> bool:
    return f"{module}.".startswith(f"{PACKAGE}.")


def _symbols(addresses: Iterable[str]) -> set[str]:
    return {symbol for address in addresses for symbol in _behind(address)}


def _behind(address: str) -> Iterator[str]:
    name, _, path = address.partition(":")
    if not _is_ours(name) or is_plumbing(name):
        return
    module = _existing(name)
    first, _, rest = path.partition(".")
    inner = f"{name}.{first}"
    known = False
    yield f"{name}:{BESIDE}"
    for at in module.addresses(path):
        known = True
        yield from [at] if at == f"{name}:{first}" else _behind(at)
    if not first or first.startswith("__"):  # passed on, started, or asked by getattr
        yield from (f"{name}:{each}" for each in module.defined if each != STARTED)
        handed_on = [*module.imports.values(), *module.later.values()] if module.is_package else []
        yield from _symbols(at for at in handed_on if not at.endswith(":"))
    elif known:
        return
    elif is_plumbing(inner) or _module(inner) is not None:
        yield from _behind(f"{inner}:{rest}")
    elif first in module.later and "__getattr__" in module.defined:
        yield f"{name}:__getattr__"
        yield from _behind(address_of(module.later, path))
    else:
        raise AttributeError(
            f"{name} has no {first}, which code that makes results names; take it from the module that "
            "defines it: names that are made up at run time cannot be followed"
        )
