"""Where in a configuration an error is: the key that a user wrote, and what may stand there."""

import typing
from dataclasses import dataclass
from types import NoneType, UnionType

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_NAME_IS_NO_FIELD = ("extra_forbidden", "invalid_key")


@dataclass(frozen=True)
class Place:
    """A place in a configuration.

    Attributes:
        key: The path as a file has it, without the names that pydantic gives the members of unions.
        options: Annotations of what may stand there; those of the section for a key that it does not know.
    """

    key: tuple[str, ...]
    options: tuple[object, ...]

    def __str__(self) -> str:
        return ".".join(self.key).replace(".[", "[")


def place_of(section: type[BaseModel], problem: ErrorDetails) -> Place:
    """Return the place of one error of a section."""
    path = list(problem["loc"])
    last = [str(path.pop())] if problem["type"] in _NAME_IS_NO_FIELD and path else []
    key: list[str] = []
    options: tuple[object, ...] = (section,)
    for part in path:
        members = options_of(options, nested=False)
        if len(members) > 1:
            # Pydantic puts the name of the member between the keys.
            options = tuple(member for member in members if _is_called(member, str(part))) or members
            continue
        inner = _inner(members[0], part) if members else None
        if inner is not None:
            key.append(f"[{part}]" if isinstance(part, int) else str(part))
            options = (inner,)
    return Place((*key, *last), options)


def options_of(annotations: tuple[object, ...], *, nested: bool = True) -> tuple[object, ...]:
    """Return the members of unions, None left out; with `nested` also those of unions within them."""
    found: list[object] = []
    for annotation in annotations:
        plain = _plain(annotation)
        if typing.get_origin(plain) in (typing.Union, UnionType):
            members = tuple(member for member in typing.get_args(plain) if member is not NoneType)
            # A member that is a union of its own, tagged by a name, is one member for pydantic.
            found += options_of(members, nested=nested) if nested or len(members) == 1 else members
        else:
            found.append(plain)
    return tuple(found)


def is_section(annotation: object) -> bool:
    """Tell whether an annotation is a section with keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def sections_within(section: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a section and all sections inside it, each once."""
    found = [section]
    for one in found:
        for field in one.model_fields.values():
            inner = (option for option in options_of((field.annotation,)) if is_section(option))
            found += [option for option in inner if option not in found]
    return found


def known_keys(options: tuple[object, ...]) -> list[str]:
    """Return the keys of the sections among `options`, sorted."""
    return sorted(
        {name for option in options_of(options) if is_section(option) for name in option.model_fields}
    )


def tags_of(options: tuple[object, ...]) -> list[str]:
    """Return the names of several sections that are told apart by `name`; empty for others."""
    sections = [option for option in options_of(options) if is_section(option)]
    return [_tag(option) for option in sections if _tag(option)] if len(sections) > 1 else []


def required_keys(options: tuple[object, ...], tag: str) -> list[str]:
    """Return the keys beside `name` that the section of this name cannot do without."""
    chosen = next(option for option in options_of(options) if is_section(option) and _tag(option) == tag)
    return [key for key, field in chosen.model_fields.items() if field.is_required() and key != "name"]


def literals_of(options: tuple[object, ...]) -> list[str]:
    """Return the words among `options`."""
    literals = [option for option in options_of(options) if typing.get_origin(option) is typing.Literal]
    return [str(value) for literal in literals for value in typing.get_args(literal)]


def choices_of_keys(options: tuple[object, ...]) -> dict[str, list[str]]:
    """Return the words that each key of the sections among `options` can have."""
    sections = [option for option in options_of(options) if is_section(option)]
    return {
        key: literals_of((field.annotation,))
        for section in sections
        for key, field in section.model_fields.items()
    }


def _tag(section: type[BaseModel]) -> str:
    field = section.model_fields.get("name")
    values = typing.get_args(field.annotation) if field is not None else ()
    return str(values[0]) if len(values) == 1 else ""


def _plain(annotation: object) -> object:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _is_called(member: object, name: str) -> bool:
    plain = _plain(member)
    if is_section(plain):
        return name in (plain.__name__, _tag(plain))
    if typing.get_origin(plain) in (typing.Union, UnionType):
        return name.startswith("tagged-union")
    if typing.get_origin(plain) is typing.Literal:
        return name.startswith("literal")
    return name.partition("[")[0] == getattr(typing.get_origin(plain) or plain, "__name__", "")


def _inner(annotation: object, part: str | int) -> object | None:
    if is_section(annotation):
        field = annotation.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict and len(arguments) == 2:
        return arguments[1]
    if isinstance(part, int) and arguments:
        return arguments[0] if len(arguments) <= part or Ellipsis in arguments else arguments[part]
    return None
