"""Functions and classes of the public face: signature and docstring, as Markdown."""

import ast
import importlib
import inspect
import re
import textwrap

import nadyn
from docs.reference.tables import table

_WIDTH = 100
_SECTIONS = ("Args", "Attributes", "Returns", "Raises")


def function(path: str) -> str:
    """Return the signature and the docstring of a function, by its module and name."""
    return f"### `{_public(path)}`\n\n" + _function(_node(path), _public(path).rpartition(".")[2])


def class_(path: str) -> str:
    """Return the docstring of a class, its attributes with their types, and its public methods."""
    node = _node(path)
    said = _parts(ast.get_docstring(node) or "")
    told = {
        name.strip(): text
        for names, text in _entries(said.pop("Attributes", ""))
        for name in names.split(",")
    }
    rows = [
        (f"`{item.target.id}`", f"`{ast.unparse(item.annotation)}`", told.get(item.target.id, ""))
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and not item.target.id.startswith("_")
        and not ast.unparse(item.annotation).startswith("ClassVar")
    ]
    parts = [f"### `{_public(path)}`", plain_text(said.pop("", ""))]
    parts += [table(("attribute", "type", "meaning"), rows)] * bool(rows)
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and ast.get_docstring(item):
            is_property = any(ast.unparse(mark) == "property" for mark in item.decorator_list)
            if is_property:
                parts.append(f"`{item.name}`: {plain_text(ast.get_docstring(item))}")
            else:
                parts.append(_function(item, item.name))
    return "\n\n".join(part for part in parts if part)


def _function(node: ast.FunctionDef, name: str) -> str:
    said = _parts(ast.get_docstring(node) or "")
    parts = [f"```python\n{_signature(node, name)}\n```", plain_text(said.get("", ""))]
    for section in _SECTIONS:
        if section in said:
            entries = _entries(said[section])
            lines = [f"- `{what}`: {text}" for what, text in entries] or [plain_text(said[section])]
            parts.append(f"*{section}*\n\n" + "\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def _signature(node: ast.FunctionDef, name: str) -> str:
    arguments = node.args
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
    given = list(zip(arguments.args, defaults, strict=True))
    parts = [_argument(one, default) for one, default in given if one.arg != "self"]
    parts += [f"*{ast.unparse(arguments.vararg)}"] if arguments.vararg else ["*"] * bool(arguments.kwonlyargs)
    parts += [_argument(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{name}({', '.join(parts)}){returns}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + (f" = {ast.unparse(default)}" if default is not None else "")


def _node(path: str) -> ast.FunctionDef | ast.ClassDef:
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    source = inspect.getsourcefile(inspect.unwrap(found))
    with open(source, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    return next(
        item
        for item in tree.body
        if isinstance(item, ast.FunctionDef | ast.ClassDef) and item.name == found.__name__
    )


def _public(path: str) -> str:
    """Return the shortest name by which users reach an object: `nadyn.run`."""
    name = path.rpartition(".")[2]
    return f"nadyn.{name}" if name in nadyn.__all__ else path


def _parts(docstring: str) -> dict[str, str]:
    """Return the sections of a docstring by name; what stands before them has none."""
    pieces = re.split(rf"^({'|'.join(_SECTIONS)}):\n", docstring, flags=re.MULTILINE)
    found = {"": pieces[0].strip()}
    for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
        inside, *after = re.split(r"\n(?=\S)", text, maxsplit=1)
        found[name] = textwrap.dedent(inside).strip()
        found[""] += ("\n\n" + after[0]) if after else ""
    return found


def _entries(text: str) -> list[tuple[str, str]]:
    """Return names and texts of `name: text` entries, whose further lines are indented."""
    found = re.findall(r"^([\w.,* ]+): (.*(?:\n[ \t]+.*|\n(?=\n[ \t]))*)", text, flags=re.MULTILINE)
    return [(name, plain_text(" ".join(words.split()))) for name, words in found]


def plain_text(text: str) -> str:
    """Let bars, stars, angle brackets and trailing underscores outside backticks mean themselves."""
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = [re.sub(r"([*<]|(?<=\w)_(?=\W|$))", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)
