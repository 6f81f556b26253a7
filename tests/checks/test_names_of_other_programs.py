"""A key by the name that another program has for it is answered with the name it has here."""

import pytest

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.table import METHODS, find_method
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.training.configuration import TrainingConfiguration

RUN = {"initial": {"position_au": -10, "momentum_au": 20, "n": 5}, "method": "fssh", "time_fs": 10}


def _said(section, content):
    with pytest.raises(InputError) as caught:
        parse_configuration(content, section, where="file.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("timestep", "dt_fs"),
        ("stepsize", "dt_fs"),
        ("dtstep", "dt_fs"),
        ("dt", "dt_fs"),
        ("nsteps", "time_fs"),
        ("tmax", "time_fs"),
        ("time", "time_fs"),
        ("ntraj", "initial.n"),
        ("initial_state", "initial.state"),
        ("rngseed", "seed"),
        ("ekincorrect", "rescale"),
        ("stop_at", "stop"),
    ],
)
def test_a_key_of_another_program_in_a_run_file(name, meant):
    assert f"`{name}` is not a known key. Did you mean `{meant}`?" in _said(RunConfiguration, RUN | {name: 1})


def test_a_word_that_several_sections_could_mean_names_them_all():
    meant = "`initial.temperature_kelvin` or `thermostat.temperature_kelvin`"
    assert f"`temp` is not a known key. Did you mean {meant}?" in _said(RunConfiguration, RUN | {"temp": 1})


def test_a_key_in_the_wrong_section_is_sent_to_the_right_one():
    of_run, of_training = (
        _said(RunConfiguration, RUN | {"n": 1}),
        _said(TrainingConfiguration, {"hidden": [3]}),
    )
    assert "`n` is not a known key. It belongs under `initial:`." in of_run
    assert "`hidden` is not a known key. It belongs under `model:`." in of_training


@pytest.mark.parametrize(
    ("section", "name", "meant"),
    [
        ({"decoherence": {"name": "edc", "alpha": 0.1}}, "alpha", "energy_parameter_hartree"),
        ({"decoherence": {"name": "sdm", "c": 0.1}}, "c", "energy_parameter_hartree"),
        ({"thermostat": {"temperature_kelvin": 300, "gamma": 1}}, "gamma", "friction_per_ps"),
    ],
)
def test_a_key_of_another_program_that_a_section_declares_itself(section, name, meant):
    assert f"`{name}` is not a known key. Did you mean `{meant}`?" in _said(
        RunConfiguration, RUN | section
    ).replace("decoherence.", "").replace("thermostat.", "")


def test_the_number_of_states_is_said_to_be_that_of_the_model():
    said = _said(RunConfiguration, RUN | {"nstates": 3})
    assert "`nstates` is not a known key. The number of states is that of the data and of the model." in said


@pytest.mark.parametrize(
    ("content", "meant"),
    [
        ({"encoder": {"cutoff": 5}}, "cutoff_angstrom"),
        ({"encoder": {"r_cut": 5}}, "cutoff_angstrom"),
        ({"cutoff": 5}, "encoder.cutoff_angstrom"),
        ({"lr": 1e-3}, "learning_rate"),
        ({"max_epochs": 3}, "epochs"),
        ({"model": {"layers": [3]}}, "hidden"),
        ({"force_weight": 3}, "weights.force"),
    ],
)
def test_a_key_of_another_program_in_a_training_file(content, meant):
    assert f"is not a known key. Did you mean `{meant}`?" in _said(TrainingConfiguration, content)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tsh", "fssh"),
        ("FSSH", "fssh"),
        ("Fssh", "fssh"),
        ("surface-hopping", "fssh"),
        ("LZSH", "landau_zener"),
    ],
)
def test_a_method_by_another_name(name, meant):
    assert meant in METHODS
    config = RunConfiguration.model_validate(RUN | {"method": name})
    with pytest.raises(InputError, match=rf"Did you mean {meant}\?"):
        find_method(config)
