"""What the names of a module are bound to, read from its statements without running them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

BESIDE = ""  # the name of what a module does beside defining: it runs when the module is imported
STARTED = "__main__"  # and of what it does when it is started by its name


class Imported(NamedTuple):
    """What an import binds a name to: a module, or what has a name there."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class Bindings:
    """By name: what a module imports, and which of its statements (their positions) define it."""

    imports: dict[str, Imported] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)


def bindings_of(body: list[ast.stmt], package: str) -> Bindings:
    """Read the statements of a module; `package` is the one that its relative imports begin at."""
    found = Bindings()
    for place, statement in enumerate(body):
        names: set[str] = set()
        match statement:
            case ast.If(test) if ast.unparse(test).endswith("TYPE_CHECKING"):
                continue  # for types alone
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names = {statement.name}
            case ast.Import() | ast.ImportFrom():
                found.imports.update(imports(statement, package))
            case _:
                names = _set_by(statement)
                for node in ast.walk(statement):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        found.imports.update(imports(node, package))
        for name in names:
            found.places.setdefault(name, []).append(place)
    return found


def imports(node: ast.Import | ast.ImportFrom, package: str) -> dict[str, Imported]:
    """What each name stands for that an import binds."""
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: Imported(
                alias.name if alias.asname else alias.name.partition(".")[0]
            )
            for alias in node.names
        }
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        above = parts[: len(parts) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    return {alias.asname or alias.name: Imported(base, alias.name) for alias in node.names}


def _set_by(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module defines; `BESIDE` for what it does besides."""
    match statement:
        case ast.Expr(ast.Constant(str())):
            return set()
        case ast.If(test) if ast.unparse(test) == "__name__ == '__main__'":
            return {STARTED}
        case ast.Assign(targets=targets):
            parts = [part for target in targets for part in ast.walk(target)]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            parts = list(ast.walk(target))
        case _:
            inner = {name for part in ast.iter_child_nodes(statement) for name in _stored(part)}
            return inner | {BESIDE}
    if any(isinstance(part, ast.Subscript | ast.Attribute) for part in parts):
        return {BESIDE}
    return {part.id for part in parts if isinstance(part, ast.Name)}


def _stored(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield part.name
