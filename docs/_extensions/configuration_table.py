"""`{configuration} module.Class`: the keys of a configuration file, read from the class itself.

Types and defaults come from the code. What a key means is the body of the directive, YAML with one mapping a
section: a key of the code that is not explained there, or explained there and not in the code, is an error.
"""

import importlib
import types
import typing

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic_core import PydanticUndefined


def sections(section: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the section and all sections inside it, each once, in the order in which they appear."""
    found = [section]
    for current in found:
        for field in current.model_fields.values():
            found += [inner for inner in _inner(field.annotation) if inner not in found]
    return found


def type_name(annotation: object) -> str:
    """Return a type as a reader of a YAML file thinks of it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin is typing.Literal:
        return " | ".join(_value(argument) for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_name(argument) for argument in arguments)
    if origin in (list, tuple, set, frozenset):
        return f"list of {type_name(arguments[0])}" if arguments else "list"
    if origin is dict:
        return f"mapping of {type_name(arguments[0])} to {type_name(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping, see below"
    names = {
        str: "text",
        object: "anything",
        int: "integer",
        float: "number",
        bool: "true | false",
        type(None): "null",
    }
    if annotation in names:
        return names[annotation]
    return getattr(annotation, "__name__", str(annotation))


def _value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        inner = ", ".join(f"{name}: {_value(getattr(value, name))}" for name in type(value).model_fields)
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return str(value)


def _default(field) -> str:
    if field.is_required():
        return "required"
    if field.default is not PydanticUndefined:
        return _value(field.default)
    return _value(field.default_factory())


def _inner(annotation: object) -> list[type[BaseModel]]:
    arguments = typing.get_args(annotation)
    if arguments:
        return [section for argument in arguments for section in _inner(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


class ConfigurationTable(Directive):
    """One table for the named section and one for each section inside it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        top = getattr(importlib.import_module(module), name)
        meanings = yaml.safe_load("\n".join(self.content)) or {}
        found = sections(top)
        self._check(meanings, found)
        lines: list[str] = []
        for section in found:
            if section is not top:
                lines += [f"**{self._title(section, found)}**", ""]
            lines += _row("key", "value", "default", "meaning") + _row("---", "---", "---", "---")
            for key, field in section.model_fields.items():
                kind = type_name(field.annotation).replace("|", "or")
                meaning = " ".join(meanings[section.__name__][key].split())
                lines += _row(f"`{key}`", kind, f"`{_default(field)}`", meaning)
            lines.append("")
        node = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.arguments[0]), 0, node)
        return node.children

    def _check(self, meanings: dict, found: list[type[BaseModel]]) -> None:
        known = {f"{section.__name__}.{key}" for section in found for key in section.model_fields}
        told = {f"{section}.{key}" for section, keys in meanings.items() for key in keys}
        if known != told:
            missing, stale = sorted(known - told), sorted(told - known)
            raise self.error(f"{self.arguments[0]}: not explained {missing}, no longer there {stale}")

    def _title(self, section: type[BaseModel], found: list[type[BaseModel]]) -> str:
        """Name a section by the key that it stands under."""
        keys = [
            key
            for outer in found
            for key, field in outer.model_fields.items()
            if section in _inner(field.annotation)
        ]
        return ", ".join(dict.fromkeys(keys))


def _row(*cells: str) -> list[str]:
    """Return a row of a Markdown table; the pages are Markdown."""
    return [f"| {' | '.join(cells)} |"]


def setup(app):
    """Register the directive."""
    app.add_directive("configuration", ConfigurationTable)
    return {"parallel_read_safe": True, "version": "1"}
