"""States whose basis turns with the molecule: motion on a mean keeps energy and angular momentum together."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.ehrenfest import Ehrenfest, ehrenfest_step
from nadyn.dynamics.methods.mean_field import begin_on_mean
from nadyn.dynamics.nuclei.rigid_motion import turned_halfway
from nadyn.electronic.surfaces import energies_and_eigenvectors, surfaces
from nadyn.models.analytic.molecules import renner_teller

sys.path.append(str(Path(__file__).parents[2]))
from contracts.untrained import untrained

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.9], [1.1, 1.8, 0.0], [-2.0, 0.2, 0.1], [1.0, -1.7, -0.1]], dtype=torch.float64
)


def vectors_in_the_basis(basis="1x0e + 1x1o", n_states=2, offsets=(0.0, 0.02)):
    return untrained("moments", basis, n_states=n_states, offsets=offsets).double()


def tumbling(model, n_traj, *, momentum=10.0, seed=2):
    """A batch with angular momentum, in a superposition of all states."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_traj, len(model.masses), 3)
    reference = GEOMETRY if len(model.masses) == 4 else model.starting_geometry
    positions = reference + 0.1 * torch.randn(shape, generator=generator, dtype=torch.float64)
    momenta = momentum * torch.randn(shape, generator=generator, dtype=torch.float64)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=1)
    c = torch.randn(n_traj, model.n_states, 2, generator=generator, dtype=torch.float64)
    c = torch.view_as_complex(c / c.flatten(1).norm(dim=1)[:, None, None])
    return begin_on_mean(replace(state, coefficients=c), model, model.masses)


def rotation(seed):
    generator = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    return q * torch.linalg.det(q)


@pytest.mark.parametrize("basis", ["1x0e + 1x1o", "2x0e + 1x0o + 1x1o + 1x1e"])
def test_a_rotation_as_a_whole_changes_no_state(basis):
    model = vectors_in_the_basis(basis, 3, None if "0o" in basis else (0.0, 0.02))
    state = tumbling(model, 4)
    for seed in (1, 2):
        positions = state.positions @ rotation(seed).T
        _, turned = energies_and_eigenvectors(model, positions)
        old, new = turned_halfway(model, model.masses, state.positions, positions, state.eigenvectors, turned)
        overlap = old.mT @ new
        assert float((overlap.abs() - torch.eye(3, dtype=torch.float64)).abs().max()) < 1e-9
        # Without it the states of a vector do not know each other again.
        assert float((state.eigenvectors.mT @ turned).abs().diagonal(dim1=1, dim2=2).min()) < 0.9


def test_a_model_says_which_rows_turn():
    assert vectors_in_the_basis("2x0e + 1x0o + 1x1o + 1x1e", 3, None).vector_rows == (3, 6)
    assert vectors_in_the_basis("3x0e", offsets=None).vector_rows == ()
    assert renner_teller().vector_rows == (0,)


@pytest.mark.parametrize("build", [vectors_in_the_basis, renner_teller])
def test_motion_on_a_mean_keeps_energy_and_angular_momentum_while_the_molecule_tumbles(build):
    model, errors = build(), []
    for dt in (8.0, 4.0):
        state = begun = tumbling(model, 10)
        for _ in range(int(96 / dt)):
            state = ehrenfest_step(state, model, Ehrenfest(dt=dt, masses=model.masses)).state
        angular = [torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (begun, state)]
        assert float(angular[0].norm(dim=1).min()) > 5.0
        assert float((angular[1] - angular[0]).abs().max()) < 1e-10
        assert float((state.momenta - begun.momenta).sum(1).abs().max()) < 1e-10
        errors.append(float(state.energy_error_max.max()))
    # Of second order in the step: work that the missing torque does not do would stay as an error.
    assert errors[1] < 0.35 * errors[0]
    # The torque that the mean force would have exerted is no small one.
    result = surfaces(model, begun.positions)
    h = result.interstate_coupling[:, 0, 1]
    torque = torch.linalg.cross(begun.positions, h).sum(1)
    assert float(torque.norm(dim=1).median()) > 1e-4


def test_motion_on_a_mean_runs_back_while_the_molecule_tumbles():
    model = vectors_in_the_basis()
    first = state = tumbling(model, 6)
    for _ in range(2):
        for _ in range(8):
            state = ehrenfest_step(state, model, Ehrenfest(dt=4.0, masses=model.masses)).state
        state = replace(state, momenta=-state.momenta, coefficients=state.coefficients.conj().resolve_conj())
    assert float((state.positions - first.positions).abs().max()) < 1e-9


def test_a_molecule_that_starts_turned_moves_the_same_way_turned():
    model, turn = vectors_in_the_basis(), rotation(5)
    first = tumbling(model, 6)
    energies, vectors = energies_and_eigenvectors(model, first.positions @ turn.T)
    # The signs of the turned eigenvectors are those of the states before.
    expected = first.eigenvectors.clone()
    expected[:, 1:] = turn @ expected[:, 1:]
    signs = torch.sign((vectors * expected).sum(1))
    other = replace(
        first,
        positions=first.positions @ turn.T,
        momenta=first.momenta @ turn.T,
        energies=energies,
        eigenvectors=vectors,
        coefficients=first.coefficients * signs,
    )
    other = begin_on_mean(other, model, model.masses)
    for _ in range(6):
        first, other = (
            ehrenfest_step(s, model, Ehrenfest(dt=4.0, masses=model.masses)).state for s in (first, other)
        )
    assert float((other.positions - first.positions @ turn.T).abs().max()) < 1e-9
    assert float((other.coefficients.abs() - first.coefficients.abs()).abs().max()) < 1e-9
