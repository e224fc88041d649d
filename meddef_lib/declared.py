"""What modules of a folder declare of themselves, read from their sources without importing them.

An attack or a network says what it is in one statement at the top level of its module:

    ATTACK = Attack(id="square", title="Square", settings={"queries": Setting(5000, least=1)})

Importing the module would import torch, which a command that only lists names, checks parameters or plans has
no use for. A declaration therefore holds literals, and calls of the same declaring classes.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any


class DeclarationError(Exception):
    """A declaration that is no literal; the message names the file, the line and what stands there."""


def declarations(folder: Path, kinds: Mapping[str, Callable[..., Any]]) -> Iterator[tuple[str, Any]]:
    """(name of the module, what it declares) of every `NAME = Kind(...)` in the modules of `folder`.

    `kinds` are the declaring classes by name. Modules come by name, declarations as they stand. Raises
    DeclarationError.
    """
    for file in not_hidden(folder.glob("*.py")):
        for statement in ast.parse(file.read_text(encoding="utf-8"), filename=str(file)).body:
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in kinds:
                yield file.stem, _value(value, kinds, file)


def not_hidden(files: Iterable[Path]) -> list[Path]:
    """The files in order, without what an editor keeps beside them, such as the lock ".#name.py"."""
    return sorted(file for file in files if not file.name.startswith("."))


def load(root: str) -> Any:
    """The function or class that is declared as "package.module:name", imported."""
    return resolve_name(root)


def _value(node: ast.expr, kinds: Mapping[str, Callable[..., Any]], file: Path) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
        named = {word.arg: _value(word.value, kinds, file) for word in node.keywords if word.arg}
        return kinds[node.func.id](*(_value(each, kinds, file) for each in node.args), **named)
    if isinstance(node, ast.Dict) and all(node.keys):
        keys = [ast.literal_eval(key) for key in node.keys if key]
        return dict(zip(keys, (_value(each, kinds, file) for each in node.values), strict=True))
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise DeclarationError(
            f"{file}, line {node.lineno}: a declaration holds literals alone, as it is read without running "
            f"the module; this is {ast.unparse(node)}"
        ) from error
