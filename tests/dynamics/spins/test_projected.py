"""Spin-adiabatic states of learned blocks with surplus rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.spin_coupled import spin_coupled

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.spins.hamiltonian import spin_energies_and_eigenvectors, spin_gradients, spin_surface
from nadyn.dynamics.spins.projected import projected_spin_hamiltonian
from nadyn.dynamics.spins.unitary_step import unitary_step
from nadyn.electronic.crossings.of_model import landscape_of_model
from nadyn.electronic.surfaces import surfaces
from nadyn.models.spin_states import spin_states

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)
N_SPIN_STATES = 2 + 3 * 3


def _geometries(n, seed=2):
    noise = torch.randn(n, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return GEOMETRY + 0.1 * noise


def _spin_matrix(multiplicity):
    s = 0.5 * (multiplicity - 1)
    m = np.arange(-s, s + 1)
    plus = np.diag(np.sqrt(s * (s + 1) - m[:-1] * (m[:-1] + 1)), -1)
    return np.stack([(plus + plus.T) / 2, (plus - plus.T) / 2j, np.diag(m).astype(complex)])


def by_hand(model, positions):
    """Levels of each block, and between their states i v.S for triplets, i v.e_M for singlet and triplet."""
    parts = [surfaces(block, positions) for block in model.blocks]
    v = model.spin_orbit_vectors(positions).numpy()
    rows = np.cumsum([0] + [block.n_basis for block in model.blocks])
    u = [part.eigenvectors.numpy() for part in parts]
    between = [
        [
            np.einsum("tak,tabx,tbl->tklx", u[a], v[:, rows[a] : rows[a + 1], rows[b] : rows[b + 1]], u[b])
            for b in (0, 1)
        ]
        for a in (0, 1)
    ]
    root = np.sqrt(0.5)
    # <S|H|T_M> = i v·e_M for M = -1, 0, 1.
    e = np.array([[root, -1j * root, 0], [0, 0, 1], [-root, -1j * root, 0]])
    n = len(positions)
    full = np.zeros((n, N_SPIN_STATES, N_SPIN_STATES), complex)
    full[:, [0, 1], [0, 1]] = parts[0].energies.numpy()
    for m in range(3):
        mine = 2 + 3 * m + np.arange(3)
        full[:, mine, mine] = parts[1].energies.numpy()
        full[:, :2, mine] = 1j * np.einsum("tklx,x->tkl", between[0][1], e[m])
        full[:, mine, :2] = full[:, :2, mine].conj().swapaxes(1, 2)
        for k in range(3):
            other = 2 + 3 * k + np.arange(3)
            full[:, mine[:, None], other] += 1j * np.einsum(
                "tklx,x->tkl", between[1][1], _spin_matrix(3)[:, m, k]
            )
    return full


def test_energies_are_those_of_a_matrix_made_by_hand():
    model, positions = spin_coupled(), _geometries(6)
    surface = spin_surface(
        model, projected_spin_hamiltonian(model), positions, torch.zeros(6, dtype=torch.int64)
    )
    full = by_hand(model, positions)
    assert np.abs(full - full.conj().swapaxes(1, 2)).max() < 1e-14
    expected = np.linalg.eigvalsh(full)
    assert np.abs(surface.energies.numpy() - expected).max() < 1e-11
    # The coupling matters.
    free = np.sort(np.diagonal(full, axis1=1, axis2=2).real, axis=1)
    assert np.abs(expected - free).max() > 1e-5
    assert float(surface.surplus_gap.min()) < 10.0


def test_forces_are_minus_the_slopes_of_the_energies_with_what_the_states_space_does():
    model, positions, h = spin_coupled(), _geometries(N_SPIN_STATES), 1e-4
    states = torch.arange(N_SPIN_STATES)
    problem = projected_spin_hamiltonian(model)
    force = spin_surface(model, problem, positions, states).force
    for atom, axis in ((0, 2), (3, 0)):
        shift = torch.zeros(4, 3, dtype=torch.float64)
        shift[atom, axis] = h
        up, down = (np.linalg.eigvalsh(by_hand(model, positions + sign * shift)) for sign in (1, -1))
        slope = ((up - down) / (2 * h))[np.arange(len(states)), np.arange(len(states))]
        assert np.abs(force[:, atom, axis].numpy() + slope).max() < 2e-6
    # Without the part of the surplus rows they are not.
    without = replace(problem)
    object.__setattr__(without, "_of_turning", lambda known, left, right: torch.zeros(()))
    wrong = spin_surface(model, without, positions, states).force
    assert float((wrong - force).abs().max()) > 1e-4


def test_couplings_of_two_states_are_those_of_finite_differences():
    model, positions, h = spin_coupled(), _geometries(1, seed=5), 1e-4
    problem = projected_spin_hamiltonian(model)
    _, u = spin_energies_and_eigenvectors(model, problem, positions)
    left, right = u[:, :, 2], u[:, :, 5]
    found = spin_gradients(model, problem, positions, left, right)[0]
    shift = torch.zeros(4, 3, dtype=torch.float64)
    shift[1, 1] = h

    def element(where):
        """left† P(W + H_SO)P right at another geometry, with the projector of that geometry."""
        energies, vectors = spin_energies_and_eigenvectors(model, problem, where)
        onto = vectors[0].mH @ torch.stack([left[0], right[0]], dim=1)
        return float((onto[:, 0].conj() @ (energies[0].to(onto.dtype) * onto[:, 1])).real)

    slope = (element(positions + shift) - element(positions - shift)) / (2 * h)
    assert float(found[1, 1]) == pytest.approx(slope, abs=1e-6)
    assert abs(slope) > 1e-4


def test_levels_do_not_change_when_the_molecule_is_turned_or_reflected():
    model, positions = spin_coupled(), _geometries(3)
    problem = projected_spin_hamiltonian(model)
    before, _ = spin_energies_and_eigenvectors(model, problem, positions)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    for one in (turn, -turn):
        after, _ = spin_energies_and_eigenvectors(model, problem, positions @ one.T)
        torch.testing.assert_close(after, before, rtol=0, atol=1e-11)


def test_a_step_is_unitary_and_small_steps_are_one_long_one():
    model = spin_coupled()
    problem = projected_spin_hamiltonian(model)
    start, end = _geometries(2), _geometries(2) + 0.02
    c = torch.randn(2, N_SPIN_STATES, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))

    def through(n_steps):
        amplitudes, before = None, spin_energies_and_eigenvectors(model, problem, start)
        now = c
        for step in range(1, n_steps + 1):
            after = spin_energies_and_eigenvectors(model, problem, start + (end - start) * (step / n_steps))
            made = unitary_step(now, before, after, dt=8.0 / n_steps)
            assert float(made.smallest_overlap.min()) > 0.9
            now, before = made.coefficients, after
        amplitudes = before[1] @ now[:, :, None]
        return amplitudes[:, :, 0]

    coarse, fine = through(4), through(16)
    torch.testing.assert_close(coarse.norm(dim=1), c.norm(dim=1), rtol=1e-12, atol=0)
    assert float((coarse - fine).abs().max()) < 0.02 * float(c.norm(dim=1).max())


def test_a_trajectory_does_not_depend_on_its_batch():
    model, positions = spin_coupled(), _geometries(9)
    problem = projected_spin_hamiltonian(model)
    states = torch.arange(9)
    together = spin_surface(model, problem, positions, states)
    alone = spin_surface(model, problem, positions[4:5], states[4:5])
    assert torch.equal(together.energies[4:5], alone.energies)
    assert torch.equal(together.force[4:5], alone.force)
    assert torch.equal(together.eigenvectors[4:5], alone.eigenvectors)


def test_levels_of_w_are_ordered_by_spin_and_surplus_comes_last():
    model, positions = spin_coupled(), _geometries(3)
    found = surfaces(model, positions)
    for block, own in zip(model.blocks, (slice(0, 2), slice(2, 5)), strict=True):
        alone = surfaces(block, positions)
        torch.testing.assert_close(found.energies[:, own], alone.energies, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.forces[:, own], alone.forces, rtol=0, atol=1e-12)
    gaps = torch.stack([surfaces(block, positions).surplus_gap for block in model.blocks])
    torch.testing.assert_close(found.surplus_gap, gaps.amin(dim=0), rtol=0, atol=1e-12)
    assert model.multiplicities == (1, 1, 3, 3, 3)
    assert len(spin_states(model.multiplicities).row) == N_SPIN_STATES


def test_blocks_that_do_not_belong_together_are_refused():
    model = spin_coupled()
    singlets, triplets = model.blocks
    for blocks, sentence in (
        ((triplets, singlets), "ascending"),
        ((singlets,), "no spin-orbit coupling among themselves"),
        ((singlets, replace(triplets, multiplicities=())), "one multiplicity"),
        ((singlets, triplets.for_atoms((7, 1, 1, 6))), "the same atoms"),
        ((singlets, replace(triplets, cell=20 * torch.eye(3).double(), pbc=(True,) * 3)), "periodic cell"),
    ):
        with pytest.raises(InputError, match=sentence):
            replace(model, blocks=blocks)


@pytest.mark.parametrize(
    "keys, sentence",
    [
        ({"method": "ehrenfest"}, "has states of several spins"),
        ({"representation": "spin_free"}, "whose spins are learned apart"),
        (
            {
                "laser": {
                    "peak_field_au": 0.01,
                    "photon_energy_ev": 3.0,
                    "fwhm_fs": 5.0,
                    "centre_fs": 9.0,
                    "polarisation": [0, 0, 1],
                }
            },
            "which has no dipoles",
        ),
    ],
)
def test_what_does_not_go_is_refused(keys, sentence):
    content = {"initial": {"file": "initial.h5"}, "method": "fssh", "dt_fs": 0.5, "time_fs": 1.0, **keys}
    model = spin_coupled()
    config = parse_configuration(content, RunConfiguration, where="run.yaml")
    with pytest.raises(InputError, match=sentence):
        motion_of(config, model, model.masses)
    with pytest.raises(InputError, match="states of one spin for a search of crossings"):
        landscape_of_model(model)
