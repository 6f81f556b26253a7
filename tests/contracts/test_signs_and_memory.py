"""What no method may depend on, signs of eigenvectors, and what each must, all that a checkpoint holds."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from contracts.methods import METHOD_CASES, declaration, every_method, motion

from nadyn.dynamics.initial.start import start_in_diabatic_state
from nadyn.dynamics.spins import hamiltonian
from nadyn.dynamics.state.batch import ARRAYS
from nadyn.electronic import eigen
from nadyn.electronic.eigen import eigh

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from spin_models import SpinMolecule
from toy_molecule import ToyMolecule, start

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

N_TRAJ, LONG = 16, 10


def molecules(case, n_traj=N_TRAJ):
    model = ToyMolecule(n_states=2, n_basis=2) if case.two_states_only else ToyMolecule()
    model = SpinMolecule() if case.spins else model
    positions, momenta = start(n_traj, momentum=15.0)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    ready = motion(case, model, dt_fs=0.5)
    return model, ready, ready.begin(state, model)


def with_random_signs(generator):
    def turned(matrix):
        energies, vectors = eigh(matrix)
        signs = torch.randint(0, 2, energies.shape, generator=generator) * 2.0 - 1.0
        return energies, vectors * signs[:, None, :]

    return turned


def with_random_phases(generator):
    plain = hamiltonian.hermitian_eigh

    def turned(matrix):
        energies, vectors = plain(matrix)
        phases = 6.0 * torch.rand(energies.shape, generator=generator, dtype=torch.float64)
        return energies, vectors * torch.exp(1j * phases)[:, None, :]

    return turned


@every_method
def test_signs_and_phases_of_eigenvectors_change_nothing(name, monkeypatch):
    case = METHOD_CASES[name]
    model, ready, first = molecules(case)
    plain = turned = first
    for _ in range(4):
        plain = ready.step(plain, model).state
    generator = torch.Generator().manual_seed(8)
    signs, phases = with_random_signs(generator), with_random_phases(generator)
    with monkeypatch.context() as patch:
        patch.setattr(eigen, "eigh", signs)
        if case.spins:
            patch.setattr(hamiltonian, "hermitian_eigh", phases)
        for _ in range(4):
            turned = ready.step(turned, model).state
    same = (plain.eigenvectors.conj() * turned.eigenvectors).sum(1)
    assert int((same.real < 0.5).sum()) > N_TRAJ // 2
    estimate = declaration(case).adiabatic.values
    assert torch.equal(plain.active_state, turned.active_state)
    for one, other in (
        (plain.positions, turned.positions),
        (plain.momenta, turned.momenta),
        (plain.coefficients.abs(), turned.coefficients.abs()),
        (estimate(plain), estimate(turned)),
    ):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-8, equal_nan=True)


# Made anew at every step from the rest of the state.
MADE_ANEW = {"novelty", "surplus_gap", "total_energy"}
# What a method has no use for: it knows no amplitudes, or of the eigenvectors their signs alone.
NO_USE = {
    "andersen": {"eigenvectors", "energies"},
    "nose_hoover each": {"eigenvectors", "energies"},
    "csdm": set(),
    "spin_lsc": set(),
    "sqc": set(),
    "curvature": {"eigenvectors"},
    "afssh": set(),
    "shxf": set(),
    "adaptive": set(),
}


def wrong(array, row):
    """The array with one trajectory's entries changed by more than rounding, and still of their kind."""
    array = array.clone()
    part = array[row]
    if part.dtype == torch.bool:
        array[row] = ~part
    elif part.dtype == torch.int64:
        array[row] = part + 1 if part.ndim == 0 and part == 0 else part - 1
    else:
        array[row] = 1.03 * part + 1e-3
    return array


def with_wrong(state, key, rows):
    array = state.extra[key] if key in state.extra else getattr(state, key)
    for row in rows:
        array = wrong(array, row)
    if key in state.extra:
        return replace(state, extra={**state.extra, key: array})
    return replace(state, **{key: array})


def differ(one, other):
    """Which trajectories are not the same any more."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in ARRAYS if name not in MADE_ANEW]
    pairs += [(one.extra[key], other.extra[key]) for key in one.extra]
    return torch.stack([(a != b).flatten(1).any(1) if a.ndim > 1 else a != b for a, b in pairs]).any(0)


@pytest.mark.parametrize("name", NO_USE)
def test_every_array_of_a_checkpoint_matters_to_what_comes_after(name):
    model, ready, first = molecules(METHOD_CASES[name], 32)
    for _ in range(4):
        first = ready.step(first, model).state
    keys = [*ARRAYS, *first.extra]
    broken, after = first, first
    # One array is wrong in each trajectory; none knows of the others.
    for row, key in enumerate(keys):
        broken = with_wrong(broken, key, [row])
    for _ in range(2):
        after, broken = ready.step(after, model).state, ready.step(broken, model).state
    changed = differ(after, broken)
    idle = {key for row, key in enumerate(keys) if not changed[row]}
    # Some count only where something happens, a hop or a switch: wrong in all of them, seen in one.
    for key in sorted(idle - MADE_ANEW - NO_USE[name]):
        after, broken = first, with_wrong(first, key, range(32))
        for _ in range(LONG):
            after, broken = ready.step(after, model).state, ready.step(broken, model).state
            if bool(differ(after, broken).any()):
                idle.remove(key)
                break
    assert idle == MADE_ANEW | NO_USE[name]
