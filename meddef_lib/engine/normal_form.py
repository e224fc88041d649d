"""What a definition says and mentions, but for what cannot change a result: comments, docstrings, types, and
the words of messages.

Words are what `raise` makes its exception of (but for `CODED`), what `assert` says, and what a call of
`TELLING` or of a log is given. What a local variable is set to counts where something needs it that counts.
"""

import ast
from collections.abc import Sequence

# exceptions that carry no words but a code, which becomes a result where they are caught
CODED = frozenset({"UnreadableImage"})
# a statement or a lambda that calls one of these tells a person something
TELLING = frozenset({"print", "warn", "progress", "say", "tell", "_say", "_tell"})
LOGS = frozenset({"log", "logger", "logging"})
# annotations in the body of a dataclass that are more than types
SPECIAL = ("ClassVar", "InitVar", "KW_ONLY")
UNWRITTEN = frozenset({"annotation", "ctx", "msg"})  # types of arguments, and what `assert` says
ACTS = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr


class NormalForm(ast.NodeVisitor):
    """The statements of one definition; names are dotted, as they are written."""

    def __init__(self, statements: Sequence[ast.stmt]) -> None:
        self.statements = statements
        self._needs: set[str] = set()
        before: set[str] | None = None
        while self._needs != before:  # what counts may need more that then counts, too
            before = set(self._needs)
            self._read()

    def _read(self) -> None:
        self.text: list[str] = []
        self.used: set[str] = set()
        self.strings: set[str] = set()
        self.imports: list[ast.AST] = []
        self.outside: set[str] = set()  # names that stand in no function or class
        self._inside: type[ast.AST] | None = None  # the innermost function or class
        for statement in self.statements:
            self.visit(statement)

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
        self.text.append(text)

    # --- names and texts ---

    def visit_Name(self, node: ast.Name | ast.Attribute) -> None:
        name = dotted(node)
        if not name:
            return self.generic_visit(node)
        first = name.partition(".")[0]
        self._write(f"{name} ")
        self.used.add(name)
        if isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Load):
            self._needs.add(first)
        if self._inside is None:
            self.outside.add(first)

    visit_Attribute = visit_Name

    def visit_Constant(self, node: ast.Constant) -> None:
        self._write(f"{node.value!r} ")
        if isinstance(node.value, str):
            self.strings.add(node.value)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.append(node)
        self.generic_visit(node)

    visit_ImportFrom = visit_Import

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self._needs.update(node.names)
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
        local = plain and self._inside in (ast.FunctionDef, ast.AsyncFunctionDef)
        if not local or _acts(node.value) or names & self._needs:
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):  # it may change a list in its place
            self._needs.add(node.target.id)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if self._inside is ast.ClassDef:  # the names and the order of fields make the class's signature
            types = any(word in ast.unparse(node.annotation) for word in SPECIAL)
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
        if node.exc is not None and name.rpartition(".")[2] in CODED:
            self.visit(node.exc)
        elif made is not None and not name:
            self.visit(made)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        self._write(f"except {node.name}:")
        for part in [*sorted(filter(None, kinds), key=ast.unparse), *node.body]:
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
