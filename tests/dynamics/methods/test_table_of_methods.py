"""The table of methods, and what a method may remember of a trajectory."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_molecule import ToyMolecule, start

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import METHODS, check_states, find_method, stored_configuration
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import from_arrays, select, take_back, to_arrays

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def configuration(**keys):
    content = {"initial": {"position_au": -4, "momentum_au": 20, "n": 3}, "time_fs": 5, **keys}
    return parse_configuration(content, RunConfiguration, where="run")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"method": "fsssh"}, r"`method` must be a known one, but is .fsssh.. Did you mean fssh\?"),
        (
            {"method": "nve", "rescale": "nac"},
            "`rescale` must be left out for method nve.*: fssh",
        ),
        ({"method": "fssh", "thermostat": {"temperature_kelvin": 3}}, "`thermostat` must be left out.*: nvt"),
        ({"method": "nve", "options": {"speed": 3}}, "`options` of method nve: `speed` is not a known key"),
    ],
)
def test_unknown_methods_and_strange_keys_are_refused_with_what_there_is(keys, sentence):
    with pytest.raises(InputError, match=sentence):
        find_method(configuration(**keys))


@pytest.mark.parametrize("method", ["mash", "multistate_mash"])
def test_a_hop_of_mash_that_cannot_be_paid_turns_around_and_may_be_told_to(method):
    for value in ("keep", "jasper_truhlar"):
        with pytest.raises(
            InputError, match=rf"`frustrated` must be reverse for method {method}, .* but is {value}"
        ):
            find_method(configuration(method=method, frustrated=value))
    told = configuration(method=method, frustrated="reverse")
    assert find_method(told) is METHODS[method]
    # It says nothing new, and the file of the run is the same with and without it.
    assert stored_configuration(told) == stored_configuration(configuration(method=method))
    with pytest.raises(InputError, match="`rescale` must be left out"):
        find_method(configuration(method=method, rescale="isotropic"))


def test_a_stored_run_file_has_the_keys_of_its_method_only_and_can_be_run_again():
    for name in METHODS:
        stored = stored_configuration(configuration(method=name))
        assert ("rescale" in stored) == ("rescale" in METHODS[name].keys)
        given = {key: value for key, value in stored.items() if value is not None and key != "initial"}
        assert find_method(configuration(**given)) is METHODS[name]


def test_one_state_is_too_few_for_some_methods():
    with pytest.raises(InputError, match=r"`method` fssh must have a model of two states or more, but toy"):
        check_states(configuration(method="fssh"), ToyMolecule(n_states=1))
    check_states(configuration(method="nve"), ToyMolecule(n_states=1))


def with_memory(n_traj):
    model = ToyMolecule()
    state = start_in_state(model, *start(n_traj), masses=model.masses, active_state=1)
    generator = torch.Generator().manual_seed(1)
    moments = torch.randn(n_traj, 2, 5, dtype=torch.float64, generator=generator)
    spin = torch.randn(n_traj, 7, dtype=torch.complex128, generator=generator)
    return replace(state, extra={"moments": moments, "spin": spin, "count": torch.arange(n_traj)})


def test_what_a_method_remembers_goes_with_its_trajectory():
    state = with_memory(9)
    some = select(state, torch.tensor([4, 2]))
    assert torch.equal(some.extra["spin"], state.extra["spin"][[4, 2]])
    changed = replace(state, extra={name: array + 1 for name, array in state.extra.items()})
    back = take_back(changed, state, torch.arange(9) == 3)
    for name, array in state.extra.items():
        assert torch.equal(back.extra[name][3], array[3])
        assert torch.equal(back.extra[name][4:], array[4:] + 1)


def test_what_a_method_remembers_survives_a_checkpoint_bit_for_bit():
    state = with_memory(9)
    arrays = to_arrays(state)
    assert all(isinstance(array, np.ndarray) and not np.iscomplexobj(array) for array in arrays.values())
    back = from_arrays(arrays, 3)
    assert back.step == 3 and back.extra.keys() == state.extra.keys()
    for name, array in state.extra.items():
        assert back.extra[name].dtype == array.dtype and torch.equal(back.extra[name], array)


def test_a_checkpoint_without_memory_is_read_as_one():
    state = replace(with_memory(4), extra={})
    assert from_arrays(to_arrays(state), 0).extra == {}
