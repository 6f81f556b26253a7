"""What a user reads about a configuration: English with the words of the file, nothing of the parser's."""

import re
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.sentences import sentence
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.training.configuration import TrainingConfiguration

RUN = {"initial": {"position_au": -10, "momentum_au": 20, "n": 5}, "method": "fssh", "time_fs": 10}
# Words of pydantic, of Python and of the program's own classes.
FOREIGN = re.compile(
    r"Section|union|Input|instance|tuple|Tuple|dictionary|should|parse|\bNone\b|tag\b|valid "
)


def _said(section, content):
    with pytest.raises(InputError) as caught:
        parse_configuration(content, section, where="file.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"decoherence": "edc"}, "but is 'edc'. Try {name: edc}."),
        ({"decoherence": "shxf"}, "Try {name: shxf, width_bohr: …}."),
        ({"decoherence": None}, "`decoherence` must be none or hold `key: value` pairs with `name`"),
        ({"decoherence": None}, "but is null. Try none."),
        ({"decoherence": False}, "but is false. Try none."),
        ({"decoherence": "granucci"}, "afssh or shxf, but is 'granucci'."),
        (
            {"decoherence": {"name": "sdc"}},
            "`decoherence.name` must be one of edc, sdm, instantaneous, afssh or shxf, but is 'sdc'. Did you",
        ),
        ({"dt_fs": True}, "`dt_fs` must be a number, but is true."),
        ({"seed": False}, "`seed` must be a number, but is false."),
        ({"max_energy_step_ev": True}, "`max_energy_step_ev` must be a number, but is true."),
        ({"decoherence": {}}, "instantaneous, afssh or shxf, but is missing."),
        (
            {"decoherence": {"name": "edc", "xyzzy": 0.2}},
            "`decoherence.xyzzy` is not a known key. Known keys: damps, energy_parameter_hartree, name.",
        ),
        ({"decoherence": {"name": "edc", "damps": "x"}}, "`decoherence.damps` must be populations or amp"),
        ({"decoherence": {"name": "shxf"}}, "`decoherence.width_bohr` must be given, but is missing."),
        ({"thermostat": "langevin"}, "Try {name: langevin, temperature_kelvin: …}."),
        ({"thermostat": {"name": "nose"}}, "`thermostat.name` must be one of langevin, andersen"),
        ({"adaptive": True}, "hold `key: value` pairs (energy_ev, gap_ev, shortest_dt_fs), but is true."),
        ({"laser": 3}, "`laser` must hold `key: value` pairs (bandwidth_ev"),
        ({"initial": "initial.h5"}, "Try {file: initial.h5}."),
        ({"initial": RUN["initial"] | {"position_au": "a"}}, "`initial.position_au` must be a list or"),
        ({"initial": RUN["initial"] | {"position_au": [1, "a"]}}, "`initial.position_au[1]` must be a"),
        ({"model": [1]}, "`model` must be text or hold `key: value` pairs, but is [1]."),
        ({"output": 3}, '`output` must be text, but is 3. Try "3" with quotes.'),
        ({"seed": 1.5}, "`seed` must be a whole number, but is 1.5."),
        ({"friction": {"atoms": 3, "per_ps": 1, "temperature_kelvin": 1}}, "a list, but is 3. Try [3]."),
        ({1: 2}, "`1` must be text, as all keys are, but is 1."),
    ],
)
def test_a_mistake_in_a_run_file_is_one_clear_sentence(content, expected):
    said = _said(RunConfiguration, RUN | content)
    assert expected in said
    assert not FOREIGN.search(said.replace(repr(next(iter(content.values()))), ""))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"model": {"hidden": []}}, "`model.hidden` must have at least 1 entry, but has 0."),
        ({"model": {"hidden": 128}}, "`model.hidden` must be a list, but is 128. Try [128]."),
        ({"model": {"hidden": ["a"]}}, "`model.hidden[0]` must be a whole number, but is 'a'."),
        ({"model": "diabatic"}, "but is 'diabatic'. Try {kind: diabatic}."),
        ({"encoder": "moments"}, "Try {name: moments}."),
        ({"gap_weight": "maybe"}, "`gap_weight` must be true or false, but is 'maybe'."),
    ],
)
def test_a_mistake_in_a_training_file_is_one_clear_sentence(content, expected):
    said = _said(TrainingConfiguration, content)
    assert expected in said
    assert not FOREIGN.search(said)


class _Probe(Configuration):
    value: Annotated[float, Field(gt=0)]


@pytest.mark.parametrize("known", list_all_errors(), ids=lambda known: known["type"])
def test_every_error_that_pydantic_knows_becomes_a_sentence_about_the_key(known):
    context = known.get("example_context") or {}
    if "error" in context:
        context = {"error": "`value` must be even, but is 5."}
    details = {"type": known["type"], "loc": ("value",), "input": 5} | ({"ctx": context} if context else {})
    error = ValidationError.from_exception_data("_Probe", [details])
    said = sentence(error, _Probe, "file.yaml")
    assert re.fullmatch(r"file\.yaml: (`value|[A-Za-z]).*[.?]", said, flags=re.DOTALL)
    assert not re.search(r"Input|must (?:Input|[A-Z]|should)|Value error|Assertion", said)


class _Named(Configuration):
    name: Literal["first"]


class _Other(Configuration):
    name: Literal["second"]
    width: float


class _Holder(Configuration):
    part: Annotated[_Named | _Other, Field(discriminator="name")]
    table: dict[str, float] = Field(default_factory=dict)


def test_a_section_told_by_its_name_is_named_as_in_the_file():
    assert "`part.width` must be a number" in _said(_Holder, {"part": {"name": "second", "width": "x"}})
    assert "Known keys: name." in _said(_Holder, {"part": {"name": "first", "colour": "x"}})
    good = {"part": {"name": "first"}}
    assert "`table.a` must be a number" in _said(_Holder, good | {"table": {"a": "x"}})
