"""A doubt about some states ends a trajectory that uses one of them, or comes near one, and no other."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nadyn.electronic.direct.book import Wanted
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.packing import place_from_bytes, place_to_bytes
from nadyn.electronic.direct.questions import OwnProcess
from nadyn.electronic.labels import Quality
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.units import HARTREE_PER_EV

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from signless_teacher import Teacher
from toy_molecule import ToyMolecule, start


class Doubter(Teacher):
    """A teacher whose highest states are others from the second geometry on, at energies as they are told."""

    levels_ev = (0.0, 5.0, 6.0)
    doubted = (1, 2)

    def label(self, positions, near=()):
        label = super().label(positions, near)
        label = replace(label, energies=np.array(self.levels_ev) * HARTREE_PER_EV)
        if not near:
            return label
        return replace(label, quality=Quality.DOUBTFUL, reason="others.", doubted=self.doubted)

    def overlaps(self, first, second):
        if np.array_equal(first.positions, second.positions):
            return super().overlaps(first, second)
        # Half of the upper states has gone, and something of them came to the lowest one.
        return np.array([[0.94, 0.25, 0.1], [-0.2, 0.1, 0.6], [0.1, -0.6, 0.1]])


def step(used, *, jump_ev=None, **changes):
    """The quality at the end of a step with some states in use, the model, and the turn of the states."""
    source = Doubter(ToyMolecule(n_states=3, n_basis=3))
    for name, value in changes.items():
        setattr(source, name, value)
    wanted = Wanted(largest_jump=None if jump_ev is None else jump_ev * HARTREE_PER_EV)
    model = DirectModel(OwnProcess(source), wanted)
    old = start(1)[0]
    new = old + 0.01
    _, before = energies_and_eigenvectors(model, old)
    used = torch.tensor([[k in used for k in range(3)]])
    (quality,) = model.book.follow(old, new, torch.tensor([0]), used=used).tolist()
    _, after = energies_and_eigenvectors(model, new)
    return Quality(quality), model, new, (before.mT @ after)[0].abs()


def test_a_trajectory_far_from_the_doubted_states_goes_on_and_the_doubt_is_counted():
    quality, model, _, _ = step({0})
    assert quality is Quality.TRUSTED
    (reason,) = model.record.reasons
    assert "far from those in use: others." in reason


def test_no_population_goes_to_states_that_have_become_others():
    _, _, _, overlap = step({0})
    assert overlap[0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)
    assert torch.allclose((overlap**2).sum(dim=1), torch.ones(3, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize(
    ("used", "changes"),
    [
        ({0, 1}, {}),
        ({0}, {"levels_ev": (0.0, 1.5, 6.0)}),
        ({0}, {"doubted": None}),
        ({0}, {"doubted": (0, 1)}),
    ],
    ids=["in use", "near one in use", "about all", "about the one in use"],
)
def test_a_doubt_about_a_state_in_use_or_near_one_ends_the_trajectory(used, changes):
    quality, _, _, _ = step(used, **changes)
    assert quality is Quality.DOUBTFUL


def test_a_path_goes_on_from_such_a_place_after_a_checkpoint():
    _, model, new, _ = step({0})
    place = model.book.place(new[0])
    again = place_from_bytes(place_to_bytes(place))
    assert again.quality is place.quality is Quality.TRUSTED and again.reason == ""


def test_what_is_asked_of_a_doubted_state_makes_the_doubt_count():
    _, model, new, _ = step({0})
    place = model.book.place(new[0])
    known = replace(place.known, label=replace(place.known.label, forces=np.full((3, *new[0].shape), np.nan)))
    model.book.put(new[0], replace(place, known=known))
    model.book.complete({new[0].numpy().tobytes(): ((1,), ())})
    assert model.book.place(new[0]).quality is Quality.DOUBTFUL


class Jumper(Doubter):
    """Whose lowest state jumps by 0.3 eV, and that says of no state in particular that it doubts it."""

    levels_ev = (0.0, 1.5, 6.0)
    doubted = None

    def label(self, positions, near=()):
        label = super().label(positions, near)
        # A force of its own, so that the trapezoid rule has it exactly.
        force = np.zeros_like(label.forces)
        force[0, 1, 2] = 0.01
        if not near:
            return replace(label, forces=force)
        way = (positions - near[0].positions)[1, 2] - (positions - near[0].positions).mean(axis=0)[2]
        energies = label.energies + np.array([0.3 * HARTREE_PER_EV - 0.01 * way, 0.0, 0.0])
        return replace(label, forces=force, energies=energies)


@pytest.mark.parametrize(
    ("used", "jump_ev", "goes_on"),
    [({0}, None, False), ({0}, 0.29, False), ({0}, 0.31, True), ({0, 1}, 0.31, False)],
    ids=["not allowed", "too far", "near enough", "another state in use"],
)
def test_a_trajectory_goes_on_with_its_states_through_a_jump_that_is_allowed(
    monkeypatch, used, jump_ev, goes_on
):
    monkeypatch.setitem(step.__globals__, "Doubter", Jumper)
    quality, model, new, overlap = step(used, jump_ev=jump_ev)
    assert quality is (Quality.TRUSTED if goes_on else Quality.DOUBTFUL)
    if goes_on:
        assert model.book.place(new[0]).known.label.doubted == (1, 2)
        assert any("where the states in use go on: others." in reason for reason in model.record.reasons)
        assert overlap[0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)


class ShortSteps(Teacher):
    """A teacher that doubts what is far from the geometry before, as a program that begins from there."""

    longest = 1.0

    def label_along(self, positions, before, *, forces, pairs):
        label = self.label(positions, (before,))
        far = np.abs(positions - before.positions).max() > self.longest
        return replace(label, quality=Quality.DOUBTFUL, reason="others.") if far else label


@pytest.mark.parametrize(
    ("longest", "quality", "labels"), [(1.1, 0, 1), (0.6, 0, 3), (0.4, 1, 2)], ids=["whole", "half", "less"]
)
def test_a_doubt_at_the_end_of_a_step_is_asked_about_by_way_of_the_middle(longest, quality, labels):
    source = ShortSteps(ToyMolecule(n_states=3, n_basis=3), laws=frozenset())
    model = DirectModel(OwnProcess(source))
    old = start(1)[0]
    new = old.clone()
    new[0, 0, 0] += 0.01
    _, before = energies_and_eigenvectors(model, old)
    source.asked.clear()
    source.longest = 0.01 * longest
    assert model.book.follow(old, new, torch.tensor([0])).tolist() == [quality]
    assert len(source.asked) == labels
    if not quality:
        energies, after = energies_and_eigenvectors(model, new)
        exact, _ = energies_and_eigenvectors(source.model, new)
        assert torch.allclose(energies, exact, rtol=0, atol=1e-13)
        assert float(torch.linalg.det(before.mT @ after)[0].abs()) == pytest.approx(1.0, abs=1e-12)
