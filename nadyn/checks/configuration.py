"""Configuration files: every key validated, unknown ones refused with the nearest known."""

import difflib
import typing
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file


class Configuration(BaseModel):
    """Base of every configuration section: frozen, and unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Section = TypeVar("Section", bound=Configuration)


def read_configuration(path: str | Path, section: type[Section]) -> Section:
    """Read a YAML file into a configuration.

    Raises:
        InputError: The file is missing, is no YAML mapping, or a key or value is not allowed.
    """
    path = Path(path)
    check_file(path, f"configuration file {str(path)!r}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = f" at line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""
        raise InputError(
            f"configuration file {str(path)!r} must be YAML, but cannot be read{where}."
        ) from error
    return parse_configuration(content if content is not None else {}, section, where=str(path))


def parse_configuration(content: object, section: type[Section], *, where: str) -> Section:
    """Validate a mapping; `where` names its origin in the error sentence.

    Raises:
        InputError: One sentence about the first thing that is wrong.
    """
    if not isinstance(content, dict):
        raise InputError(f"{where} must hold `key: value` lines, but holds a {type(content).__name__}.")
    try:
        return section.model_validate(content)
    except ValidationError as error:
        raise InputError(_sentence(error, section, where)) from None


def _sentence(error: ValidationError, section: type[Configuration], where: str) -> str:
    # A mistyped key comes first: it is often the reason why another one is missing.
    problem = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    keys = [str(part) for part in problem["loc"] if isinstance(part, str | int)]
    key = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        known = sorted(_known_keys(section, keys[:-1]))
        near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
        advice = f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(known)}."
        return f"{where}: `{key}` is not a known key. {advice}"
    if problem["type"] == "missing":
        return f"{where}: `{key}` must be given, but is missing."
    message = problem["msg"]
    for beginning in ("Value error, ", "Input should ", "Assertion failed, "):
        message = message.removeprefix(beginning)
    if problem["type"] == "value_error":
        return f"{where}: {message}" if message.startswith("`") else f"{where}: `{key}`: {message}"
    return f"{where}: `{key}` must {message}, but is {problem['input']!r}."


def _known_keys(section: type[Configuration], path: list[str]) -> set[str]:
    """Keys of the section reached by `path`, looking through unions and optional sections."""
    sections: list[type] = [section]
    for part in path:
        inner: list[type] = []
        for candidate in sections:
            field = candidate.model_fields.get(part)
            if field is not None:
                types = [t for t in _types(field.annotation) if isinstance(t, type)]
                inner += [t for t in types if issubclass(t, BaseModel)]
        # A union member is named in the path too; such a part reaches no field and leaves the sections.
        sections = inner or sections
    return {name for candidate in sections for name in candidate.model_fields}


def _types(annotation: object) -> list[object]:
    arguments = typing.get_args(annotation)
    return [t for argument in arguments for t in _types(argument)] if arguments else [annotation]
