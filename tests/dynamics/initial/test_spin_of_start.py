"""A state counted among those of one multiplicity: the start is on that state of the block of its spin."""

import numpy as np
import pytest
import torch

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.electronic.state_spins import state_multiplicities
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic import sulfur_dioxide, tully

WAY = {"sample": "wigner", "n": 60}


@pytest.fixture(scope="module")
def model():
    return sulfur_dioxide("triplets")


def _states(model, **given):
    initial = sample(model, InitialSection(**WAY, **given), seed=2)
    states = np.full(len(initial.weight), initial.state) if initial.states is None else initial.states
    return initial, states


def _of_block(model, positions, rows):
    """Energies of the block of W that these rows are, diagonalised by itself."""
    matrix = model.evaluate(torch.from_numpy(positions)).hamiltonian.numpy()
    return np.linalg.eigvalsh(matrix[:, rows][:, :, rows])


@pytest.mark.parametrize(("multiplicity", "rows"), [(1, [0, 1, 2]), (3, [3, 4, 5])])
@pytest.mark.parametrize("state", [0, 1, 2])
def test_the_start_is_on_that_state_of_its_own_block(model, multiplicity, rows, state):
    initial, states = _states(model, state=state, multiplicity=multiplicity)
    energies = energies_and_eigenvectors(model, torch.from_numpy(initial.positions))[0].numpy()
    started = energies[np.arange(len(states)), states]
    np.testing.assert_allclose(started, _of_block(model, initial.positions, rows)[:, state], atol=1e-12)
    assert not initial.notices


def test_a_state_of_all_multiplicities_that_light_does_not_reach_is_said(model):
    initial, states = _states(model, state=2)
    spins = state_multiplicities(model, initial.positions)[:, 2]
    triplets = int((spins == 3).sum())
    assert 0 < triplets < len(spins) and set(states) == {2}
    (notice,) = initial.notices
    assert notice.startswith(f"{triplets} of 60 trajectories start with another multiplicity")
    assert "give `multiplicity: 1`" in notice
    # Always a triplet, and never: the ground state, and a state in which all is said.
    assert _states(model, state=1)[0].notices[0].startswith("60 of 60")
    assert not _states(model, state=0)[0].notices
    assert not _states(model, diabatic_state=2)[0].notices


def test_states_of_a_file_are_counted_among_those_of_one_multiplicity_too(model, tmp_path):
    from nadyn.trajectory.initial_conditions import write_initial_conditions

    written, states = _states(model, state=1, multiplicity=1)
    assert len(set(states)) > 1
    path = str(tmp_path / "starts.h5")
    write_initial_conditions(path, written)
    read = sample(model, InitialSection(file=path), seed=1)
    np.testing.assert_array_equal(read.states, states)
    other = sample(model, InitialSection(file=path, state=0, multiplicity=3, n=20), seed=1)
    spins = state_multiplicities(model, other.positions)
    chosen = np.full(20, other.state) if other.states is None else other.states
    assert (spins[np.arange(20), chosen] == 3).all()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"state": 3, "multiplicity": 1}, "from 0 to 2 among the states of multiplicity 1"),
        ({"state": 0, "multiplicity": 2}, "must be one of 1, 3"),
    ],
)
def test_a_state_that_the_model_has_not_is_refused(model, given, sentence):
    with pytest.raises(InputError, match=sentence):
        sample(model, InitialSection(**WAY, **given), seed=1)


def test_a_multiplicity_alone_or_of_a_model_without_spins_is_refused():
    with pytest.raises(InputError, match="must stand beside `state`"):
        parse_configuration({**WAY, "multiplicity": 1}, InitialSection, where="x")
    start = {"position_au": -5, "momentum_au": 10, "n": 2, "state": 0, "multiplicity": 1}
    with pytest.raises(InputError, match="states are of one kind"):
        sample(tully(1), InitialSection(**start), seed=1)
