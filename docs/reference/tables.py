"""Markdown tables, and types as a reader thinks of them."""

import types
import typing
from collections.abc import Iterable, Sequence

from pydantic import BaseModel

_NAMES = {
    "str": "text",
    "Path": "path",
    "object": "anything",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "NoneType": "null",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell means itself."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def type_name(annotation: object) -> str:
    """Return a type as a reader of a YAML file thinks of it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin is typing.Literal:
        return " or ".join(value(argument) for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(argument) for argument in arguments))
    if origin in (list, tuple, set, frozenset):
        return f"list of {type_name(arguments[0])}" if arguments else "list"
    if origin is dict:
        return f"mapping of {type_name(arguments[0])} to {type_name(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping, see below"
    name = getattr(annotation, "__name__", str(annotation))
    return _NAMES.get(name, name)


def value(value_: object) -> str:
    """Return a value as a YAML file has it."""
    if value_ is None:
        return "null"
    if isinstance(value_, bool):
        return str(value_).lower()
    if isinstance(value_, BaseModel):
        inner = ", ".join(f"{name}: {value(getattr(value_, name))}" for name in type(value_).model_fields)
        return f"{{{inner}}}"
    if isinstance(value_, list | tuple):
        return f"[{', '.join(value(item) for item in value_)}]"
    return str(value_)
