"""Charges that a model has at its geometry act on the atoms of a force field in OpenMM, and these on them."""

import numpy as np
import pytest
import torch

pytest.importorskip("openmm")

import openmm
from contracts.models import MODELS
from contracts.untrained import untrained
from solute import BOX, ELEMENTS, PARTICLES, context, energy, force_field, forces, places

import nadyn
from nadyn.checks.errors import InputError, InputWarning
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_begin, fssh_step
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.interfaces.openmm import embed, in_surroundings
from nadyn.units import ANGSTROM_PER_BOHR, KJ_PER_MOL_PER_HARTREE

NAMES = [ELEMENTS[particle] for particle in PARTICLES]
OWN, OTHERS = list(PARTICLES), [index for index in range(12) if index not in PARTICLES]
# Of H, C, N, F: N H H F is neutral.
FORMAL = (1.0, -4.0, -1.0, -1.0)
FORMAL_OF_ATOMS = (-1.0, 1.0, 1.0, -1.0)
# kJ/mol nm/e², of OpenMM's manual.
COULOMB = 138.93545764438198
KINDS = ["open", "cutoff", "mesh"]


def charged(basis="2x0e + 1x0o", **options):
    model = untrained("equivariant", basis, formal_charges=FORMAL, **options)
    # In float64, so that differences tell derivatives.
    return model.double()


def fixed():
    """Return a model whose charges are the formal ones at every geometry."""
    model = charged()
    for network in model.potential.network.networks.networks:
        network[-1].weight[model.potential.n_outputs] = 0.0
        network[-1].bias[model.potential.n_outputs] = 0.0
    return model


def system_of(kind, own=FORMAL_OF_ATOMS):
    system = force_field(periodic=kind != "open")
    pairs = pairs_of(system)
    # A coarse mesh, which is quick, has exact derivatives too.
    pairs.setEwaldErrorTolerance(1e-3)
    if kind == "cutoff":
        pairs.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    for particle, charge in zip(PARTICLES, own, strict=True):
        _, size, depth = pairs.getParticleParameters(particle)
        pairs.setParticleParameters(particle, charge, size, depth)
    return system


def pairs_of(system):
    return next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))


def reference():
    return openmm.Platform.getPlatformByName("Reference")


def electrostatic(model, kind, **options):
    return in_surroundings(
        model,
        system_of(kind, **options),
        PARTICLES,
        ELEMENTS,
        embedding="electrostatic",
        platform=reference(),
    )


def bohr(where):
    return torch.from_numpy(where)[None] * 10 / ANGSTROM_PER_BOHR


def test_the_energy_is_that_of_charges_of_the_model_and_of_the_others_pair_by_pair():
    for seed in (0, 1):
        where, model = places(seed), charged()
        inner = model.evaluate(bohr(where)[:, OWN])
        found = electrostatic(model, "open").evaluate(bohr(where)).hamiltonian - inner.hamiltonian
        added = found.diagonal(dim1=1, dim2=2)[0] * KJ_PER_MOL_PER_HARTREE
        # The same in every state, and between none.
        torch.testing.assert_close(added, added[:1].expand_as(added), rtol=0, atol=1e-8)
        assert float((found - torch.diag_embed(found.diagonal(dim1=1, dim2=2))).abs().max()) < 1e-14
        system = system_of("open", own=(0.0, 0.0, 0.0, 0.0))
        embed(system, MODELS["springs"].build(), PARTICLES, NAMES, state=0)
        springs = nadyn.surfaces(MODELS["springs"].build(), bohr(where)[:, OWN]).energies[0, 0]
        rest = energy(context(system, where)) - float(springs) * KJ_PER_MOL_PER_HARTREE
        of_others = [pairs_of(system).getParticleParameters(index)[0]._value for index in OTHERS]
        distances = np.linalg.norm(where[OWN][:, None] - where[OTHERS][None], axis=-1)
        coulomb = COULOMB * inner.charges[0].numpy()[:, None] * of_others / distances
        assert float(added[0]) == pytest.approx(rest + coulomb.sum(), abs=1e-6)
        assert np.abs(coulomb).max() > 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_forces_on_all_atoms_are_the_numeric_derivative_of_the_energy(kind):
    model, where = electrostatic(charged(), kind), bohr(places())
    surfaces, step = nadyn.surfaces(model, where), 1e-3
    for particle, x in ((2, 0), (5, 1), (3, 2), (9, 0), (0, 1), (6, 2), (11, 0)):
        ends = []
        for sign in (2, 1, -1, -2):
            moved = where.clone()
            moved[0, particle, x] += sign * step
            ends.append(energies_and_eigenvectors(model, moved)[0][0])
        # Of fourth order in the step.
        numeric = -(8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / (12 * step)
        torch.testing.assert_close(surfaces.forces[0, :, particle, x], numeric, rtol=0, atol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_charges_that_do_not_change_are_those_of_a_force_field_that_has_them(kind):
    where = bohr(places())
    found = nadyn.surfaces(electrostatic(fixed(), kind), where)
    mechanical = in_surroundings(fixed(), system_of(kind), PARTICLES, ELEMENTS, platform=reference())
    expected = nadyn.surfaces(mechanical, where)
    torch.testing.assert_close(found.energies, expected.energies, rtol=0, atol=1e-11)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-11)
    # Charges that change are another thing.
    other = nadyn.surfaces(electrostatic(charged(), kind), where)
    own = nadyn.surfaces(charged(), where[:, OWN]).energies
    plain = nadyn.surfaces(fixed(), where[:, OWN]).energies
    assert float(((other.energies - own) - (found.energies - plain)).abs().min()) > 1e-4


def test_charges_of_the_molecule_in_the_force_field_count_no_more():
    where = bohr(places())
    found = nadyn.surfaces(electrostatic(charged(), "open"), where)
    other = nadyn.surfaces(electrostatic(charged(), "open", own=(0.7, -0.3, -0.6, 0.2)), where)
    torch.testing.assert_close(found.energies, other.energies, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.forces, other.forces, rtol=0, atol=1e-12)


def test_nothing_pushes_or_turns_the_whole():
    model, where = electrostatic(charged(), "open"), bohr(places())
    surfaces = nadyn.surfaces(model, where)
    assert float(surfaces.forces.sum(dim=2).abs().max()) < 1e-10
    assert float(torch.linalg.cross(where[:, None], surfaces.forces).sum(dim=2).abs().max()) < 1e-9
    generator = np.random.default_rng(5)
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    turn = torch.from_numpy(turn * np.sign(np.linalg.det(turn)))
    moved = nadyn.surfaces(model, where @ turn.T + torch.tensor([1.0, -2.0, 3.0]).double())
    torch.testing.assert_close(moved.energies, surfaces.energies, rtol=0, atol=1e-10)
    torch.testing.assert_close(moved.forces, surfaces.forces @ turn.T, rtol=0, atol=1e-10)


def test_in_a_cell_nothing_depends_on_where_it_begins():
    model, where = electrostatic(charged(), "mesh"), bohr(places())
    box = BOX * 10 / ANGSTROM_PER_BOHR
    surfaces = nadyn.surfaces(model, where)
    # Over the edge, and some of the others in the next cell.
    moved = where + torch.tensor([0.5 * box, 0.0, 0.0])
    moved[:, OTHERS[:3], 1] += box
    again = nadyn.surfaces(model, moved)
    torch.testing.assert_close(again.energies, surfaces.energies, rtol=0, atol=1e-5)
    torch.testing.assert_close(again.forces, surfaces.forces, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", [0, 1])
def test_openmm_moves_atoms_on_the_surfaces_on_which_nadyn_does(kind, state):
    where = places()
    expected = nadyn.surfaces(electrostatic(charged(), kind), bohr(where))
    system = system_of(kind)
    embed(system, charged(), PARTICLES, NAMES, state=state, embedding="electrostatic", platform=reference())
    assert all(pairs_of(system).getParticleParameters(index)[0]._value == 0.0 for index in OWN)
    of = context(system, where)
    kilojoules = float(expected.energies[0, state]) * KJ_PER_MOL_PER_HARTREE
    assert energy(of) == pytest.approx(kilojoules, abs=1e-6)
    found = forces(of) * ANGSTROM_PER_BOHR / 10 / KJ_PER_MOL_PER_HARTREE
    np.testing.assert_allclose(found, expected.forces[0, state].numpy(), rtol=0, atol=1e-9)


def test_a_cell_that_changes_is_that_of_the_charges_too():
    system = system_of("mesh")
    embed(system, fixed(), PARTICLES, NAMES, state=0, embedding="electrostatic", platform=reference())
    mechanical = system_of("mesh")
    embed(mechanical, fixed(), PARTICLES, NAMES, state=0)
    where, found = places(), []
    for one in (system, mechanical):
        of = context(one, where)
        before = energy(of)
        of.setPeriodicBoxVectors(*(np.eye(3) * BOX * 1.2))
        found.append((before, energy(of)))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert abs(found[0][0] - found[0][1]) > 0.1


def test_atoms_that_are_too_close_are_told_of_once():
    system = system_of("open")
    embed(system, charged(), PARTICLES, NAMES, state=0, embedding="electrostatic", platform=reference())
    close = places()
    close[OWN] = close[OWN].mean(axis=0) + 0.3 * (close[OWN] - close[OWN].mean(axis=0))
    of = context(system, close)
    with pytest.warns(InputWarning, match=r"two atoms are too close.*This is said once") as caught:
        energy(of)
        energy(of)
    assert len(caught) == 1


def test_virtual_sites_of_the_others_hand_their_forces_on():
    def with_site():
        system = system_of("open")
        site = system.addParticle(0.0)
        system.setVirtualSite(site, openmm.TwoParticleAverageSite(0, 1, 0.3, 0.7))
        pairs_of(system).addParticle(0.4, 0.1, 0.0)
        return system

    where = np.vstack([places(), [0.3 * places()[0] + 0.7 * places()[1]]])
    found = []
    for kind in ("electrostatic", "mechanical"):
        system = with_site()
        embed(system, fixed(), PARTICLES, NAMES, state=0, embedding=kind, platform=reference())
        found.append(forces(context(system, where)))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-6)


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("kind", ["open", pytest.param("mesh", marks=pytest.mark.slow)])
def test_the_energy_error_of_a_run_falls_with_the_square_of_the_step(kind):
    errors = []
    for dt, n_steps in ((8.0, 8), (4.0, 16)):
        model = electrostatic(charged(repulsion=4.0), kind)
        where = bohr(places())
        momenta = np.random.default_rng(2).normal(size=where.shape)
        momenta = torch.from_numpy(momenta) * torch.sqrt(model.masses * 0.001)[:, None]
        state = start_in_state(model, where, momenta, masses=model.masses, active_state=0)
        options = Fssh(dt=dt, seed=3, masses=model.masses)
        state = fssh_begin(state, model, options)
        for _ in range(n_steps):
            state = fssh_step(state, model, options).state
        assert int(state.active_state[0]) == 0
        errors.append(float(state.energy_error_max.max()))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.25)


def refused(match, *, model=None, change=None, own=FORMAL_OF_ATOMS, embedding="electrostatic"):
    system = system_of("open", own=own)
    if change is not None:
        change(system)
    before = openmm.XmlSerializer.serialize(system)
    given = model or charged()
    with pytest.raises(InputError, match=match) as found:
        embed(system, given, PARTICLES, NAMES, state=0, embedding=embedding)
    assert "\n" not in str(found.value)
    with pytest.raises(InputError, match=match):
        in_surroundings(given, system, PARTICLES, ELEMENTS, embedding=embedding)
    assert openmm.XmlSerializer.serialize(system) == before


def test_what_does_not_fit_is_refused_and_the_system_is_as_it_was():
    def parameter(system):
        pairs_of(system).addGlobalParameter("lambda", 1.0)
        pairs_of(system).addParticleParameterOffset("lambda", 5, 0.1, 0.0, 0.0)

    def second(system):
        more = openmm.NonbondedForce()
        for _ in range(12):
            more.addParticle(0.0, 0.1, 0.0)
        system.addForce(more)

    refused(
        "must have charges for electrostatic embedding, but springs has none", model=MODELS["springs"].build()
    )
    refused("but untrained-equivariant has none", model=untrained("equivariant", "2x0e"))
    refused(r"which is \+0 e, but have \+0.500 e there", own=(-0.5, 1.0, 1.0, -1.0))
    refused(r"which is \+0 e, but have -0.500 e there", own=(-1.5, 1.0, 1.0, -1.0))
    refused("that of 5 depends on parameter 'lambda'", change=parameter)
    refused("one NonbondedForce, which has all charges, .* but has 2", change=second)
    refused("but has 0", change=lambda system: system.removeForce(0))


@pytest.mark.usefixtures("unchecked_annotations")
def test_another_embedding_is_refused():
    refused("mechanical or electrostatic, but is 'polarised'", embedding="polarised")


def test_the_system_of_a_run_is_not_changed():
    system = system_of("mesh")
    before = openmm.XmlSerializer.serialize(system)
    in_surroundings(charged(), system, PARTICLES, ELEMENTS, embedding="electrostatic")
    assert openmm.XmlSerializer.serialize(system) == before
