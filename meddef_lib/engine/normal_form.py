"""What a definition says and mentions, but for what cannot change a result: comments, docstrings, types, and
the words of messages.

Words are what `raise` makes its exception of, what `assert` says, and what a call of `TELLING` or of a log is
given. What a local variable is set to, and what an exception is made of, are parts of their own: they count
where something needs them that counts.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# a statement or a lambda that calls one of these tells a person something
TELLING = frozenset({"print", "warn", "progress", "say", "tell", "_say", "_tell"})
LOGS = frozenset({"log", "logger", "logging"})
# annotations in the body of a dataclass that are more than types
SPECIAL = ("ClassVar", "InitVar", "KW_ONLY")
UNWRITTEN = frozenset({"annotation", "ctx", "msg"})  # types of arguments, and what `assert` says
ACTS = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr


@dataclass(eq=False)
class Passage:
    """Text of a definition, and what stands in it; names are dotted, as they are written."""

    needed_by: frozenset[str] = frozenset()  # any of these; none: it counts always
    text: list["str | Passage"] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    caught: set[str] = field(default_factory=set)  # exceptions of which more is read than that they came


class NormalForm(ast.NodeVisitor):
    """The statements of one definition; with `typed`, the types of a class's fields count."""

    def __init__(self, statements: Sequence[ast.stmt], *, typed: bool = False) -> None:
        self.statements, self.typed = statements, typed
        self.part = self.whole = Passage()
        self.apart: list[Passage] = []
        self.imports: list[ast.AST] = []
        self.outside: set[str] = set()  # names that stand in no function or class
        self.raised: set[str] = set()
        self.handled: set[str] = set()
        self._inside: type[ast.AST] | None = None  # the innermost function or class
        for statement in statements:
            self.visit(statement)

    def counting(self, raised: Collection[str] = ()) -> Passage:
        """All that counts, put together, where the words of what is `raised` (as written) do."""
        parts, needs = [self.whole], self.whole.needs | {f"raise {name}" for name in raised}
        while found := [each for each in self.apart if each not in parts and each.needed_by & needs]:
            parts += found
            needs = needs.union(*(part.needs for part in found))
        text = (
            each if isinstance(each, str) else "".join(map(str, each.text))
            for each in self.whole.text
            if isinstance(each, str) or each in parts
        )
        every = Passage(text=["".join(text)])
        for part in parts:
            every.used |= part.used
            every.strings |= part.strings
            every.caught |= part.caught
        return every

    def generic_visit(self, node: ast.AST) -> None:
        """Write a node; empty fields are left out, as versions of Python differ in them."""
        self._write(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name not in UNWRITTEN:
                self._write(f"{name}=")
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, ast.AST):
                        self.visit(each)
                    else:
                        self._write(repr(each))
        self._write(")")

    def _write(self, text: str) -> None:
        self.part.text.append(text)

    @contextmanager
    def _apart(self, *needed_by: str) -> Iterator[None]:
        around, self.part = self.part, Passage(frozenset(needed_by))
        around.text.append(self.part)
        self.apart.append(self.part)
        yield
        self.part = around

    # --- names and texts ---

    def visit_Name(self, node: ast.Name | ast.Attribute) -> None:
        name = dotted(node)
        if not name:
            return self.generic_visit(node)
        first = name.partition(".")[0]
        self._write(f"{name} ")
        self.part.used.add(name)
        if isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load):
            self.part.needs.add(first)
        if self._inside is None:
            self.outside.add(first)

    visit_Attribute = visit_Name

    def visit_Constant(self, node: ast.Constant) -> None:
        self._write(f"{node.value!r} ")
        if isinstance(node.value, str):
            self.part.strings.add(node.value)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.append(node)
        self.generic_visit(node)

    visit_ImportFrom = visit_Import

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.part.needs.update(node.names)
        self.generic_visit(node)

    visit_Nonlocal = visit_Global

    # --- what is defined and set ---

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._write(f"{type(node).__name__} {node.name}(")
        head = [*node.bases, *node.keywords] if isinstance(node, ast.ClassDef) else [node.args]
        for part in (*node.decorator_list, *head):
            self.visit(part)
        self._write("):")
        around, self._inside = self._inside, type(node)
        for statement in node.body:
            self.visit(statement)
        self._inside = around
        self._write("end ")

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Pass(self, node: ast.Pass) -> None:
        """Nothing, as of a body that is a docstring alone."""

    def visit_Assign(self, node: ast.Assign) -> None:
        targets = [part for target in node.targets for part in ast.walk(target)]
        names = {part.id for part in targets if isinstance(part, ast.Name)}
        plain = not any(isinstance(part, ast.Subscript | ast.Attribute) for part in targets)
        if plain and self._inside in (ast.FunctionDef, ast.AsyncFunctionDef) and not _acts(node.value):
            with self._apart(*names):
                self.generic_visit(node)
        else:
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):  # it may change a list in its place
            self.part.needs.add(node.target.id)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if self._inside is ast.ClassDef:  # the names and the order of fields make the class's signature
            types = self.typed or any(word in ast.unparse(node.annotation) for word in SPECIAL)
            self._write("field ")
            for part in (node.target, node.annotation if types else None, node.value):
                if part is not None:
                    self.visit(part)
        elif node.value is not None:
            self.visit(ast.Assign([node.target], node.value))

    # --- words ---

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self._write("Expr ")
            self.visit(_without_words(node.value))

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._write("Lambda ")
        self.visit(node.args)
        self.visit(_without_words(node.body))

    def visit_Raise(self, node: ast.Raise) -> None:
        made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = dotted(made)
        self._write(f"Raise {name} ")
        if node.exc is not None and name:
            self.raised.add(name)
            with self._apart(f"raise {name}"):
                self.visit(node.exc)
        elif made is not None:
            self.visit(made)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {name for kind in kinds if (name := dotted(kind))}
        self.handled |= names
        self._write(f"except {sorted(names)} {node.name}:")
        with self._apart(node.name or ""):
            self.part.caught |= names
        for part in [*(kind for kind in kinds if kind and not dotted(kind)), *node.body]:
            self.visit(part)
        self._write("end ")


def dotted(node: ast.AST | None) -> str:
    """`one.two.three` as it is written; "" for another expression."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _acts(node: ast.AST) -> bool:
    """Whether evaluating this may do something; an f-string is made of words."""
    if isinstance(node, ast.JoinedStr):
        return False
    return isinstance(node, ACTS) or any(map(_acts, ast.iter_child_nodes(node)))


def _without_words(node: ast.expr) -> ast.expr:
    """Of a call that tells a person something, what is called."""
    if not isinstance(node, ast.Call):
        return node
    match node.func:
        case ast.Attribute(ast.Name(log), _) if log in LOGS:
            return node.func
        case ast.Name(name) | ast.Attribute(_, name) if name in TELLING:
            # what is printed into another file may be a result
            files = {ast.unparse(word.value) for word in node.keywords if word.arg == "file"}
            return node.func if files <= {"sys.stdout", "sys.stderr"} else node
    return node
