"""The names that a normalised definition means outside itself, with regard to what is local to a function."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from meddef_lib.engine.bindings import Imported, imports

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Mention(NamedTuple):
    """`root.one.two`: a name of the module, or what a function imported, and attributes of it."""

    root: str | Imported
    attributes: tuple[str, ...] = ()


@dataclass
class Names:
    """What a definition mentions."""

    used: set[Mention] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)  # its strings, which may name modules
    raised: set[tuple[str, Mention]] = field(default_factory=set)  # without their words; also as written
    caught: set[Mention] = field(default_factory=set)  # exceptions of which more is read than that they came
    bases: set[Mention] = field(default_factory=set)  # of a class


def names_of(statements: list[ast.stmt], package: str) -> Names:
    """What statements of one module mention; `package` is the one that its relative imports begin at."""
    reader = _Reader(package)
    for statement in statements:
        reader.visit(statement)
    bases = [base for part in statements if isinstance(part, ast.ClassDef) for base in part.bases]
    return Names(
        used=_meant(reader.used),
        texts=reader.texts,
        raised={(written, found) for written, name in reader.raised if (found := name.meaning())},
        caught=_meant(reader.caught),
        bases=_meant([name for base in bases if (name := reader.name(base))]),
    )


@dataclass
class _Scope:
    """What is bound in a function, a class or a comprehension: a variable (None), or something imported."""

    takes: bool = True  # what is bound inside it; of a comprehension, all but its own variables reach out
    hides: bool = (
        True  # its variables from what is inside it; those of a class body may be the module's as well
    )
    names: dict[str, Imported | None] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)  # declared global or nonlocal


class _Name(NamedTuple):
    """A name where it stands; what it means is known once the scopes about it are read to their ends."""

    root: str
    attributes: tuple[str, ...]
    scopes: tuple[_Scope, ...]

    def meaning(self) -> Mention | None:
        """None for a variable."""
        for scope in reversed(self.scopes):
            if self.root in scope.names and self.root not in scope.elsewhere:
                if imported := scope.names[self.root]:
                    return Mention(imported, self.attributes)
                if scope.hides:
                    return None
        return Mention(self.root, self.attributes)


class _Reader(ast.NodeVisitor):
    def __init__(self, package: str) -> None:
        self.package = package
        self.scopes: tuple[_Scope, ...] = ()
        self.used: list[_Name] = []
        self.texts: set[str] = set()
        self.raised: list[tuple[str, _Name]] = []
        self.caught: list[_Name] = []

    def name(self, node: ast.expr) -> _Name | None:
        """A dotted name; None for another expression."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        return _Name(node.id, tuple(attributes), self.scopes) if isinstance(node, ast.Name) else None

    def bind(self, name: str | None, imported: Imported | None = None) -> None:
        taking = [scope for scope in self.scopes if scope.takes]
        if name is not None and taking and taking[-1].names.get(name) is None:
            taking[-1].names[name] = imported

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store | ast.Del):
            self.bind(node.id)
        self.used.append(_Name(node.id, (), self.scopes))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if found := self.name(node):
            self.used.append(found)
        else:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, imported in imports(node, self.package).items():
            self.bind(name, imported)

    visit_ImportFrom = visit_Import

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.scopes[-1].elsewhere.update(node.names)

    visit_Nonlocal = visit_Global

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.bind(node.name)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.bind(node.rest)
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Name | ast.Attribute) and (found := self.name(node.exc)):
            self.raised.append((ast.unparse(node.exc), found))
        else:
            self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.bind(node.name)
        if node.type is not None and node.name is not None and _reads(node.body, node.name):
            types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            caught = [found for kind in types if (found := self.name(kind))]
            self.caught += caught
            self.used += caught
        for part in node.body:
            self.visit(part)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bind(node.name)
        outside = (*node.bases, *(keyword.value for keyword in node.keywords), *node.decorator_list)
        self._inside(_Scope(hides=False), outside, node.body)

    def visit_FunctionDef(self, node: Function) -> None:
        if not isinstance(node, ast.Lambda):
            self.bind(node.name)
        arguments = node.args
        outside = [
            *arguments.defaults,
            *(default for default in arguments.kw_defaults if default is not None),
            *getattr(node, "decorator_list", []),
        ]
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        starred = [found for found in (arguments.vararg, arguments.kwarg) if found is not None]
        own = [argument.arg for argument in [*listed, *starred]]
        body = node.body if isinstance(node.body, list) else [node.body]
        self._inside(_Scope(names=dict.fromkeys(own)), outside, body)

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef

    def visit_ListComp(self, node: Comprehension) -> None:
        first, *_ = node.generators
        targets = [inner for part in node.generators for inner in ast.walk(part.target)]
        own = [inner.id for inner in targets if isinstance(inner, ast.Name)]
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        later = [part.iter for part in node.generators if part is not first]
        conditions = [condition for part in node.generators for condition in part.ifs]
        scope = _Scope(takes=False, names=dict.fromkeys(own))
        self._inside(scope, [first.iter], [*results, *later, *conditions])

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def _inside(self, scope: _Scope, outside: Sequence[ast.AST], inside: Sequence[ast.AST]) -> None:
        for part in outside:
            self.visit(part)
        self.scopes = (*self.scopes, scope)
        for part in inside:
            self.visit(part)
        self.scopes = self.scopes[:-1]


def _meant(names: list[_Name]) -> set[Mention]:
    return {found for name in names if (found := name.meaning())}


def _reads(body: list[ast.stmt], name: str) -> bool:
    """Whether an exception is more than raised again."""
    inner = [node for part in body for node in ast.walk(part)]
    again = {id(node.exc) for node in inner if isinstance(node, ast.Raise)}
    return any(isinstance(node, ast.Name) and node.id == name and id(node) not in again for node in inner)
