"""Configuration files: every key validated, unknown ones refused with the nearest known."""

from pathlib import Path
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.kinds import Kind, kind_of, what_it_is
from nadyn.checks.sentences import sentence
from nadyn.checks.yaml_text import read_yaml


class Configuration(BaseModel):
    """Base of every configuration section: frozen, and unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, content: object) -> object:
        # Pydantic takes true for 1.
        for name, value in content.items() if isinstance(content, dict) else ():
            if isinstance(value, bool) and name in cls.model_fields:
                kinds = _plain_types(cls.model_fields[name].annotation)
                if bool not in kinds and kinds & {int, float}:
                    raise ValueError(f"`{name}` must be a number, but is {str(value).lower()}.")
        return content


Section = TypeVar("Section", bound=Configuration)


def _plain_types(annotation: object) -> set[object]:
    """Return the members of a union, without what `Annotated` adds to them."""
    if get_origin(annotation) is Annotated:
        return _plain_types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_plain_types, get_args(annotation)))
    return {annotation}


def read_configuration(path: str | Path, section: type[Section]) -> Section:
    """Read a YAML file into a configuration.

    Raises:
        InputError: The file is missing, is no YAML mapping, a key is given twice, or a key or
            value is not allowed.
    """
    return parse_configuration(read_content(path), section, where=str(path))


def read_content(path: str | Path) -> object:
    """Return what a YAML file holds, not validated yet.

    Raises:
        InputError: The file is missing, is no YAML, or a key is given twice.
    """
    path = Path(path)
    check_file(path, f"configuration file {str(path)!r}")
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = f" at line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""
        is_text = kind_of(path) in (Kind.SETTINGS, Kind.TEXT, Kind.JSON)
        found = f"cannot be read{where}" if is_text else f"is {what_it_is(path)}"
        raise InputError(f"configuration file {str(path)!r} must be YAML, but {found}.") from error
    return content if content is not None else {}


def parse_configuration(content: object, section: type[Section], *, where: str) -> Section:
    """Validate a mapping; `where` names its origin in the error sentence.

    Raises:
        InputError: One sentence about the first thing that is wrong.
    """
    if not isinstance(content, dict):
        kinds = {str: "text", list: "a list", bool: "true or false", int: "a number", float: "a number"}
        found = kinds.get(type(content), f"a {type(content).__name__}")
        raise InputError(f"{where} must hold `key: value` lines, but holds {found}.")
    try:
        return section.model_validate(content)
    except ValidationError as error:
        raise InputError(sentence(error, section, where)) from None
