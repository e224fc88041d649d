"""What code makes a result: a hash for each `meddef_lib` module a maker imports, found without running it.

A module's hash is that of its syntax tree written out again, so that comments, docstrings and layout do not
count. Imports are read from the source, also those inside functions and under `TYPE_CHECKING`. Of a package,
`from package import name` follows only the import that binds `name` in the package's `__init__`; an import of
the package itself follows all of them.
"""

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

PACKAGE = "meddef_lib"
SOURCES = Path(__file__).resolve().parents[1]

# knobs, pages and the store itself: a change here must not retrain anything (what they say is in the recipe)
PLUMBING = ("params", "paths", "engine", "workbook", "report", "app")


def modules(maker: str) -> dict[str, str]:
    """The hash of every module behind `maker` ("package.module:function"), by module name.

    Sources are read once a process (`forget` reads them again). Raises ModuleNotFoundError where the maker's
    own module does not exist.
    """
    return dict(_modules(maker.partition(":")[0]))


def forget() -> None:
    """Read sources anew from now on."""
    for remembered in (_modules, _imports, _digest):
        remembered.cache_clear()


@cache
def _modules(start: str) -> dict[str, str]:
    if _file(start) is None:
        raise ModuleNotFoundError(f"there is no module {start}, which a maker names")
    found: dict[str, str] = {}
    waiting: list[tuple[str, str | None]] = [(start, None)]
    seen: set[tuple[str, str | None]] = set()
    while waiting:
        module, name = waiting.pop()
        if (module, name) in seen or is_plumbing(module):
            continue
        seen.add((module, name))
        file = _file(module)
        if file is None:
            continue
        found[module] = _digest(file)
        waiting += [
            (target, wanted)
            for binds, target, wanted in _imports(file, module)
            if name is None or binds in (name, "*")
        ]
    return dict(sorted(found.items()))


def is_plumbing(module: str) -> bool:
    """Whether a change of this module leaves every result as it is."""
    return any(f"{module}.".startswith(f"{PACKAGE}.{part}.") for part in PLUMBING)


def _file(module: str) -> Path | None:
    if not _is_ours(module):
        return None
    base = SOURCES.joinpath(*module.split(".")[1:])
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def _imports(file: Path, module: str) -> list[tuple[str, str, str | None]]:
    """(the name it binds here, the module it comes from, the name wanted of that module if it is one)."""
    return [found for found in _every_import(file, module) if _is_ours(found[1])]


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _every_import(file: Path, module: str) -> Iterator[tuple[str, str, str | None]]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = parts[: len(parts) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                target: tuple[str, str | None] = (inner, None) if _file(inner) else (base, alias.name)
                yield alias.asname or alias.name, *_of_plain_module(*target)


def _of_plain_module(module: str, name: str | None) -> tuple[str, str | None]:
    """Of a module that is no package everything counts, whichever name is imported."""
    file = _file(module)
    return (module, name if file is not None and file.name == "__init__.py" else None)


@cache
def _digest(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            value = first.value if isinstance(first, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                node.body = node.body[1:] or [ast.Pass()]
    # written out rather than dumped: the dump names fields that differ between versions of Python
    return sha256(ast.unparse(tree).encode()).hexdigest()


def code_of(*roots: str) -> dict[str, str]:
    found = {}
    for root in roots:
        found |= modules(root)
    return found
