"""A label source with the face of a model: states that go with a molecule, signs, parts, bytes."""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from nadyn.electronic.direct.book import Wanted
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.packing import packed, unpack
from nadyn.electronic.direct.places import pair_index
from nadyn.electronic.direct.questions import OwnProcess
from nadyn.electronic.direct.turning import carried_turn, turned
from nadyn.electronic.labels import Label, Quality
from nadyn.electronic.surfaces import active_surface, energies_and_eigenvectors, surfaces
from nadyn.models.analytic.molecules import twisted

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from signless_teacher import PartTeacher, Teacher
from toy_molecule import ToyMolecule, start

MASSES = ToyMolecule().masses.numpy()


def rotation(angle, axis):
    axis = np.array(axis) / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), -axis)
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def path_of(n=40):
    """A molecule that tumbles and flies and bends."""
    shape, bend = start(1)[0][0].numpy(), start(2)[0][1].numpy() - start(1)[0][0].numpy()
    for step in range(n):
        yield (shape + 0.02 * np.sin(0.3 * step) * bend) @ rotation(0.07 * step, [1, 2, -1]).T + 0.1 * step


def at(positions):
    return torch.from_numpy(np.array(positions))[None]


def test_the_overlaps_of_a_path_are_those_of_its_model():
    model = ToyMolecule(n_states=3, n_basis=3)
    direct = DirectModel(OwnProcess(Teacher(model)))
    steps = list(path_of())
    _, before = energies_and_eigenvectors(direct, at(steps[0]))
    _, of_model = energies_and_eigenvectors(model, at(steps[0]))
    for old, new in pairwise(steps):
        direct.book.follow(at(old), at(new), torch.tensor([1]))
        energies, here = energies_and_eigenvectors(direct, at(new))
        exact, of_model_here = energies_and_eigenvectors(model, at(new))
        overlap, expected = before.mT @ here, of_model.mT @ of_model_here
        assert torch.allclose(energies, exact, rtol=0, atol=1e-13)
        assert torch.allclose(overlap.abs(), expected.abs(), rtol=0, atol=1e-12)
        assert torch.allclose(here.mT @ here, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-14)
        before, of_model = here, of_model_here


def test_forces_and_couplings_come_back_from_the_frame_of_the_source():
    model = ToyMolecule(n_states=3, n_basis=3)
    direct = DirectModel(OwnProcess(PartTeacher(model)))
    steps = list(path_of(12))
    for old, new in pairwise(steps):
        energies_and_eigenvectors(direct, at(old))
        direct.book.follow(at(old), at(new), torch.tensor([1]))
    seen = direct.book.place(torch.from_numpy(steps[-1])).known.positions
    assert np.abs(seen - steps[-1]).max() > 0.5
    found, exact = surfaces(direct, at(steps[-1])), surfaces(model, at(steps[-1]))
    assert torch.allclose(found.forces, exact.forces, rtol=0, atol=1e-12)
    assert torch.allclose(
        found.interstate_coupling.abs(), exact.interstate_coupling.abs(), rtol=0, atol=1e-12
    )
    # One sign a state, not one a component.
    for k in range(3):
        for l in range(k):
            ratio = found.interstate_coupling[0, k, l] / exact.interstate_coupling[0, k, l]
            assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-6)


class Orbitals(Teacher):
    """Two states that are p orbitals along an axis of the molecule and across it: they turn with it."""

    def __post_init__(self):
        self.multiplicities, self.laws = (1, 1), None
        self.atomic_numbers = self.model.atomic_numbers

    def _label(self, positions):
        along = positions[1] - positions[0]
        across = np.cross(along, positions[2] - positions[0])
        axes = np.stack([vector / np.linalg.norm(vector) for vector in (along, across)], axis=1)
        n = len(positions)
        return Label(
            Quality.TRUSTED,
            "",
            np.array([0.0, 0.1]),
            np.zeros((2, n, 3)),
            np.zeros((1, n, 3)),
            memory={"vectors": axes},
        )


@pytest.mark.parametrize("laws, transfers", [(None, False), (frozenset(), True)])
def test_a_rigid_tumbling_molecule_does_not_mix_its_states(laws, transfers):
    source = Orbitals(ToyMolecule(n_states=2, n_basis=2))
    source.laws = laws
    direct = DirectModel(OwnProcess(source))
    shape = start(1)[0][0].numpy()
    steps = [shape @ rotation(0.05 * step, [1, 2, -1]).T + 0.1 * step for step in range(30)]
    _, first = energies_and_eigenvectors(direct, at(steps[0]))
    for old, new in pairwise(steps):
        quality = direct.book.follow(at(old), at(new), torch.tensor([1]))
        assert not quality.any()
    _, last = energies_and_eigenvectors(direct, at(steps[-1]))
    mixed = (first.mT @ last)[0, 0, 1].abs()
    assert (mixed > 0.1) == transfers and (transfers or mixed < 1e-12)


def test_a_molecule_without_angular_momentum_is_not_turned():
    generator = np.random.default_rng(3)
    positions = start(1)[0][0].numpy()
    r = positions - MASSES @ positions / MASSES.sum()
    velocity = generator.normal(size=r.shape)
    inertia = sum(m * (x @ x * np.eye(3) - np.outer(x, x)) for m, x in zip(MASSES, r, strict=True))
    velocity -= MASSES @ velocity / MASSES.sum()
    omega = np.linalg.solve(inertia, (MASSES[:, None] * np.cross(r, velocity)).sum(0))
    velocity -= np.cross(omega, r)
    for size in (1e-2, 1e-3):
        turn = carried_turn(positions, positions + size * velocity, MASSES, np.eye(3))
        # Of second order in the step, and zero for motion along a straight line through the configuration.
        assert np.abs(turn - np.eye(3)).max() < 1e-14 + 2 * size**2


@pytest.mark.parametrize("geometry", ["bent", "linear"])
def test_a_turn_takes_out_a_rotation(geometry):
    positions = start(1)[0][0].numpy()
    if geometry == "linear":
        positions = np.outer(np.arange(5.0) ** 1.3, [1.0, -0.5, 2.0])
    moved = positions @ rotation(0.8, [0.3, -1.0, 0.5]).T + 3.0
    turn = carried_turn(positions, moved, MASSES, np.eye(3))
    back = turned(moved, MASSES, turn, MASSES @ positions / MASSES.sum())
    assert np.abs(back - positions).max() < 1e-12
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-14) and np.linalg.det(turn) > 0


def test_signs_are_followed_by_couplings_where_there_are_no_overlaps():
    model = ToyMolecule(n_states=3, n_basis=3)
    source = Teacher(model, gives=frozenset({"forces", "interstate_couplings"}))
    direct = DirectModel(OwnProcess(source), Wanted(couplings="each step"))
    steps = list(path_of(30))
    flips = 0
    energies_and_eigenvectors(direct, at(steps[0]))
    for old, new in pairwise(steps):
        before = surfaces(direct, at(old)).interstate_coupling
        u_before = direct.book.place(torch.from_numpy(old)).frame
        direct.book.follow(at(old), at(new), torch.tensor([1]))
        after = surfaces(direct, at(new)).interstate_coupling
        u = direct.book.place(torch.from_numpy(new)).frame
        assert np.array_equal(np.abs(u), np.eye(3))
        signs = np.diagonal(u_before) * np.diagonal(u)
        flips += (signs != signs[0]).any()
        goes_on = (before * after).sum((-1, -2))[0].numpy() * signs[:, None] * signs
        assert (goes_on[np.triu_indices(3, 1)] > 0).all()
    assert flips > 5


def test_a_checkpoint_gives_the_labels_back():
    model = ToyMolecule(n_states=3, n_basis=3)
    direct = DirectModel(OwnProcess(Teacher(model)))
    positions = start(4)[0]
    energies_and_eigenvectors(direct, positions)
    rows = torch.tensor([0, 2, 3])
    arrays = packed(direct, positions, rows)
    later = DirectModel(OwnProcess(Teacher(model)))
    unpack(later, positions, arrays)
    assert sorted(later.record.places) == sorted(
        key for key in direct.record.places if key != positions[1].numpy().tobytes()
    )
    for row in rows.tolist():
        one, other = (each.book.place(positions[row]) for each in (direct, later))
        assert np.array_equal(one.known.positions, other.known.positions)
        assert np.array_equal(one.frame, other.frame) and np.array_equal(one.turn, other.turn)
        for name in ("energies", "forces", "interstate_couplings"):
            assert np.array_equal(getattr(one.known.label, name), getattr(other.known.label, name))
        assert np.array_equal(one.known.label.memory["vectors"], other.known.label.memory["vectors"])


def test_all_starts_begin_from_the_label_of_the_first():
    source = Teacher(ToyMolecule(n_states=3, n_basis=3))
    direct = DirectModel(OwnProcess(source))
    energies_and_eigenvectors(direct, start(4)[0])
    assert source.asked == [("label", 0), ("label", 1), ("label", 1), ("label", 1)]


def test_a_second_label_with_other_states_is_no_answer():
    class Fickle(PartTeacher):
        def overlaps(self, first, second):
            return np.roll(super().overlaps(first, second), 1, axis=1)

    model = ToyMolecule(n_states=3, n_basis=3)
    direct = DirectModel(OwnProcess(Fickle(model)))
    positions = start(1)[0]
    active_surface(direct, positions, torch.tensor([1]))
    assert not direct.book.qualities(positions).any()
    surfaces(direct, positions)
    assert direct.book.qualities(positions).tolist() == [int(Quality.FAILED)]
    assert list(direct.record.reasons) == ["the same geometry, labelled again, has other states."]


def test_pairs_are_counted_in_lexicographic_order():
    pairs = [(k, l) for k in range(5) for l in range(k + 1, 5)]
    assert [pair_index(pair, 5) for pair in pairs] == list(range(10))


def test_states_of_a_molecule_with_vectors_in_its_basis_are_followed():
    """A latent basis that is larger than the states: S is made orthogonal as for the model itself."""
    model = twisted()
    direct = DirectModel(OwnProcess(Teacher(model)))
    reference = model.starting_geometry
    step = 0.05 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(2)).double()
    first, second = reference[None], (reference + step)[None]
    _, before = energies_and_eigenvectors(direct, first)
    assert not direct.book.follow(first, second, torch.tensor([0])).any()
    _, after = energies_and_eigenvectors(direct, second)
    exact = [energies_and_eigenvectors(model, positions)[1] for positions in (first, second)]
    left, _, right = torch.linalg.svd(exact[0].mT @ exact[1])
    assert torch.allclose((before.mT @ after).abs(), (left @ right).abs(), rtol=0, atol=1e-3)


def test_masses_of_a_source_are_those_of_the_most_abundant_isotopes():
    direct = DirectModel(OwnProcess(Teacher(ToyMolecule())))
    assert torch.allclose(
        direct.masses / 1822.888486, torch.tensor([12.0, 15.995, 14.003, 1.008, 1.008]).double(), rtol=1e-3
    )
    assert replace(direct, own_masses=(1.0, 2.0, 3.0, 4.0, 5.0)).masses.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
