"""What the names of a module mean: what it defines, what it imports and from where, which are local.

An address, "package.module:name.attribute" or "package.module:", says where something is had from.
"""

import ast
import symtable
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BESIDE = ""  # the name of what a module does beside defining: it runs when the module is imported
STARTED = "__main__"  # and of what it does when it is started by its name


@dataclass(frozen=True)
class Module:
    """The statements of a module by what they define, with its imports."""

    name: str
    is_package: bool
    scopes: dict[tuple[str, int], symtable.SymbolTable]  # by name and line
    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)  # by the name that is bound: an address
    later: dict[str, str] = field(default_factory=dict)  # imported for types alone, or by `__getattr__`

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def statements(self, symbol: str) -> Sequence[ast.stmt]:
        return self.defined.get(symbol.partition(":")[2], ())

    def addresses(self, name: str) -> Iterator[str]:
        """Where what a dotted name means here is had from; nowhere if it is not known."""
        if first_of(name) in self.defined:
            yield f"{self.name}:{first_of(name)}"
        if first_of(name) in self.imports:  # both, where an import may fail and something takes its place
            yield address_of(self.imports, name)

    def free(self, statement: ast.stmt) -> set[str]:
        """The names in a function or a class that are not local there; in another statement all of them."""
        scope = self.scopes.get((getattr(statement, "name", ""), statement.lineno))
        if scope:
            return _free(scope)
        return {part.id for part in ast.walk(statement) if isinstance(part, ast.Name)}


def _free(scope: symtable.SymbolTable) -> set[str]:
    """In the body of a class a name may be local and the module's, so that all that it reads counts."""
    of_function, names = scope.get_type() == "function", scope.get_symbols()
    own = {
        each.get_name() for each in names if each.is_global() or (not of_function and each.is_referenced())
    }
    return own.union(*map(_free, scope.get_children()))


def read(name: str, file: Path) -> Module:
    """Read a module without running it."""
    source = file.read_text(encoding="utf-8")
    scopes = symtable.symtable(source, str(file), "exec").get_children()
    by_place = {(scope.get_name(), scope.get_lineno()): scope for scope in scopes}
    module = Module(name, file.name == "__init__.py", by_place)
    for statement in ast.parse(source, filename=str(file)).body:
        match statement:
            case ast.If(ast.Name("TYPE_CHECKING") | ast.Attribute(_, "TYPE_CHECKING"), orelse=[]):
                module.later.update(imported(statement.body, module.package))
                continue
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            module.imports.update(imported(ast.walk(statement), module.package))
        for defined in _defined_by(statement):
            module.defined.setdefault(defined, []).append(statement)
    return module


def imported(nodes: Iterable[ast.AST], package: str) -> dict[str, str]:
    """The address of each name that imports bind; `package` is where relative ones begin."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = f"{alias.name if alias.asname else top}:"
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: f"{base}:{alias.name}" for alias in node.names}
    return found


def _defined_by(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module defines; `BESIDE` for what it does besides."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant(str())):
            return set()
        case ast.If(ast.Compare(ast.Name("__name__"), [ast.Eq()], [ast.Constant("__main__")]), orelse=[]):
            return {STARTED}
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            registered = any("register" in ast.unparse(part) for part in statement.decorator_list)
            return {statement.name, BESIDE} if registered else {statement.name}
    names: set[str] = set()
    beside = not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
    for part in ast.walk(statement):
        match part:
            case ast.Name(name, ast.Store()):
                names.add(name)
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                names.add(name)
            case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
                beside = True
    return names | {BESIDE} if beside else names


def first_of(name: str) -> str:
    """`one` of `one.two.three`."""
    return name.partition(".")[0]


def address_of(imports: Mapping[str, str], name: str) -> str:
    """Where a dotted name is had from that begins with what is imported."""
    first, dot, rest = name.partition(".")
    return f"{imports[first]}{dot}{rest}".replace(":.", ":")
