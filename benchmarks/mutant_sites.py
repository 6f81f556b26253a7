"""Where a source file can be changed so that it becomes wrong: single replacements, found in its syntax tree.

Used by `mutants.py`; no program of its own.
"""

import ast
from dataclasses import dataclass
from itertools import pairwise

KINDS = ("sign", "factor", "index", "unit", "comparison", "dropped", "swapped", "function")

# Calls whose arguments are text, annotations or descriptions and no arithmetic.
_SPEECH = {"InputError", "Field", "print", "warn", "TypeVar", "Literal", "FileNotFoundError", "fail", "echo"}
_PAIRS = {
    "min": "max",
    "amin": "amax",
    "minimum": "maximum",
    "argmin": "argmax",
    "sin": "cos",
    "exp": "log",
    "zeros": "ones",
    "zeros_like": "ones_like",
    "floor": "ceil",
    "argsort": "flip",
    "any": "all",
}
_PAIRS |= {second: first for first, second in _PAIRS.items()}
# One argument of these stands for all of it: what they do is dropped.
_TAKEN_OFF = {"abs", "sqrt", "clamp", "detach", "conj", "clone", "transpose", "neg", "triu", "tril"}
_FLIPPED = {ast.Lt: ">", ast.Gt: "<", ast.LtE: ">", ast.GtE: "<", ast.Eq: "!=", ast.NotEq: "=="}
_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Mutant:
    """One replacement in one file.

    Attributes:
        kind: One of `KINDS`.
        file: Path from the root of the tree.
        line: Number of the first changed line.
        where: The function or class around it, dotted; empty at the top of a module.
        old: The text that is replaced.
        new: What takes its place.
        start: Offset of the text in the file.
    """

    kind: str
    file: str
    line: int
    where: str
    old: str
    new: str
    start: int

    def applied_to(self, source: str) -> str:
        """Return the source with the replacement."""
        assert source[self.start : self.start + len(self.old)] == self.old
        return source[: self.start] + self.new + source[self.start + len(self.old) :]


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Return every mutant of a file, in the order of its text."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    found = [mutant for mutant in finder.found if _compiles(mutant.applied_to(source))]
    return sorted(set(found), key=lambda m: (m.start, m.kind, m.new))


def _compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


class _Finder(ast.NodeVisitor):
    def __init__(self, file: str, source: str) -> None:
        self.file, self.source, self.found = file, source, []
        self.around: list[str] = []
        self.offsets = [0]
        # Columns of the syntax tree count bytes.
        self.lines = source.splitlines(keepends=True)
        for line in self.lines:
            self.offsets.append(self.offsets[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        return self.offsets[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def text(self, node: ast.AST) -> str:
        return self.source[self.begin(node) : self.end(node)]

    def begin(self, node: ast.AST) -> int:
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.AST) -> int:
        return self.offset(node.end_lineno, node.end_col_offset)

    def add(self, kind: str, node: ast.AST, new: str) -> None:
        old = self.text(node)
        if old != new:
            where = ".".join(self.around)
            self.found.append(Mutant(kind, self.file, node.lineno, where, old, new, self.begin(node)))

    # What is no arithmetic.
    def visit_Raise(self, node: ast.Raise) -> None: ...
    def visit_Assert(self, node: ast.Assert) -> None: ...
    def visit_JoinedStr(self, node: ast.JoinedStr) -> None: ...

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.around.append(node.name)
        for child in node.body:
            self.visit(child)
        self.around.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.around.append(node.name)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for child in node.body:
            self.visit(child)
        self.around.pop()

    def visit_Constant(self, node: ast.Constant) -> None:
        # What only says how small nothing is may be half or double.
        if isinstance(node.value, float) and 1e-6 < abs(node.value) < float("inf"):
            self.add("factor", node, f"({node.value!r} * 2.0)")
            self.add("factor", node, f"({node.value!r} * 0.5)")
        if node.value is True or node.value is False:
            self.add("comparison", node, repr(not node.value))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        left, right, kind = self.text(node.left), self.text(node.right), type(node.op)
        if _is_text(node.left):
            return
        if kind in (ast.BitOr, ast.BitAnd) and not self._is_union(node):
            self.add("comparison", node, f"{left} {'&' if kind is ast.BitOr else '|'} {right}")
            self.add("dropped", node, left)
            self.add("dropped", node, right)
        elif kind in _SYMBOLS:
            a = f"({left})" if isinstance(node.left, ast.BinOp) else left
            b = f"({right})" if isinstance(node.right, ast.BinOp) else right
            unit = any("_PER_" in text and "(" not in text for text in (left, right))
            if kind in (ast.Add, ast.Sub):
                self.add("sign", node, f"({a} {'-' if kind is ast.Add else '+'} {b})")
            else:
                flipped = f"({a} {'/' if kind is ast.Mult else '*'} {b})"
                self.add("unit" if unit else "factor", node, flipped)
            self.add("unit" if unit else "dropped", node, a)
            if kind in (ast.Add, ast.Mult):
                self.add("unit" if unit else "dropped", node, b)
            if kind is ast.Sub:
                self.add("sign", node, f"({b} - {a})")
        self.generic_visit(node)

    def _is_union(self, node: ast.BinOp) -> bool:
        sides = (node.left, node.right)
        return any(isinstance(side, ast.Constant) or self.text(side)[:1].isupper() for side in sides)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        operand = self.text(node.operand)
        literal = isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int)
        if isinstance(node.op, ast.USub) and not literal:
            self.add("sign", node, operand)
        if isinstance(node.op, ast.Not | ast.Invert):
            self.add("comparison", node, operand)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1 and type(node.ops[0]) in _FLIPPED:
            left, right = self.text(node.left), self.text(node.comparators[0])
            self.add("comparison", node, f"({left} {_FLIPPED[type(node.ops[0])]} {right})")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word = " or " if isinstance(node.op, ast.And) else " and "
        self.add("comparison", node, "(" + word.join(f"({self.text(value)})" for value in node.values) + ")")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        if any(isinstance(n, ast.JoinedStr) or _is_text(n) for n in (node.body, node.orelse)):
            return
        self.add("swapped", node, self.text(node.orelse))
        self.add("swapped", node, self.text(node.body))
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        only_raises = all(isinstance(child, ast.Raise) for child in node.body)
        self.add("comparison", node.test, f"(not ({self.text(node.test)}))")
        if not only_raises:
            self.add("dropped", node.test, "False")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self.text(node.value) in {"Float", "Int", "Bool", "Complex", "Inexact", "Callable", "dict"}:
            return
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, int):
                self.add("index", part, str(1 if part.value == 0 else part.value - 1))
        names = [part for part in parts if isinstance(part, ast.Name)]
        for first, second in pairwise(names):
            swapped = [{first: second, second: first}.get(part, part) for part in parts]
            text = f"{self.text(node.value)}[{', '.join(self.text(part) for part in swapped)}]"
            self.add("index", node, text)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in ("mT", "T", "mH", "H"):
            self.add("index", node, self.text(node.value))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self.text(node.func).rsplit(".", 1)[-1]
        if name in _SPEECH:
            return
        plain = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
        method = isinstance(node.func, ast.Attribute) and self.text(node.func.value) not in ("torch", "math")
        if name == "where" and len(plain) == 3:
            condition, yes, no = (self.text(argument) for argument in plain)
            self.add("swapped", node, f"{self.text(node.func)}({condition}, {no}, {yes})")
            self.add("dropped", node, yes)
            self.add("dropped", node, no)
        elif name in _TAKEN_OFF:
            kept = node.func.value if method else (plain[0] if plain else None)
            if kept is not None:
                self.add("index" if name == "transpose" else "dropped", node, f"({self.text(kept)})")
        elif name == "replace":
            for keyword in node.keywords:
                if keyword.arg:
                    others = [self.text(a) for a in node.args]
                    others += [self.text(k) for k in node.keywords if k is not keyword]
                    self.add("dropped", node, f"{self.text(node.func)}({', '.join(others)})")
        elif len(plain) >= 2 and not isinstance(plain[1], ast.Constant) and name not in ("zip", "isinstance"):
            first, second = (self.text(argument) for argument in plain[:2])
            span = self.source[self.begin(plain[0]) : self.end(plain[1])]
            where = ".".join(self.around)
            begin = self.begin(plain[0])
            new = f"{second}, {first}"
            if first != second:
                self.found.append(Mutant("swapped", self.file, plain[0].lineno, where, span, new, begin))
        if name in _PAIRS and isinstance(node.func, ast.Attribute):
            owner = self.text(node.func.value)
            self.add("function", node.func, f"{owner}.{_PAIRS[name]}")
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in ("dim", "dtype", "description", "help", "strict"):
                self.visit(keyword.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call) and self.text(node.value.func).rsplit(".", 1)[-1] not in _SPEECH:
            self.add("dropped", node, "pass")
        self.generic_visit(node)
