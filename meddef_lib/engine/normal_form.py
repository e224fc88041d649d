"""A definition without what cannot change a result: comments, docstrings, types, and the words of messages.

Words are what `raise` makes its exception of, what `assert` says, and what a call of `TELLING` or of a log is
given; a local variable that nothing but such words reads is left out with them.
"""

import ast
from collections.abc import Collection, Iterable

# a statement or a lambda that calls one of these tells a person something
TELLING = frozenset({"print", "warn", "progress", "say", "tell", "_say", "_tell"})
LOGS = frozenset({"log", "logger", "logging"})
# annotations in the body of a dataclass that are more than types
SPECIAL = frozenset({"ClassVar", "InitVar", "KW_ONLY"})

Function = ast.FunctionDef | ast.AsyncFunctionDef
Assignment = ast.Assign | ast.AugAssign


def normal_form(statement: ast.stmt, *, typed: bool = False, kept: Collection[str] = ()) -> ast.stmt | None:
    """Bring a statement to its normal form, in place; None where nothing is left of it.

    `raise X(...)` becomes `raise X`. typed: whether the types of a class's fields count, as pydantic reads
    them. kept: what is raised, as it is written ("UnreadableImage", "failures.diverged"), whose words count.
    """
    return _Normal(typed, kept).visit(statement)


class _Filled(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


class _Normal(_Filled):
    def __init__(self, typed: bool, kept: Collection[str]) -> None:
        self.typed, self.kept = typed, kept
        # in the outermost function:
        self.assigned: list[Assignment] = []
        self.read: set[str] = set()
        self.inside = 0  # so many functions

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        self._silence(node.value)
        return self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._silence(node.body)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        node.cause = None
        if isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) not in self.kept:
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load):
            self.read.add(node.id)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        self.read.update(node.names)
        return node

    def visit_Assign(self, node: Assignment) -> ast.AST:
        self.assigned.append(node)
        return self.generic_visit(node)

    visit_AugAssign = visit_Assign

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        for field in fields:
            if not self.typed:
                inner = (name for node in ast.walk(field.annotation) for name in _read_by(node))
                special = next((name for name in inner if name in SPECIAL), None)
                field.annotation = ast.Name(special) if special else ast.Constant(...)
            if field.value is not None:
                field.value = self.visit(field.value)
        # the names and the order of fields make the class's signature
        others = {id(part): self.visit(part) for part in node.body if part not in fields}
        body = [part if part in fields else others[id(part)] for part in node.body]
        node.body = [part for part in body if part is not None] or [ast.Pass()]
        node.decorator_list = [self.visit(part) for part in node.decorator_list]
        return node

    def visit_FunctionDef(self, node: Function) -> ast.AST:
        node.returns = None
        if not self.inside:
            self.assigned, self.read = [], set()
        self.inside += 1
        self.generic_visit(node)
        self.inside -= 1
        if not self.inside:
            _drop_unread(node, self.assigned, self.read)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def _silence(self, node: ast.expr) -> None:
        if isinstance(node, ast.Call) and _tells(node):
            node.args, node.keywords = [], []


def _tells(call: ast.Call) -> bool:
    files = [ast.unparse(word.value) for word in call.keywords if word.arg == "file"]
    if not {"sys.stdout", "sys.stderr"}.issuperset(files):  # what is printed there may be a result
        return False
    match call.func:
        case ast.Name(name):
            return name in TELLING
        case ast.Attribute(ast.Name(log), _) if log in LOGS:
            return True
        case ast.Attribute(_, name):
            return name in TELLING
    return False


def _drop_unread(function: Function, assigned: list[Assignment], read: set[str]) -> None:
    """Take out what nothing reads any more: all of it where it only looks, else the texts it is made of."""
    while unread := [node for node in assigned if (names := _stored(node)) and names.isdisjoint(read)]:
        for node in unread:
            node.value = _Blank().visit(node.value)
        idle = {id(node) for node in unread if _only_looks(node)}
        if idle:
            _Without(idle).visit(function)
        assigned = [node for node in assigned if node not in unread]
        read = {name for node in ast.walk(function) for name in _read_by(node)}


def _only_looks(node: Assignment) -> bool:
    if isinstance(node, ast.AugAssign):  # may change a list in its place
        return isinstance(node.value, ast.Constant) and node.value.value == ""
    acts = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr
    return not any(isinstance(inner, acts) for inner in ast.walk(node.value))


class _Without(_Filled):
    def __init__(self, idle: set[int]) -> None:
        self.idle = idle

    def visit_Assign(self, node: Assignment) -> ast.AST | None:
        return None if id(node) in self.idle else node

    visit_AugAssign = visit_Assign


class _Blank(ast.NodeTransformer):
    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        texts = (node.left, node.right)
        whole = all(isinstance(text, ast.Constant) and text.value == "" for text in texts)
        return ast.Constant("") if whole else node


def _read_by(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(name, ast.Load()):
            return (name,)
        case ast.Global(names):
            return names
    return ()


def _stored(node: Assignment) -> set[str]:
    """The names that an assignment sets; none where it sets an item or an attribute."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [part for target in targets for part in ast.walk(target)]
    if any(isinstance(part, ast.Subscript | ast.Attribute) for part in parts):
        return set()
    return {part.id for part in parts if isinstance(part, ast.Name)}
