"""OpenMM moves a molecule of a model among atoms of a force field."""

import numpy as np
import pytest
import torch

pytest.importorskip("openmm")

import openmm
from contracts.models import MODELS
from solute import ELEMENTS, PARTICLES, context, energy, force_field, forces, places

import nadyn
from nadyn import shipped
from nadyn.checks.errors import InputError, InputWarning
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.dynamics.nuclei.rigid_motion import is_free
from nadyn.interfaces.openmm import embed, in_surroundings
from nadyn.models.analytic import tully
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRON_MASS_PER_DALTON, KJ_PER_MOL_PER_HARTREE

NAMES = [ELEMENTS[particle] for particle in PARTICLES]
OTHERS = tuple(index for index in range(12) if index not in PARTICLES)


def energy_of_model(where, state):
    positions = torch.from_numpy(where[list(PARTICLES)] * 10 / ANGSTROM_PER_BOHR)[None]
    surfaces = nadyn.surfaces(MODELS["springs"].build(), positions)
    return float(surfaces.energies[0, state]) * KJ_PER_MOL_PER_HARTREE


@pytest.mark.parametrize("state", [0, 1])
@pytest.mark.parametrize("periodic", [False, True])
def test_the_force_field_within_the_molecule_is_replaced_and_that_with_others_stays(state, periodic):
    system = force_field(periodic=periodic)
    embed(system, MODELS["springs"].build(), PARTICLES, NAMES, state=state)
    embedded, whole = context(system, places()), context(force_field(periodic=periodic), places())
    # In a cell the molecule keeps what the force field has between it and its own images.
    alone, tolerance = context(force_field(PARTICLES), places()[list(PARTICLES)]), 2e-3 if periodic else 1e-8
    for seed in (0, 1):
        where = places(seed)
        found = energy(embedded, where) - energy_of_model(where, state)
        expected = energy(whole, where) - energy(alone, where[list(PARTICLES)])
        assert found == pytest.approx(expected, abs=tolerance)
        assert abs(energy(alone)) > 10.0


@pytest.mark.parametrize("periodic", [False, True])
def test_forces_are_the_numeric_derivative_of_the_energy(periodic):
    system = force_field(periodic=periodic)
    embed(system, MODELS["springs"].build(), PARTICLES, NAMES, state=1)
    where, step = places(), 1e-5
    of = context(system, where)
    found = forces(of)
    for particle, x in ((2, 0), (9, 1), (5, 2), (0, 1), (11, 0)):
        ends = []
        for sign in (1, -1):
            moved = where.copy()
            moved[particle, x] += sign * step
            ends.append(energy(of, moved))
        numeric = -(ends[0] - ends[1]) / (2 * step)
        assert found[particle, x] == pytest.approx(numeric, abs=2e-3)
        assert abs(numeric) > 0.05


def test_a_barostat_sees_one_molecule_and_constraints_in_it_are_gone():
    system = force_field(periodic=True)
    system.addConstraint(2, 5, 0.1)
    system.addConstraint(0, 1, 0.5)
    system.addForce(openmm.MonteCarloBarostat(1.0, 300.0))
    embed(system, MODELS["springs"].build(), PARTICLES, NAMES, state=0)
    assert system.getNumConstraints() == 1
    molecules = context(system, places()).getMolecules()
    assert tuple(sorted(PARTICLES)) in {tuple(sorted(molecule)) for molecule in molecules}


def test_a_barostat_sees_one_molecule_where_the_force_field_has_no_bonds():
    bare = openmm.System()
    for _ in range(12):
        bare.addParticle(10.0)
    embed(bare, MODELS["springs"].build(), PARTICLES, NAMES, state=0)
    molecules = context(bare, places()).getMolecules()
    assert tuple(sorted(PARTICLES)) in {tuple(sorted(molecule)) for molecule in molecules}
    assert len(molecules) == 9


def test_pairs_of_a_custom_force_are_left_out_too():
    system = force_field()
    custom = openmm.CustomNonbondedForce("0.1*r^2")
    for _ in range(12):
        custom.addParticle()
    custom.addExclusion(2, 5)
    system.addForce(custom)
    embed(system, MODELS["springs"].build(), PARTICLES, NAMES, state=0)
    assert custom.getNumExclusions() == 6


@pytest.mark.parametrize("periodic", [False, True])
def test_a_model_in_surroundings_has_the_energies_and_forces_of_openmm(periodic):
    where = places()
    model = in_surroundings(
        MODELS["springs"].build(), force_field(periodic=periodic), PARTICLES, ELEMENTS, platform=reference()
    )
    positions = torch.from_numpy(np.stack([places(seed) for seed in (0, 1, 2)])) * 10 / ANGSTROM_PER_BOHR
    surfaces = nadyn.surfaces(model, positions)
    for state in (0, 1):
        system = force_field(periodic=periodic)
        embed(system, MODELS["springs"].build(), PARTICLES, NAMES, state=state)
        of = context(system, where)
        assert float(surfaces.energies[0, state]) * KJ_PER_MOL_PER_HARTREE == pytest.approx(
            energy(of), abs=1e-7
        )
        expected = forces(of) * ANGSTROM_PER_BOHR / 10 / KJ_PER_MOL_PER_HARTREE
        np.testing.assert_allclose(surfaces.forces[0, state].numpy(), expected, rtol=0, atol=1e-9)
    inner = nadyn.surfaces(MODELS["springs"].build(), positions[:, list(PARTICLES)])
    h = surfaces.interstate_coupling[:, 0, 1]
    signs = torch.sign((h[:, list(PARTICLES)] * inner.interstate_coupling[:, 0, 1]).sum(dim=(1, 2)))
    expected = signs[:, None, None] * inner.interstate_coupling[:, 0, 1]
    # What OpenMM adds is the same in both states.
    torch.testing.assert_close(h[:, list(PARTICLES)], expected, rtol=0, atol=1e-12)
    assert float(h[:, list(OTHERS)].abs().max()) < 1e-14
    torch.testing.assert_close(
        surfaces.energies[:, 1] - surfaces.energies[:, 0], inner.energies[:, 1] - inner.energies[:, 0]
    )


def reference():
    return openmm.Platform.getPlatformByName("Reference")


def test_a_model_in_surroundings_says_what_it_is():
    build = MODELS["springs"].build
    model = in_surroundings(build(), force_field(), PARTICLES, ELEMENTS, platform=reference())
    masses = model.masses / ELECTRON_MASS_PER_DALTON
    # Those of the isotopes of the model, and the others from OpenMM.
    torch.testing.assert_close(masses[list(PARTICLES)], build().masses / ELECTRON_MASS_PER_DALTON)
    expected = torch.tensor([14.0 + index for index in OTHERS], dtype=torch.float64)
    torch.testing.assert_close(masses[list(OTHERS)], expected)
    assert is_free(model)
    boxed = in_surroundings(build(), force_field(periodic=True), PARTICLES, ELEMENTS, platform=reference())
    assert not is_free(boxed) and "translation" in boxed.laws
    assert [model.atomic_numbers[index] for index in PARTICLES] == [7, 1, 1, 9]


def test_both_ways_to_a_gradient_agree():
    model = in_surroundings(
        MODELS["springs"].build(), force_field(), PARTICLES, ELEMENTS, platform=reference()
    )
    positions = torch.from_numpy(places()[None]) * 10 / ANGSTROM_PER_BOHR
    cotangent = torch.tensor([[[0.3, -0.2], [-0.2, 0.9]]], dtype=torch.float64)
    evaluation, pull_back = model.evaluate_once(positions)
    inputs = positions.clone().requires_grad_(True)
    hamiltonian = model.evaluate(inputs).hamiltonian
    torch.testing.assert_close(hamiltonian.detach(), evaluation.hamiltonian.detach())
    (expected,) = torch.autograd.grad(hamiltonian, inputs, cotangent)
    torch.testing.assert_close(pull_back(cotangent), expected, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_annotations")
def test_hops_in_surroundings_keep_the_energy():
    model = in_surroundings(
        MODELS["springs"].build(), force_field(), PARTICLES, ELEMENTS, platform=reference()
    )
    rng = np.random.default_rng(2)
    positions = np.stack([places(seed) for seed in range(3)]) * 10 / ANGSTROM_PER_BOHR
    momenta = rng.normal(size=positions.shape) * np.sqrt(model.masses.numpy() * 0.002)[:, None]
    start = torch.from_numpy(positions), torch.from_numpy(momenta)
    state = start_in_state(model, *start, masses=model.masses, active_state=1)
    options = Fssh(dt=4.0, seed=3, masses=model.masses)
    state, hops = fssh_begin(state, model, options), 0
    for _ in range(103):
        step = fssh_step(state, model, options)
        state, hops = step.state, hops + int(step.hops.accepted.sum())
    assert hops >= 4
    assert float(state.energy_error_max.max()) < 1e-3


@pytest.mark.usefixtures("unchecked_annotations")
def test_atoms_outside_of_the_training_are_told_of_once():
    model = nadyn.load_model(shipped.path("ammonia/ammonia.safetensors"))
    system = openmm.System()
    for number in model.atomic_numbers:
        system.addParticle(float(number))
    embed(system, model, range(4), [nadyn.structures.symbol(n) for n in model.atomic_numbers], state=0)
    where = model.starting_geometry.numpy() * ANGSTROM_PER_BOHR / 10
    of = context(system, where)
    energy(of)
    with pytest.warns(InputWarning, match="This is said once") as caught:
        energy(of, where * 0.5)
        energy(of, where * 0.51)
    assert len(caught) == 1


def refused(match, *, change=None, model=None, particles=PARTICLES, elements=NAMES, **options):
    system = force_field()
    if change is not None:
        change(system)
    before = openmm.XmlSerializer.serialize(system)
    with pytest.raises(InputError, match=match) as found:
        embed(system, model or MODELS["springs"].build(), particles, elements, **options)
    assert "\n" not in str(found.value)
    assert openmm.XmlSerializer.serialize(system) == before


def test_what_does_not_fit_is_refused_and_the_system_is_as_it_was():
    def bond(system):
        force = openmm.HarmonicBondForce()
        force.addBond(0, 2, 0.1, 5.0)
        system.addForce(force)

    refused("`state` must be given for a model of 2 states")
    refused("from 0 to 1 for this model, but is 2", state=2)
    refused("whole molecules, but a HarmonicBondForce of OpenMM is between .0, 2.", change=bond, state=0)
    refused("whole molecules, but a constraint", change=lambda s: s.addConstraint(0, 2, 0.1), state=0)
    refused("but one is GBSAOBCForce", change=lambda s: s.addForce(openmm.GBSAOBCForce()), state=0)
    refused("one symbol for each of the 4 `particles`", elements=["N"], state=0)
    refused("different ones of the 12", particles=(2, 5, 3, 12), state=0)
    refused("different ones of the 12", particles=(2, 5, 3, 3), state=0)
    refused("chemical symbols, but that of 9 is 'Q'", elements=["N", "H", "H", "Q"], state=0)
    refused(
        r"in their order \(\[7, 1, 1, 9\]\), but are", particles=(5, 2, 3, 9), elements=list("HNHF"), state=0
    )
    refused("Cartesian coordinates for OpenMM", model=tully(1), state=0)


def test_runs_of_nadyn_know_no_constraints_and_no_particle_without_mass():
    model = MODELS["springs"].build()
    system = force_field()
    system.addConstraint(0, 1, 0.5)
    with pytest.raises(InputError, match="must have no constraints for a run of nadyn"):
        in_surroundings(model, system, PARTICLES, ELEMENTS)
    system = force_field()
    system.setParticleMass(4, 0.0)
    with pytest.raises(InputError, match="must have a mass for a run of nadyn, but 4 has none"):
        in_surroundings(model, system, PARTICLES, ELEMENTS)
