"""Two run files are told apart by what they do, not by what they say."""

import pytest

from nadyn.analysis import unlike_dynamics as module
from nadyn.analysis.unlike_dynamics import unlike_dynamics
from nadyn.dynamics.decoherence.table import CORRECTIONS
from nadyn.dynamics.initial import InitialSection
from nadyn.dynamics.methods.table import METHODS, stored_configuration
from nadyn.dynamics.run_file import RunConfiguration

BRIEF = {
    "method": "fssh",
    "time_fs": 2.0,
    "initial": {"position_au": -3.0, "momentum_au": 20.0, "n": 5, "state": 0},
}


def stored(**changes):
    return stored_configuration(RunConfiguration.model_validate(BRIEF | changes))


def unlike(here, there, *, spin_adiabatic=False):
    found = unlike_dynamics(here, there, spin_adiabatic=spin_adiabatic)
    return [f"`{key}` {two} instead of {one}" for key, (one, two) in found.items()]


def test_the_defaults_are_those_of_the_run_file():
    fields = RunConfiguration.model_fields
    values = {key: fields[key].default for key in module.DEFAULTS}
    assert values.pop("decoherence").model_dump() == {
        **module.DEFAULTS["decoherence"],
        **module.DEFAULTS_OF_DECOHERENCE["edc"],
    }
    assert values == {key: value for key, value in module.DEFAULTS.items() if key != "decoherence"}
    start = InitialSection.model_fields
    assert {key: start[key].default for key in module.DEFAULTS_OF_START} == module.DEFAULTS_OF_START


def test_the_defaults_of_sections_are_theirs():
    of_options = {
        name: {key: field.default for key, field in method.options.model_fields.items()}
        for name, method in METHODS.items()
        if method.options.model_fields
    }
    assert of_options == module.DEFAULTS_OF_OPTIONS
    for section in CORRECTIONS:
        fields = dict(section.model_fields)
        name = fields.pop("name").annotation.__args__[0]
        optional = {key: field.default for key, field in fields.items() if not field.is_required()}
        assert optional == module.DEFAULTS_OF_DECOHERENCE.get(name, {})


@pytest.mark.parametrize(
    "explicit",
    [
        {"decoherence": {"name": "edc"}},
        {"decoherence": {"name": "edc", "damps": "populations"}},
        {"stop": {}},
        {"stop": {"dissociated": True}},
        {"options": {}},
        {"options": {"probability": "flow"}},
        {"representation": "spin_free"},
        {"rescale": "nac", "frustrated": "keep", "propagation": "local_diabatisation"},
        {"member": 0, "dt_fs": 0.5, "max_energy_step_ev": 0.3},
    ],
)
def test_a_default_given_is_no_difference_to_one_left_out(explicit):
    # As a trajectory file keeps it, and as someone may have written it down.
    for left_out in (stored(), BRIEF):
        for given in (stored(**explicit), BRIEF | explicit):
            assert unlike(left_out, given) == unlike(given, left_out) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decoherence": "none"}, "`decoherence` none instead of {name: edc}"),
        ({"stop": {"dissociated": False}}, "`stop` {dissociated: false} instead of null"),
        ({"options": {"probability": "overlap"}}, "`options` {probability: overlap} instead of null"),
        ({"frustrated": "reverse"}, "`frustrated` reverse instead of keep"),
        ({"member": 2}, "`member` 2 instead of null"),
        ({"dt_fs": 0.25}, "`dt_fs` 0.25 instead of 0.5"),
        (
            {"decoherence": {"name": "edc", "damps": "amplitudes"}},
            "`decoherence` {name: edc, damps: amplitudes} instead of {name: edc}",
        ),
    ],
)
def test_what_is_done_otherwise_is_a_difference_to_what_is_left_out(changes, sentence):
    assert unlike(BRIEF, BRIEF | changes) == [sentence]
    assert len(unlike(stored(), BRIEF | changes)) == 1


def test_a_representation_left_out_is_the_one_of_the_run():
    explicit = BRIEF | {"representation": "spin_adiabatic"}
    assert unlike(BRIEF, explicit, spin_adiabatic=True) == []
    assert unlike(explicit, BRIEF, spin_adiabatic=True) == []
    free = BRIEF | {"representation": "spin_free"}
    assert unlike(BRIEF, free, spin_adiabatic=True) == ["`representation` spin_free instead of null"]


def test_of_two_methods_only_what_both_say_is_compared():
    other = BRIEF | {"method": "ehrenfest"}
    assert unlike(stored(decoherence="none"), other) == ["`method` ehrenfest instead of fssh"]
