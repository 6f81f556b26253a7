"""The keys of a configuration file as tables, read from the class itself.

Types and defaults come from the code. What a key means is written by hand, in the last column of the table on
the page, and kept when the table is written anew.
"""

import importlib
import re
import typing

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.reference.tables import table, type_name, value

NOT_EXPLAINED = "(not explained)"
_HEAD = ("key", "value", "default", "meaning")


def configuration(name: str, old: str) -> str:
    """Return one table for a section and one for each section inside it.

    Args:
        name: Module and class.
        old: The tables that stand on the page, with the meanings.
    """
    module, _, class_name = name.rpartition(".")
    top = getattr(importlib.import_module(module), class_name)
    found = sections(top)
    meanings = meanings_in(old)
    parts = []
    for section in found:
        title = "" if section is top else title_of(section, found)
        rows = [
            (
                f"`{key}`",
                type_name(field.annotation),
                _default(field),
                meanings.get((title, key), NOT_EXPLAINED),
            )
            for key, field in section.model_fields.items()
        ]
        parts += [f"**{title}**"] * bool(title) + [table(_HEAD, rows)]
    return "\n\n".join(parts)


def meanings_in(text: str) -> dict[tuple[str, str], str]:
    """Return the last column of tables on a page, by title and key."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.startswith("**"):
            title = line.strip().strip("*")
        row = re.match(r"\| `(\w+)` \|", line)
        if row:
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found[title, row[1]] = cells[-1].strip().replace("\\|", "|")
    return found


def sections(section: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the section and all sections inside it, each once, in the order in which they appear."""
    found = [section]
    for current in found:
        for field in current.model_fields.values():
            found += [inner for inner in _inner(field.annotation) if inner not in found]
    return found


def title_of(section: type[BaseModel], found: list[type[BaseModel]]) -> str:
    """Name a section by the key that it stands under, and by its `name` where that decides."""
    keys = [
        key
        for outer in found
        for key, field in outer.model_fields.items()
        if section in _inner(field.annotation)
    ]
    title = ", ".join(dict.fromkeys(f"`{key}`" for key in keys))
    named = section.model_fields.get("name")
    names = typing.get_args(named.annotation) if named is not None else ()
    return f"{title} with `name: {names[0]}`" if len(names) == 1 else title


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default if field.default is not PydanticUndefined else field.default_factory()
    return f"`{value(default)}`"


def _inner(annotation: object) -> list[type[BaseModel]]:
    arguments = typing.get_args(annotation)
    if arguments:
        return [section for argument in arguments for section in _inner(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
