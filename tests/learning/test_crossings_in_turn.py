"""Model and source by turns: what is asked, what is compared, when it ends, and that nothing is asked twice.

The source is the Jahn-Teller molecule, whose lowest crossing is the equilateral triangle of side 5.4 bohr at
zero energy. A model is the same with lengths divided by `scale` and energies raised by `shift`: its lowest
crossing is a triangle of side 5.4 / scale at `shift`.
"""

import json
import math

import numpy as np
import pytest
import torch

from nadyn.electronic.crossings import landscape_of_model
from nadyn.electronic.labels import Quality
from nadyn.learning.asked_of_source import Notebook
from nadyn.learning.crossing_turns import Terms, turn_from, verdict
from nadyn.learning.crossings_in_turn import InTurn, crossings_in_turn
from nadyn.models.analytic.molecules import jahn_teller
from nadyn.models.analytic.molecules.jahn_teller import _formula
from nadyn.models.analytic.molecules.symmetric_molecule import SymmetricMolecule
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE
from tests.electronic.crossings.seam_models import Teacher

SIDE, STIFFNESS, DECAY = 5.4, 0.040, 0.45


def model(scale, shift):
    true = jahn_teller()

    def formula(positions):
        return _formula(scale * positions) + shift * torch.eye(2, dtype=torch.float64)

    return SymmetricMolecule(
        f"model {scale:.3f}", true.atomic_numbers, true.starting_geometry / scale, 2, 2, formula
    )


class Desk:
    """A desk of a teacher with a memory, as that of a store."""

    def __init__(self, fails=lambda positions: False, gives=frozenset({"forces", "interstate_couplings"})):
        self.source = Teacher(landscape_of_model(jahn_teller()), gives=gives)
        self.memory, self.tags, self.fails = {}, set(), fails

    @property
    def n_asked(self):
        return len(self.source.asked)

    def label(self, geometries, *, tag=""):
        self.tags.add(tag)
        for one in geometries:
            if one.tobytes() not in self.memory:
                label = self.source.label(one)
                if self.fails(one):
                    label = type(label)(Quality.DOUBTFUL, "it is far away", label.energies, label.forces)
                self.memory[one.tobytes()] = label
        return [self.memory[one.tobytes()] for one in geometries]


class Learner:
    """Models that come nearer by a factor each round; it remembers with how many labels."""

    def __init__(self, scale=1.2, shift=0.01, factor=0.2, stop_at=None):
        self.scale, self.shift, self.factor, self.stop_at = scale, shift, factor, stop_at
        self.calls = []

    def model(self, number):
        part = self.factor ** (number - 1)
        return model(1.0 + part * (self.scale - 1.0), part * self.shift)

    def learn(self, number, near):
        self.calls.append((number, near))
        if number == self.stop_at:
            self.stop_at = None
            raise KeyboardInterrupt
        return self.model(number), 1000 + near.n_frames


def in_turn(folder, learner=None, desk=None, **terms):
    learner, desk = learner or Learner(), desk or Desk()
    start = jahn_teller().starting_geometry.numpy() + 0.1 * np.arange(9.0).reshape(3, 3) ** 0.5
    keys = {"model": learner.model(1), "learn": learner.learn, "desk": desk, "name": "trimer"}
    return InTurn(
        **keys, starts=[start], pair=(0, 1), n=2, terms=Terms(**({"around": 2} | terms)), folder=folder
    )


pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def test_a_model_that_learns_comes_to_the_crossing_of_its_source(tmp_path):
    learner, desk = Learner(), Desk()
    work = in_turn(tmp_path, learner, desk)
    turns = crossings_in_turn(work)
    assert [turn.agrees for turn in turns] == [False, False, True]
    n_frames = [1000 + near.n_frames for _, near in learner.calls]
    assert [turn.frames for turn in turns] == [None, *n_frames]
    for number, turn in enumerate(turns, start=1):
        part = 0.2 ** (number - 1)
        side = SIDE / (1.0 + 0.2 * part)
        y = (1.0 - math.exp(-DECAY * (side - SIDE))) / DECAY
        (one,) = turn.crossings
        # The source at a triangle of another size: E = 3/2 D y², and no gap.
        at_it = 1.5 * STIFFNESS * y * y
        assert one.energy == pytest.approx(0.01 * part, abs=1e-6)
        assert one.wrong_ev == pytest.approx((0.01 * part - at_it) * ELECTRONVOLT_PER_HARTREE, abs=2e-3)
        assert one.gap_ev == pytest.approx(0.0, abs=1e-3) and one.label == "trusted"
        assert one.apart_ev == pytest.approx(0.01 * part * ELECTRONVOLT_PER_HARTREE, abs=1e-3)
        far = (SIDE - side) / math.sqrt(3.0) * ANGSTROM_PER_BOHR
        assert one.rmsd_angstrom == pytest.approx(far, abs=2e-3)
    (of_source,) = turns[-1].of_source
    assert of_source.energy == pytest.approx(0.0, abs=1e-5) and abs(of_source.gap_ev) < 1e-2
    sides = np.linalg.norm(np.diff(np.array(of_source.positions), axis=0), axis=1)
    np.testing.assert_allclose(sides, SIDE, atol=0.01)
    assert "within 0.011 eV" in verdict(turns, work.terms) and "3 rounds" in verdict(turns, work.terms)


def test_all_labels_train_and_each_is_asked_for_once(tmp_path):
    learner, desk = Learner(), Desk()
    turns = crossings_in_turn(in_turn(tmp_path, learner, desk))
    assert turns[-1].labels == turns[-1].trusted == desk.n_asked == sum(len(turn.asked) for turn in turns)
    assert desk.tags == {"crossing"}
    # The second model learned all of the first round: a crossing, two around, and the way of the source.
    number, near = learner.calls[0]
    assert number == 2 and near.name == "trimer" and near.interstate_couplings is not None
    np.testing.assert_array_equal(near.positions, turns[0].asked)
    np.testing.assert_array_equal(near.positions[0], turns[0].crossings[0].positions)
    around = np.abs(near.positions[1:3] - near.positions[0])
    assert 0.0 < around.max() < 0.3
    # From the second round on the crossing of the source is known, and nobody goes there again.
    assert len(turns[1].asked) == len(turns[2].asked) == 3
    assert turns[0].of_source[0].n_labels == turns[0].labels - 3 > 0


def test_an_interrupted_call_goes_on_to_the_same_end(tmp_path):
    desk = Desk()
    whole = crossings_in_turn(in_turn(tmp_path / "whole"))
    stopped = Learner(stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        crossings_in_turn(in_turn(tmp_path / "stopped", stopped, desk))
    n_before = desk.n_asked
    told = []
    again = crossings_in_turn(in_turn(tmp_path / "stopped", stopped, desk), done=told.append)
    assert again == whole == told
    assert desk.n_asked == whole[-1].labels and n_before == whole[1].labels
    assert [number for number, _ in stopped.calls] == [2, 3, 3]
    stored = json.loads((tmp_path / "stopped" / "round_02" / "turn.json").read_text())
    assert turn_from(stored) == whole[1]


def test_no_more_labels_are_asked_for_than_allowed_and_the_last_ones_are_learned(tmp_path):
    learner, desk = Learner(), Desk()
    work = in_turn(tmp_path, learner, desk, labels=5)
    turns = crossings_in_turn(work)
    assert desk.n_asked == turns[-1].labels == 5
    # What is left of the first round went to the source's way, which did not suffice.
    assert [turn.was_spent for turn in turns] == [False, True]
    assert turns[-1].of_source == () and not turns[-1].agrees
    assert turns[-1].crossings[0].nearest is None and turns[-1].crossings[0].wrong_ev is None
    assert turns[-1].crossings[0].label == "failed: the budget of labels is spent"
    assert "do not have the same" in verdict(turns, work.terms)
    more = crossings_in_turn(in_turn(tmp_path, learner, desk, labels=100))
    assert more[:2] == turns and more[-1].agrees


def test_rounds_end_where_they_are_counted(tmp_path):
    turns = crossings_in_turn(in_turn(tmp_path, Learner(factor=1.0), rounds=2))
    assert len(turns) == 2 and not turns[-1].agrees


def test_the_right_energy_at_the_wrong_place_does_not_agree_nor_the_other_way_round(tmp_path):
    far = crossings_in_turn(in_turn(tmp_path / "far", Learner(scale=1.1, shift=0.0), rounds=1))
    assert abs(far[0].crossings[0].apart_ev) < 0.01 and far[0].crossings[0].rmsd_angstrom > 0.05
    high = crossings_in_turn(in_turn(tmp_path / "high", Learner(scale=1.0, shift=0.004), rounds=1))
    assert high[0].crossings[0].apart_ev > 0.05 and high[0].crossings[0].rmsd_angstrom < 0.01
    low = crossings_in_turn(in_turn(tmp_path / "low", Learner(scale=1.0, shift=-0.004), rounds=1))
    assert low[0].crossings[0].apart_ev < -0.05
    assert not (far[0].agrees or high[0].agrees or low[0].agrees)


def test_labels_that_are_not_trusted_count_but_do_not_train(tmp_path):
    learner = Learner(factor=1.0)
    desk = Desk(fails=lambda positions: np.linalg.norm(positions[0] - positions[1]) < 4.7)
    turns = crossings_in_turn(in_turn(tmp_path, learner, desk, rounds=2))
    assert turns[0].crossings[0].label.startswith("doubtful: it is far away")
    assert turns[0].trusted < turns[0].labels
    assert learner.calls[0][1].n_frames == turns[0].trusted


def test_a_source_without_couplings_is_followed_too(tmp_path):
    turns = crossings_in_turn(in_turn(tmp_path, desk=Desk(gives=frozenset({"forces"}))))
    assert turns[-1].agrees and turns[-1].of_source[0].energy == pytest.approx(0.0, abs=1e-4)


def test_a_notebook_answers_every_geometry_and_asks_for_each_once():
    desk = Desk()
    notebook = Notebook(desk, 3, tag="crossing")
    places = jahn_teller().starting_geometry.numpy() * np.array([1.0, 1.1, 1.2, 1.3])[:, None, None]
    first = notebook.label(places[:2])
    again = notebook.label(places)
    assert [one.quality for one in again] == [Quality.TRUSTED] * 3 + [Quality.FAILED]
    assert again[0] is first[0] and desk.n_asked == 3 and notebook.left == 0
    # What was asked before counts, even if less is allowed now.
    fewer = Notebook(desk, 1, tag="crossing")
    fewer.remember(places[:3].tolist())
    assert len(fewer) == 3 and fewer.left == 0 and fewer.group("trimer").n_frames == 3
