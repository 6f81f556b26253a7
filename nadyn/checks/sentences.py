"""What pydantic finds wrong with a configuration, said in one sentence."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nadyn.checks.nearest import nearest
from nadyn.checks.other_names import advice_for_key
from nadyn.checks.places import (
    Place,
    choices_of_keys,
    known_keys,
    literals_of,
    place_of,
    required_keys,
    tags_of,
)

# What a value must be, by the type of pydantic's error; braces are filled from the context of the error.
_MUST = {
    "bool_parsing": "be true or false",
    "bool_type": "be true or false",
    "dict_type": "hold `key: value` pairs",
    "finite_number": "be a finite number",
    "float_parsing": "be a number",
    "float_type": "be a number",
    "greater_than": "be greater than {gt}",
    "greater_than_equal": "be greater than or equal to {ge}",
    "int_from_float": "be a whole number",
    "int_parsing": "be a whole number",
    "int_parsing_size": "be a whole number of fewer digits",
    "int_type": "be a whole number",
    "invalid_key": "be text, as all keys are",
    "less_than": "be less than {lt}",
    "less_than_equal": "be less than or equal to {le}",
    "list_type": "be a list",
    "multiple_of": "be a multiple of {multiple_of}",
    "string_type": "be text",
    "tuple_type": "be a list",
}
_SECTION_TYPES = ("model_type", "model_attributes_type", "dataclass_type")


def sentence(error: ValidationError, section: type[BaseModel], where: str) -> str:
    """Return one sentence about the first thing that is wrong; `where` names the origin of the content."""
    problems = [(place_of(section, item), item) for item in error.errors()]
    # A mistyped key comes first: it is often the reason why another one is missing.
    first, _ = min(problems, key=lambda problem: problem[1]["type"] != "extra_forbidden")
    # Every member of a union complains; the one that got furthest into the value is the one that was meant.
    related = [(place, item) for place, item in problems if place.key[: len(first.key)] == first.key]
    depth = max(len(place.key) for place, _ in related)
    meant = next(place.key for place, _ in related if len(place.key) == depth)
    return f"{where}: {_about([problem for problem in related if problem[0].key == meant], section)}"


def _about(problems: Sequence[tuple[Place, ErrorDetails]], section: type[BaseModel]) -> str:
    for place, item in problems:
        answer = _special(place, item, section)
        if answer is not None:
            return answer
    place = problems[0][0]
    # The shortest first: "must be none or hold ...".
    beginning, *others = sorted(
        {_must(at, item) for at, item in problems}, key=lambda text: (len(text), text)
    )
    repeated = "be " if beginning.startswith("be ") else "\0"
    beginning = " or ".join([beginning, *(text.removeprefix(repeated) for text in others)])
    given = problems[0][1]["input"]
    return f"`{place}` must {beginning}, but is {shown(given)}. {_way_out(problems, given)}".rstrip()


def _special(place: Place, item: ErrorDetails, section: type[BaseModel]) -> str | None:
    """Return the whole sentence about an error that is not of the form "must be ..., but is ..."."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        name = place.key[-1]
        return f"`{place}` is not a known key. {advice_for_key(name, known_keys(place.options), section)}"
    if kind == "missing":
        if place.key[-1].startswith("["):
            return f"`{place}` must be given, but the list ends before it."
        return f"`{place}` must be given, but is missing."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tags, name = tags_of(place.options), str(context["discriminator"]).strip("'")
        given = item["input"].get(name) if isinstance(item["input"], Mapping) else None
        found = "is missing" if kind == "union_tag_not_found" else f"is {shown(given)}"
        return f"`{place}.{name}` must be {_one_of(tags)}, but {found}. {_nearest(given, tags)}".rstrip()
    if kind in ("too_short", "too_long"):
        limit = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        number = context[limit[1]]
        entries = "entry" if number == 1 else "entries"
        return f"`{place}` must have {limit[0]} {number} {entries}, but has {context['actual_length']}."
    if kind in ("value_error", "assertion_error"):
        message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return message if message.startswith("`") or not place.key else f"`{place}`: {message}"
    if kind not in _MUST and kind not in _SECTION_TYPES and not item["msg"].startswith("Input should "):
        message = item["msg"].rstrip(".")
        # An error of pydantic that no configuration raises today still has to be English.
        return f"`{place}` cannot be used: {message[:1].lower()}{message[1:]}."
    return None


def _must(place: Place, item: ErrorDetails) -> str:
    kind = item["type"]
    if kind == "literal_error":
        return f"be {_one_of(literals_of(place.options))}"
    if kind in _SECTION_TYPES:
        tags = tags_of(place.options)
        named = f" with `name` {_one_of(tags)}" if tags else f" ({', '.join(known_keys(place.options))})"
        return f"hold `key: value` pairs{named}"
    if kind not in _MUST:
        return item["msg"].removeprefix("Input should ").rstrip(".")
    context = item.get("ctx", {})
    return _MUST[kind].format(**{k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()})


def _way_out(problems: Sequence[tuple[Place, ErrorDetails]], given: object) -> str:
    place = problems[0][0]
    kinds = {item["type"] for _, item in problems}
    literals = [word for at, _ in problems for word in literals_of(at.options)]
    if (given is None or given is False) and "none" in literals:
        return "Try none."
    if kinds & set(_SECTION_TYPES):
        return _section_with(place, given)
    if kinds == {"literal_error"}:
        return _nearest(given, literals)
    if "string_type" in kinds and isinstance(given, int | float) and not isinstance(given, bool):
        return f'Try "{given}" with quotes.'
    if kinds in ({"tuple_type"}, {"list_type"}) and isinstance(given, int | float | str):
        return f"Try [{given}]."
    return ""


def _section_with(place: Place, given: object) -> str:
    """Return how a section is written that was given as a single word."""
    tags = tags_of(place.options)
    if tags:
        near = nearest(str(given).lower(), tags)
        keys = "".join(f", {key}: …" for key in required_keys(place.options, near)) if near else ""
        return f"Try {{name: {near}{keys}}}." if near else ""
    for key, choices in choices_of_keys(place.options).items():
        if given in choices:
            return f"Try {{{key}: {given}}}."
    if isinstance(given, str) and "." in given and "file" in known_keys(place.options):
        return f"Try {{file: {given}}}."
    return ""


def shown(value: object) -> str:
    """Return a value as a YAML file has it."""
    # By identity: 1 equals True, and lists have no hash.
    words = ((None, "null"), (True, "true"), (False, "false"))
    return next((word for known, word in words if value is known), repr(value))


def _one_of(choices: Sequence[str]) -> str:
    if len(choices) < 3:
        return " or ".join(choices)
    return f"one of {', '.join(choices[:-1])} or {choices[-1]}"


def _nearest(given: object, choices: Sequence[str]) -> str:
    near = nearest(str(given).lower(), choices, cutoff=0.5)
    return f"Did you mean {near}?" if near else ""
