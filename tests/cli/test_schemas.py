"""JSON schemas take what the program takes, and mark what it does not know."""

import json
import re
from pathlib import Path
from typing import Literal

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from docs.reference import __main__ as reference
from docs.reference.schemas import schema_files
from nadyn.cli.check import kind_of_settings
from nadyn.learning.schemas import KINDS, schema_of
from tests.cli.typed import typed

ROOT = Path(__file__).parents[2]
SCHEMAS = {kind: schema_of(kind) for kind in KINDS}
CHECKS = {kind: Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}
FILES = [
    path
    for folder in ("nadyn/shipped", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.yaml"))
    if isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
]
RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"sample": "wigner", "n": 7},
    "method": "fssh",
    "time_fs": 50,
}
LEARN = {"molecule": "a.xyz", "source": {"pyscf": {"method": "sa2-casscf(2,2)/6-31g*"}}}
REQUIRED = {"run": RUN, "train": {}, "learn": LEARN}


def _complaints(kind: str, content: object) -> list[str]:
    return [error.message for error in CHECKS[kind].iter_errors(json.loads(json.dumps(content)))]


@pytest.mark.skipif(
    "enum" in TypeAdapter(Literal["one"]).json_schema(), reason="older pydantic says the same in more words"
)
def test_the_shipped_files_are_those_of_the_program():
    """Where this fails: python -m docs.reference"""
    pages = [path.read_text(encoding="utf-8") for path in reference.pages()]
    for path, text in schema_files(pages):
        assert path.read_text(encoding="utf-8") == text
        Draft202012Validator.check_schema(json.loads(text))
    run = json.loads((ROOT / "nadyn/shipped/schemas/run.schema.json").read_text(encoding="utf-8"))
    assert run["properties"]["dt_fs"]["description"] == "Time step."
    stop = run["$defs"]["StopSection"]["properties"]["novelty"]["description"]
    assert stop.startswith("Largest part of the descriptors")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_come_with_the_program_are_taken(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert _complaints(kind_of_settings(content), content) == []


def test_examples_of_the_documentation_are_taken():
    """They may be a part of a file, but no key of theirs may be unknown."""
    n = 0
    of_sources = {ROOT / "docs" / f"label_{name}.md" for name in ("sources", "sources_pyscf", "function")}
    for page in sorted(set((ROOT / "docs").rglob("*.md")) - of_sources):
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            content = yaml.safe_load(block)
            if (
                not isinstance(content, dict)
                or "…" in block
                or set(content) & {"name", "pyscf", "ase", "python", "folder"}
            ):
                continue
            found = [_complaints(kind, whole | content) for kind, whole in REQUIRED.items()]
            assert min(map(len, found)) == 0, (page.name, block, found)
            n += 1
    assert n > 20


@pytest.mark.parametrize(
    ("kind", "content", "word"),
    [
        ("run", RUN | {"dt": 0.5}, "'dt'"),
        ("run", RUN | {"method": "fsh"}, "'fsh'"),
        ("run", RUN | {"initial": {"sample": "wigner", "m": 7}}, "'m'"),
        ("run", RUN | {"model": {"name": "tuly", "variant": 1}}, "tuly"),
        ("run", RUN | {"model": {"name": "tully", "varient": 1}}, "varient"),
        ("run", RUN | {"model": {"pyscf": {"methd": "hf/sto-3g"}}}, "methd"),
        ("run", RUN | {"decoherence": {"name": "edc", "damp": "populations"}}, "damp"),
        ("run", RUN | {"dt_fs": 0}, "0"),
        ("run", {key: value for key, value in RUN.items() if key != "time_fs"}, "'time_fs'"),
        ("run", RUN | {"method": "csdm", "options": {"speed": 3}}, "speed"),
        ("train", {"encoders": {}}, "'encoders'"),
        ("train", {"encoder": {"name": "moments", "cutoff": 6.0}}, "cutoff"),
        ("train", {"weights": {"forces": 3}}, "'forces'"),
        ("learn", LEARN | {"budget": {"label": 3}}, "'label'"),
        ("learn", LEARN | {"dynamics": {"dt": 1}}, "'dt'"),
        ("learn", LEARN | {"dynamics": {"seed": 1}}, "'seed'"),
        ("learn", LEARN | {"final": {"step": 1}}, "'step'"),
        ("learn", LEARN | {"source": {"folder": {}}}, "folder"),
    ],
)
def test_what_is_misspelt_or_out_of_range_is_marked(kind, content, word):
    complaints = _complaints(kind, content)
    assert complaints and any(word in text for text in complaints)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("run", RUN | {"method": "csdm", "options": None}),
        ("run", RUN | {"decoherence": "none", "model": "a.safetensors"}),
        ("run", RUN | {"isotopes": {"H": 2}, "thermostat": {"temperature_kelvin": 300}}),
        ("train", {}),
        ("learn", LEARN | {"dynamics": {"method": "mash", "dt_fs": 0.25}, "training": {"steps": 9}}),
    ],
)
def test_what_is_allowed_is_taken(kind, content):
    assert _complaints(kind, content) == []


def test_the_command_prints_and_writes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = typed("schema", "run")
    assert code == 0 and json.loads(said)["title"] == "A run file of nadyn"
    assert typed("schema", "learn", "-o", "learn.schema.json")[0] == 0
    assert json.loads(Path("learn.schema.json").read_text(encoding="utf-8"))["properties"]["budget"]
    assert typed("schema", "learn", "-o", "learn.schema.json")[0] == 2
    assert "KIND must be run, train or learn" in typed("schema", "model")[1]
