"""Trajectories on the source itself: what a run file says of judges is not for them."""

import numpy as np

from nadyn.data.label_record import LabelMethod
from nadyn.data.label_store import LabelStore
from nadyn.dynamics.run_file import StopSection
from nadyn.electronic.direct.questions import OwnProcess, Question
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.interfaces.messages import question_arrays, question_from_arrays
from nadyn.learning.direct import RecordingDesk, without_judges
from nadyn.learning.stored_labels import record_of

JUDGES = {
    "committee": False,
    "energy_spread_ev": 0.3,
    "gap_spread_ev": 0.3,
    "force_spread_ev_per_angstrom": 3.0,
    "novelty": 0.1,
    "lenience": 2.0,
}


def test_limits_of_a_committee_and_of_novelty_are_left_out_and_others_kept():
    dynamics = {"method": "fssh", "stop": {**JUDGES, "dissociated": False}}
    assert without_judges(dynamics) == {"method": "fssh", "stop": {"dissociated": False}}
    assert dynamics["stop"]["novelty"] == 0.1
    assert without_judges({"method": "fssh", "stop": JUDGES}) == {"method": "fssh"}
    # A source is not asked whether a molecule has fallen apart: its trajectories go on.
    assert without_judges({"method": "fssh", "stop": {"dissociated": True}}) == {"method": "fssh"}
    assert without_judges({"method": "fssh", "stop": None}) == {"method": "fssh"}


def test_all_keys_of_stop_are_known_as_of_judges_or_of_trajectories():
    assert set(JUDGES) | {"beyond_au", "dissociated", "jump_ev", "lowest_state_fs"} == set(
        StopSection.model_fields
    )


class Spring:
    """A source with one state that counts what it labels, and tells by overlaps what it compared."""

    name, theory, atomic_numbers, charge, multiplicities = "python", "a spring", (8, 1, 1), 0, (1,)
    gives = frozenset({"forces", "overlaps"})

    def __init__(self):
        self.n_labels = 0

    def label(self, positions, near):
        self.n_labels += 1
        about = positions - positions.mean(axis=0)
        energy = np.array([0.5 * np.square(about).sum()])
        memory = {"energy": energy}
        return Label(Quality.TRUSTED, "", energy, -about[None], seconds=2.0, memory=memory)

    def overlaps(self, one, other):
        return np.outer(one.label.memory["energy"], other.label.memory["energy"])


def test_a_label_that_the_store_holds_is_not_asked_for_again_but_its_overlap_is(tmp_path):
    method = LabelMethod("python", "a spring", (8, 1, 1), 0, (1,), {})
    start, then = np.eye(3), 1.01 * np.eye(3)
    source = Spring()
    desk = RecordingDesk(OwnProcess(source), LabelStore(tmp_path / "store", method), every=2)
    near = (Known(start, source.label(start, ())),)
    questions = [Question(start), Question(then, near, compare=True, along=True)]
    first = desk.ask(questions)
    assert source.n_labels == 3
    # As after a loop that began anew: the store is read from the disk.
    desk = RecordingDesk(OwnProcess(source), LabelStore(tmp_path / "store", method), every=2)
    again = desk.ask(questions)
    assert source.n_labels == 3
    for one, other in zip(first, again, strict=True):
        assert one.label.energies.tobytes() == other.label.energies.tobytes()
        assert one.label.forces.tobytes() == other.label.forces.tobytes()
    assert first[0].overlap is None and again[0].overlap is None
    assert np.array_equal(first[1].overlap, again[1].overlap)
    assert again[1].overlap[0, 0] == near[0].label.energies[0] * first[1].label.energies[0]


def test_a_label_of_nearly_the_same_geometry_is_not_taken(tmp_path):
    method = LabelMethod("python", "a spring", (8, 1, 1), 0, (1,), {})
    source, store = Spring(), LabelStore(tmp_path / "store", method)
    start = np.eye(3)
    store.add(record_of(start, source.label(start, ()), tag="direct"))
    near_by = start * (1.0 + 1e-13)
    assert near_by in store
    desk = RecordingDesk(OwnProcess(source), store, every=2)
    (answer,) = desk.ask([Question(near_by)])
    assert source.n_labels == 2 and answer.label.energies != source.label(start, ()).energies


def test_doubtful_labels_and_those_of_other_solutions_are_asked_for_again(tmp_path):
    method = LabelMethod("python", "a spring", (8, 1, 1), 0, (1,), {})
    source, store = Spring(), LabelStore(tmp_path / "store", method)
    start, then = np.eye(3), 1.01 * np.eye(3)
    label = source.label(start, ())
    doubtful = Label(Quality.DOUBTFUL, "it is so", label.energies, label.forces)
    store.add(record_of(start, doubtful, tag="direct"))
    store.add(record_of(then, source.label(then, ()), tag="random"))
    desk = RecordingDesk(OwnProcess(source), store, every=2)
    near = (Known(start, label),)
    desk.ask([Question(start)])
    assert source.n_labels == 3
    # A label from elsewhere serves as a beginning, not along a way.
    desk.ask([Question(then)])
    assert source.n_labels == 3
    desk.ask([Question(then, near, along=True)])
    assert source.n_labels == 4


def test_a_label_goes_to_another_process_with_its_question():
    label = Spring().label(np.eye(3), ())
    there = question_from_arrays(question_arrays(Question(np.eye(3), label=label, compare=True)))
    assert there.label.forces.tobytes() == label.forces.tobytes()
    assert there.label.memory["energy"] == label.memory["energy"] and there.compare
    near = (Known(np.eye(3), label),)
    assert question_from_arrays(question_arrays(Question(np.eye(3), near))).label is None
