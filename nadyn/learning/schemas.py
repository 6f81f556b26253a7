"""JSON schemas of all configuration files, for editors, from the sections that check them.

What a section refuses by a sentence of its own, such as two keys that exclude each other, a schema does not
know; names of keys, kinds of values and bounds it does.
"""

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from nadyn.dynamics.methods.table import METHODS
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.interfaces.sources import SOURCES
from nadyn.learning.learn_file import OF_THE_LOOP, LearnConfiguration
from nadyn.models.analytic.table import ANALYTIC_MODELS
from nadyn.training.configuration import TrainingConfiguration

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS: dict[str, type[BaseModel]] = {
    "run": RunConfiguration,
    "train": TrainingConfiguration,
    "learn": LearnConfiguration,
}
_TITLES = {
    "run": "A run file of nadyn",
    "train": "A training file of nadyn",
    "learn": "A learn file of nadyn",
}
# A folder answers when somebody has filled it, which neither a run nor a loop waits for.
_ANSWERING = {name: section for name, section in SOURCES.items() if name != "folder"}

Schema = dict[str, object]
Names = Mapping[type[BaseModel], str]


def schema_of(kind: str, descriptions: Mapping[tuple[type[BaseModel], str], str] | None = None) -> Schema:
    """Return the JSON schema of a kind of file.

    Args:
        kind: run, train or learn.
        descriptions: What a key means, by its section and its name.
    """
    options = {name: method.options for name, method in METHODS.items() if method.options.model_fields}
    sections = dict.fromkeys([*KINDS.values(), *_ANSWERING.values(), *options.values()])
    _, found = models_json_schema([(section, "validation") for section in sections])
    definitions: dict[str, Schema] = found["$defs"]
    for (section, key), text in (descriptions or {}).items():
        properties = definitions.get(_name(section, definitions), {}).get("properties", {})
        if key in properties:
            properties[key]["description"] = text
    run = definitions["RunConfiguration"]
    names = {section: _name(section, definitions) for section in sections}
    _complete_run(run, options, names)
    _complete_learn(definitions["LearnConfiguration"], run, names)
    top = definitions[KINDS[kind].__name__]
    top |= {"title": _TITLES[kind], "$schema": DIALECT}
    used: dict[str, Schema] = {}
    _collect(top, definitions, used)
    return {"$schema": top.pop("$schema"), **top, "$defs": {name: used[name] for name in sorted(used)}}


def _complete_run(run: Schema, options: Mapping[str, type[BaseModel]], names: Names) -> None:
    """Say which models, methods and options of methods there are."""
    properties = run["properties"]
    analytic = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, **{option: {} for option in entry.options}},
            "required": ["name", *entry.options],
            "additionalProperties": False,
        }
        for name, entry in ANALYTIC_MODELS.items()
    ]
    models = [{"type": "string"}, *analytic, *_sources(names), {"type": "null"}]
    properties["model"] = _kept(properties["model"]) | {"anyOf": models}
    properties["method"] = _kept(properties["method"]) | {"enum": list(METHODS)}
    run["allOf"] = [
        {
            "if": {"properties": {"method": {"const": name}}, "required": ["method"]},
            "then": {"properties": {"options": {"anyOf": [_reference(names[section]), {"type": "null"}]}}},
        }
        for name, section in options.items()
    ]


def _complete_learn(learn: Schema, run: Schema, names: Names) -> None:
    """Say what stands in the sections that are whole files of another kind."""
    properties = learn["properties"]
    of_run = {key: value for key, value in run["properties"].items() if key not in OF_THE_LOOP}
    dynamics = {"type": "object", "properties": of_run, "additionalProperties": False, "allOf": run["allOf"]}
    properties["dynamics"] = _kept(properties["dynamics"]) | dynamics
    properties["source"] = _kept(properties["source"]) | {"anyOf": _sources(names)}
    for name in ("training", "final"):
        properties[name] = _kept(properties[name]) | _reference(names[TrainingConfiguration])


def _sources(names: Names) -> list[Schema]:
    return [
        {
            "type": "object",
            "properties": {name: _reference(names[section])},
            "required": [name],
            "additionalProperties": False,
        }
        for name, section in _ANSWERING.items()
    ]


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _name(section: type[BaseModel], definitions: Mapping[str, Schema]) -> str:
    """Return what a section is called: its module before it where two have one name."""
    long = f"{section.__module__.replace('.', '__')}__{section.__name__}"
    return long if long in definitions else section.__name__


def _kept(schema: Schema) -> Schema:
    return {key: schema[key] for key in ("title", "description", "default") if key in schema}


def _collect(part: object, definitions: Mapping[str, Schema], used: dict[str, Schema]) -> None:
    """Put every definition that a part refers to, and those that they refer to, into `used`."""
    if isinstance(part, dict):
        if "oneOf" in part:
            # Without a name, which has a default, a section is valid as several.
            part["anyOf"] = part.pop("oneOf")
            part.pop("discriminator", None)
        reference = part.get("$ref")
        name = str(reference).rpartition("/")[2]
        if isinstance(reference, str) and name not in used:
            used[name] = definitions[name]
            _collect(definitions[name], definitions, used)
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            _collect(one, definitions, used)
