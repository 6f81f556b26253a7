"""Surface hopping among spin-adiabatic states."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from spin_models import SpinCrossing, SpinMolecule
from toy_molecule import start

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.hops.probabilities import flow_probabilities
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.dynamics.methods.table import find_method, motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.spins.hamiltonian import spin_energies_and_eigenvectors, spin_hamiltonian, spin_surface
from nadyn.dynamics.spins.spin_adiabatic import spin_adiabatic
from nadyn.dynamics.spins.unitary_step import unitary_step
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic import sulfur_dioxide, tully
from nadyn.trajectory import open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def coordinates(n, *, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 1, dtype=torch.float64, generator=generator)


def options_of(model, *, dt=10.0, seed=3, **keys):
    states = spin_adiabatic(model, model.masses, seed=seed, dt=dt)
    return Fssh(dt=dt, seed=seed, masses=model.masses, states=states, **keys)


def by_hand(model, q):
    """W of the singlets once, W of the triplets three times, and the spin-orbit matrix."""
    w = model.evaluate(q).hamiltonian.numpy()
    full = np.zeros((len(q), 12, 12), complex)
    full[:, :3, :3] = w[:, :3, :3]
    for first in (3, 6, 9):
        full[:, first : first + 3, first : first + 3] = w[:, 3:, 3:]
    return full + model.spin_orbit.numpy()


def test_spin_adiabatic_energies_of_sulfur_dioxide_are_those_of_a_direct_diagonalisation():
    model, q = sulfur_dioxide("triplets"), coordinates(40)
    surface = spin_surface(model, spin_hamiltonian(model), q, torch.zeros(40, dtype=torch.int64))
    expected = np.linalg.eigvalsh(by_hand(model, q))
    assert np.abs(surface.energies.numpy() - expected).max() < 1e-12
    u = surface.eigenvectors
    rebuilt = (u * surface.energies[:, None]) @ u.mH
    assert np.abs(rebuilt.numpy() - by_hand(model, q)).max() < 1e-12


def test_forces_are_minus_the_slopes_of_the_spin_adiabatic_energies():
    model, q, h = sulfur_dioxide("triplets"), coordinates(12), 1e-5
    states = torch.arange(12)
    force = spin_surface(model, spin_hamiltonian(model), q, states).force[:, :, 0]
    for mode in range(3):
        shift = torch.zeros(3, 1, dtype=torch.float64)
        shift[mode] = h
        up, down = (np.linalg.eigvalsh(by_hand(model, q + sign * shift)) for sign in (1, -1))
        slope = ((up - down) / (2 * h))[np.arange(12), np.arange(12)]
        assert np.abs(force[:, mode].numpy() + slope).max() < 1e-6


def test_a_step_is_the_exponential_of_the_mean_hamiltonian_in_the_diabatic_basis():
    model, q, dt = sulfur_dioxide("triplets"), coordinates(3), 20.0
    hamiltonian = spin_hamiltonian(model)
    old, new = (spin_energies_and_eigenvectors(model, hamiltonian, x) for x in (q, q + 0.1))
    c = torch.randn(3, 12, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    made = unitary_step(c, old, new, dt=dt)
    mean = 0.5 * (by_hand(model, q) + by_hand(model, q + 0.1))
    for row in range(3):
        expected = expm(-1j * dt * mean[row]) @ old[1][row].numpy() @ c[row].numpy()
        found = new[1][row].numpy() @ made.coefficients[row].numpy()
        assert np.abs(found - expected).max() < 1e-12


def test_the_choice_of_eigenvectors_does_not_matter():
    model = replace(sulfur_dioxide("triplets"), spin_orbit=None)
    hamiltonian, q = spin_hamiltonian(model), coordinates(5)
    generator = torch.Generator().manual_seed(4)
    old, new = (spin_energies_and_eigenvectors(model, hamiltonian, x) for x in (q, q + 0.05))

    def other_choice(energies, vectors):
        """Any unitary mixing of states of equal energy, phases included."""
        mix = torch.randn(5, 12, 12, dtype=torch.complex128, generator=generator)
        equal = (energies[:, :, None] - energies[:, None, :]).abs() < 1e-12
        left, _, right = torch.linalg.svd(torch.where(equal, mix, 0.0))
        return energies, vectors @ left @ right

    amplitudes = torch.randn(5, 12, 1, dtype=torch.complex128, generator=generator)
    results = []
    for before, after in ((old, new), (other_choice(*old), other_choice(*new))):
        c = (before[1].mH @ amplitudes)[:, :, 0]
        made = unitary_step(c, before, after, dt=20.0)
        results.append((after[1] @ made.coefficients[:, :, None])[:, :, 0])
    # Three equal eigenvalues in the mixing: the test is none if there are not.
    assert int(((old[0][:, :, None] - old[0][:, None, :]).abs() < 1e-12).sum()) == 5 * (3 + 27)
    assert float((results[0] - results[1]).abs().max()) < 1e-12


def test_hopping_probability_and_direction_do_not_know_phases():
    model = sulfur_dioxide("triplets")
    q = coordinates(6)
    state = start_in_diabatic_state(model, q, q, masses=model.masses, diabatic_state=1, seed=1)
    state = options_of(model).states.begin(state, model)
    moved = spin_energies_and_eigenvectors(model, spin_hamiltonian(model), q + 0.1)
    generator = torch.Generator().manual_seed(9)
    phase = torch.exp(2j * torch.pi * torch.rand(6, 12, generator=generator).double())
    turned = replace(
        state,
        eigenvectors=state.eigenvectors * phase[:, None],
        coefficients=state.coefficients * phase.conj(),
    )
    rows, target = torch.arange(6), (state.active_state + 1) % 12
    found = []
    for one, vectors in ((state, moved[1]), (turned, moved[1] * phase[:, None].roll(1, 2))):
        made = unitary_step(one.coefficients, (one.energies, one.eigenvectors), (moved[0], vectors), dt=20.0)
        chance = flow_probabilities(one.coefficients, made.coefficients, made.propagator, one.active_state)
        found.append((chance, *options_of(model).states.couplings(one, model, rows, target)))
    assert float(found[0][2].abs().max()) > 0.0
    for first, second in zip(*found, strict=True):
        assert float((first - second).abs().max()) < 1e-12


def crossing_run(model, options, *, n=64, steps=80, begin=fssh_begin):
    generator = torch.Generator().manual_seed(5)
    x = -1.5 + 0.1 * torch.randn(n, 1, 1, dtype=torch.float64, generator=generator)
    p = 12.0 + torch.randn(n, 1, 1, dtype=torch.float64, generator=generator)
    state = start_in_state(model, x, p, masses=model.masses, active_state=1)
    state, n_hops = begin(state, model, options), 0
    for _ in range(steps):
        step = fssh_step(state, model, options)
        state, n_hops = step.state, n_hops + int(step.hops.accepted.sum())
    return state, n_hops


@pytest.mark.parametrize("phase", [1.0, 1j])
def test_a_coupling_of_spins_does_what_the_same_coupling_in_w_does(phase):
    """Two states of one spin: whether W or the constant matrix holds the coupling is a matter of words."""
    size, zero = 0.004, torch.zeros(2, 2, dtype=torch.complex128)
    matrix = torch.tensor([[0.0, phase], [np.conj(phase), 0.0]], dtype=torch.complex128) * size
    spin = SpinCrossing(multiplicities=(1, 1), spin_orbit=matrix)
    plain = SpinCrossing(multiplicities=(1, 1), spin_orbit=zero, coupling=size)
    # A diabatic state is no eigenstate here, so that both have to begin from the same coefficients.
    reference, hops = crossing_run(plain, Fssh(dt=10.0, seed=3, masses=plain.masses))
    options = options_of(spin)
    found, found_hops = crossing_run(spin, options, begin=_on_upper)
    assert found_hops == hops > 10
    assert torch.equal(found.active_state, reference.active_state)
    assert float((found.positions - reference.positions).abs().max()) < 1e-10
    assert float((found.coefficients.abs() - reference.coefficients.abs()).abs().max()) < 1e-10


def _on_upper(state, model, options):
    surface = options.states.surface_at(model, state.positions, state.active_state)
    kinetic = state.total_energy - state.energies[:, 1]
    total = kinetic + surface.energies[:, 1]
    return replace(
        state, energies=surface.energies, eigenvectors=surface.eigenvectors, force=surface.force,
        total_energy=total, reference_total_energy=total,
    )  # fmt: skip


def test_without_spin_orbit_coupling_all_goes_as_in_the_spin_free_run():
    model = replace(sulfur_dioxide("triplets"), spin_orbit=None)
    q = 0.7 * coordinates(250)
    state = start_in_state(model, q, 0.5 * q.flip(0), masses=model.masses, active_state=4)
    # Singlets and triplets: a triplet without spin-orbit coupling is one level of three states.
    singlet = (state.eigenvectors[:, :3, 4] ** 2).sum(1) > 0.5
    assert 10 < int(singlet.sum()) < 200
    runs, hops = [], 0
    for options in (Fssh(dt=20.0, seed=3, masses=model.masses), options_of(model, dt=20.0)):
        moved = fssh_begin(state, model, options)
        for _ in range(25):
            step = fssh_step(moved, model, options)
            moved, hops = step.state, hops + int(step.hops.accepted.sum())
        runs.append((moved, options))
    (plain, _), (spin, options) = runs
    assert hops > 20
    from_plain = find_method(configuration()).diabatic.values(plain)
    from_spin = options.states.diabatic.values(spin)
    assert float((plain.positions - spin.positions)[singlet].abs().max()) < 1e-9
    assert float((from_plain - from_spin)[singlet].abs().max()) < 1e-9
    # Where a triplet crosses a singlet, its number changes by one with one state a triplet and by three or
    # not at all with three; the force of that one step is another. Three standard errors of the difference.
    difference = (from_plain - from_spin)[~singlet]
    allowed = 3.0 * difference.std(0) / np.sqrt(len(difference)) + 1e-9
    assert bool((difference.mean(0).abs() < allowed).all())


def kramers():
    """Two doublets with i L·σ, L antisymmetric: time reversal leaves every level double."""
    sigma = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    antisymmetric = np.array([[0.0, 1.0], [-1.0, 0.0]])
    parts = [size * np.kron(s, 1j * antisymmetric) for size, s in zip((2e-3, 3e-3, 1e-3), sigma, strict=True)]
    return SpinCrossing(multiplicities=(2, 2), spin_orbit=torch.from_numpy(sum(parts)))


def test_a_kramers_pair_moves_like_the_single_state_it_would_be_without_spin():
    """i L·σ is a coupling of size |L| between one member of a pair and one of the other, and of no others."""
    n, model = 192, kramers()
    size = float(np.sqrt(2e-3**2 + 3e-3**2 + 1e-3**2))
    pair, pair_hops = crossing_run(model, options_of(model), n=n, steps=60)
    plain = SpinCrossing(multiplicities=(1, 1), spin_orbit=None, coupling=size)
    single, hops = crossing_run(plain, Fssh(dt=10.0, seed=3, masses=model.masses), n=n, steps=60)
    assert float((pair.energies[:, 0::2] - pair.energies[:, 1::2]).abs().max()) < 1e-14
    # Hops fall at other steps, so the trajectories part; where they are the levels are those without spin.
    there, _ = energies_and_eigenvectors(plain, pair.positions)
    assert float((pair.energies[:, 0::2] - there).abs().max()) < 1e-14
    assert float(((pair.coefficients.abs() ** 2).sum(1) - 1.0).abs().max()) < 1e-12
    assert float(pair.energy_error_max.max()) < 1e-4
    # Hops within a pair would be as many as steps; three standard errors of the other numbers.
    assert abs(pair_hops - hops) < 3 * np.sqrt(2 * hops)
    lower, expected = ((s.active_state < k).double().mean() for s, k in ((pair, 2), (single, 1)))
    assert float((lower - expected).abs()) < 3 * np.sqrt(2 * 0.25 / n)


def test_norm_and_energy_are_kept_over_many_steps_and_at_every_hop():
    model = SpinMolecule()
    options = options_of(model)
    positions, momenta = start(16, momentum=15.0)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    state, norm, energy, hops = fssh_begin(state, model, options), 0.0, 0.0, 0
    for _ in range(150):
        step = fssh_step(state, model, options)
        state, made = step.state, step.hops
        norm = max(norm, float(((state.coefficients.abs() ** 2).sum(1) - 1.0).abs().max()))
        cost = torch.where(made.accepted, made.energy_to - made.energy_from, 0.0)
        if len(made.row):
            hops += len(made.row)
            energy = max(energy, float((made.kinetic_after - made.kinetic_before + cost).abs().max()))
    assert hops > 20 and norm < 1e-12 and energy < 1e-10


def test_a_start_in_a_triplet_draws_one_of_its_components():
    model = SpinMolecule()
    n = 300
    positions, momenta = (one.expand(n, -1, -1).contiguous() for one in start(1))
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=2, seed=4)
    state = options_of(model).states.begin(state, model)
    amplitudes = (state.eigenvectors @ state.coefficients[:, :, None])[:, :, 0].abs()
    # Spin states: two singlets, then both triplets with M_S = -1, 0, 1.
    components = amplitudes[:, [2, 4, 6]]
    assert float((components.max(1).values - 1.0).abs().max()) < 1e-12
    share = components.round().mean(0)
    assert float((share - 1 / 3).abs().max()) < 3 * np.sqrt(2 / 9 / n)


def configuration(**keys):
    content = {
        "initial": {"position_au": -1, "momentum_au": 20, "n": 4},
        "time_fs": 5,
        "method": "fssh",
        **keys,
    }
    return parse_configuration(content, RunConfiguration, where="test")


PULSE = {
    "peak_field_au": 0.01,
    "photon_energy_ev": 3,
    "fwhm_fs": 5,
    "centre_fs": 5,
    "polarisation": [0, 0, 1],
}


@pytest.mark.parametrize(
    "model, keys, message",
    [
        (tully(1), {"representation": "spin_adiabatic"}, "no spin states"),
        (tully(1), {"laser": PULSE}, "`laser` must be left out"),
        (SpinCrossing(), {"laser": PULSE}, "has no dipoles"),
        (SpinCrossing(), {"laser": PULSE, "representation": "spin_free"}, "must be spin_adiabatic"),
        (SpinCrossing(), {"propagation": "npi"}, "must be local_diabatisation"),
        (SpinCrossing(), {"decoherence": {"name": "afssh"}}, "`decoherence` must be edc"),
        (sulfur_dioxide("triplets"), {"laser": {**PULSE, "polarisation": [0, 0, 0]}}, "must be a direction"),
        (
            sulfur_dioxide("triplets"),
            {"laser": PULSE, "adaptive": {"gap_ev": 0.1, "shortest_dt_fs": 0.1}},
            "`adaptive` must be left out",
        ),
    ],
)
def test_what_spin_adiabatic_states_cannot_have_is_refused(model, keys, message):
    config = configuration(**keys)
    with pytest.raises(InputError, match=message):
        motion_of(config, model, model.masses)


def test_spin_orbit_coupling_is_used_unless_the_run_file_says_otherwise(tmp_path):
    from nadyn.dynamics.run.loop import run

    sizes = []
    for keys in ({}, {"representation": "spin_free"}):
        config = configuration(time_fs=1, output=str(tmp_path / f"{len(sizes)}.h5"), **keys)
        run(config, model=SpinCrossing(), progress=False)
        file = open_run(config.output)
        sizes.append((file.n_states, file.diabatic_populations.shape[-1]))
    assert sizes == [(4, 2), (2, 2)]
