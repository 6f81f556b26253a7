"""The sentences with which nadyn refuses, fails or warns, read from the source, by what was being done."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nadyn
from docs.reference.docstrings import plain_text
from docs.reference.tables import table

PACKAGE = Path(nadyn.__file__).parent

# What a user was doing, by the folder or file that speaks; the first one that fits.
GROUPS = {
    "reading": ("data/readers", "data/one_spin", "data/structure_file", "data/hdf5_outline", "checks/packed"),
    "datasets": ("data",),
    "writing": ("checks/output", "trajectory/writers", "trajectory/xarray_dataset"),
    "starts": (
        "dynamics/initial",
        "trajectory/initial_conditions",
        "trajectory/sharc_initconds",
        "trajectory/newtonx_initial",
        "trajectory/starts_of_others",
        "cli/sample",
    ),
    "settings": ("checks", "cli/init", "cli/check", "cli/schema", "cli/main"),
    "geometries": ("structures", "units"),
    "models": ("models", "cli/model_given"),
    "training": ("training", "cli/train", "cli/evaluate", "cli/pareto"),
    "crossings": ("electronic/crossings", "cli/intersect", "cli/crossing_search", "learning/crossing_"),
    "running": ("dynamics", "electronic", "quantum", "cli/run", "cli/swarm", "cli/spectra", "cli/couple"),
    "results": (
        "trajectory",
        "analysis",
        "cli/analyse",
        "cli/report",
        "cli/diagnose",
        "cli/compare",
        "cli/cite",
        "cli/spectrum",
        "cli/light_of_",
        "cli/info",
        "cli/convert",
        "cli/data",
        "cli/population_tables",
    ),
    "labels": ("interfaces", "cli/label"),
    "learning": ("learning", "cli/learn"),
    "others": ("",),
}
_KINDS = {"InputError": "refused", "RunError": "failed", "UsageError": "refused", "InputWarning": "warning"}
_FEWEST_LETTERS = 8
_CHECKS_OF_SECTIONS = ("model_validator", "field_validator")


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        text: With placeholders as <name>.
        kind: refused (exit code 2), failed (exit code 1) or warning.
        file: Which file of the package says it, without its ending.
    """

    text: str
    kind: str
    file: str


def sentences(group: str) -> str:
    """Return the table of a group: sentence, kind, and the files that say it."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in every_sentence():
        if group_of(one.file) == group:
            found.setdefault((one.text, one.kind), set()).add(one.file)
    rows = [
        (plain_text(text), kind, ", ".join(f"`{file}`" for file in sorted(files)))
        for (text, kind), files in sorted(found.items(), key=lambda item: _letters(item[0][0]))
    ]
    return table(("sentence", "kind", "said by"), rows)


def group_of(file: str) -> str:
    """Return the name of the group of a file."""
    return next(
        name
        for name, places in GROUPS.items()
        if any(file == place or file.startswith(f"{place}/") or place == "" for place in places)
        or any(place.startswith("cli/") and file.startswith(place) for place in places)
    )


@cache
def every_sentence() -> list[Sentence]:
    """Return all sentences of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        file, text = str(path.relative_to(PACKAGE).with_suffix("")), path.read_text(encoding="utf-8")
        if not any(word in text for word in ("Error(", "warn(", "Doubt(")):
            continue
        tree = ast.parse(text)
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for kind, argument in _said(tree):
            # What only passes another sentence on has next to no words of its own.
            found += [
                Sentence(said, kind, file)
                for said in templates(argument, functions)
                if len(re.sub(r"<[^>]*>|\W", "", said)) > _FEWEST_LETTERS
            ]
    return found


def _said(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield the kind and the argument of everything that is raised, or made to be raised, or warned of."""
    checks = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(_called(mark) in _CHECKS_OF_SECTIONS for mark in function.decorator_list)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = _called(node)
        if name in _KINDS or (name == "ValueError" and id(node) in checks):
            yield _KINDS.get(name, "refused"), node.args[0]
        elif name == "warn" and len(node.args) > 1 and _name(node.args[1]) in _KINDS:
            yield _KINDS[_name(node.args[1])], node.args[0]
        elif name in ("_warn", "Doubt"):
            yield "warning", node.args[0]


def templates(expression: ast.expr, functions: dict[str, ast.FunctionDef]) -> list[str]:
    """Return the sentences that an expression may be, with placeholders; those of a function it calls."""
    if isinstance(expression, ast.Call) and (name := _called(expression)) in functions:
        returned = [node.value for node in ast.walk(functions[name]) if isinstance(node, ast.Return)]
        return [
            text
            for value in returned
            if isinstance(value, ast.Constant | ast.JoinedStr | ast.BinOp)
            for text in templates(value, {})
        ]
    if isinstance(expression, ast.IfExp):
        return templates(expression.body, functions) + templates(expression.orelse, functions)
    text = _template(expression)
    return [] if text is None else [" ".join(text.split())]


def _template(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _template(node.left), _template(node.right)
        return None if left is None and right is None else (left or "<…>") + (right or "<…>")
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            quote = "'" if part.conversion == ord("r") else ""
            parts.append(f"{quote}<{_placeholder(part.value)}>{quote}")
    return "".join(parts)


def _placeholder(node: ast.expr) -> str:
    """Return what stands at a place, in the words of the source."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").replace("_", " ").lower()
        case ast.Call(func=ast.Name(id="len"), args=[inner]):
            return f"number of {_placeholder(inner)}"
        case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(unit)), *_]):
            return f"number of {unit}{'' if ' ' in unit else 's'}"
        case ast.Call(func=ast.Attribute(attr="join"), args=[inner]):
            return _placeholder(inner)
        case ast.Call(args=[inner, *_]):
            return _placeholder(inner)
        case ast.Call(func=ast.Attribute(value=inner)) | ast.Subscript(value=inner):
            return _placeholder(inner)
        case ast.Constant(value=value):
            return str(value)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner) | ast.Starred(value=inner):
            return _placeholder(inner)
        case ast.JoinedStr(values=[*_, ast.FormattedValue(value=inner)]):
            return _placeholder(inner)
        case ast.JoinedStr(values=values):
            inner = next((one.value for one in values if isinstance(one, ast.FormattedValue)), None)
            return "…" if inner is None else _placeholder(inner)
        case ast.BinOp(left=left):
            return _placeholder(left)
    return "…"


def _called(node: ast.expr) -> str:
    return _name(node.func) if isinstance(node, ast.Call) else _name(node)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _letters(text: str) -> str:
    """Return what a sentence is sorted by: its words, without what differs from case to case."""
    return re.sub(r"[^a-z ]", "", re.sub(r"<[^>]*>", "", text.lower())).strip()
