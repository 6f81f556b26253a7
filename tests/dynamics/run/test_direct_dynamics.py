"""Direct dynamics: a label source with random signs gives the trajectories of the model behind it."""

import os
import signal
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
from signless_teacher import PartTeacher, Teacher
from slow_cases import slow_where
from toy_molecule import ToyMolecule, start

from nadyn.analysis.summary import analyse
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.needs import wanted_of
from nadyn.dynamics.methods.table import METHODS
from nadyn.dynamics.run.loop import run
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.labels import Quality
from nadyn.trajectory import digest, open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import HARTREE_PER_EV

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

N_TRAJ = 3
# Every method, and every option that changes what is asked of a label.
WAYS = {
    "nve": {"method": "nve"},
    "nvt": {"method": "nvt", "thermostat": {"temperature_kelvin": 300}},
    "fssh": {},
    "fssh in divided steps": {"adaptive": {"gap_ev": 0.4, "shortest_dt_fs": 0.25}},
    "afssh": {"decoherence": {"name": "afssh"}},
    "shxf": {"decoherence": {"name": "shxf", "width_bohr": 0.2}},
    "npi": {"propagation": "npi", "rescale": "gradient_difference"},
    "state_reordering": {"propagation": "state_reordering"},
    "tdc": {"propagation": "tdc"},
    "curvature": {"propagation": "curvature", "rescale": "isotropic"},
    "gfsh": {"method": "gfsh", "frustrated": "reverse"},
    "dish": {"method": "dish"},
    "landau_zener": {"method": "landau_zener"},
    "zhu_nakamura": {"method": "zhu_nakamura", "rescale": "gradient_difference"},
    "ehrenfest": {"method": "ehrenfest"},
    "csdm": {"method": "csdm"},
    "mash": {"method": "mash"},
    "multistate_mash": {"method": "multistate_mash"},
    "multistate_mash in divided steps": {
        "method": "multistate_mash",
        "adaptive": {"gap_ev": 0.4, "shortest_dt_fs": 0.25},
    },
}
NO_SOURCE = {"spin_lsc", "sqc", "npt"}


@dataclass(frozen=True)
class Molecule(ToyMolecule):
    """A molecule whose labels are asked for one at a time."""

    n_states: int = 3
    n_basis: int = 3
    block_width = 1
    # The most abundant isotopes are those of a label source.
    atomic_numbers = (6, 8, 7, 1, 1)


def starts(seed=1):
    return start(N_TRAJ, momentum=30.0, seed=seed)


def write_starts(folder, seed=1):
    positions, momenta = starts(seed)
    model = Molecule()
    initial = InitialConditions(
        positions.numpy(),
        momenta.numpy(),
        np.ones(N_TRAJ),
        model.masses.numpy(),
        np.array(model.atomic_numbers),
        1,
        None,
        "test",
        None,
    )
    write_initial_conditions(folder / "initial.h5", initial)


@pytest.fixture
def begin(tmp_path):
    write_starts(tmp_path)
    return tmp_path


def config(folder, name, **keys):
    content = {
        "initial": {"file": str(folder / "initial.h5"), "state": 2},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 10,
        "write_every": 1,
        "stop": {"dissociated": False},
        "seed": 2,
        "output": str(folder / name),
    }
    return {**content, **keys}


def trajectories(folder, name, model, **keys):
    result = run(config(folder, name, **keys), model=model, progress=False)
    return result, open_run(result.path)


QUICK = ("fssh", "ehrenfest", "mash", "curvature", "landau_zener")


@pytest.mark.parametrize(
    "way, kind",
    slow_where(
        lambda way, kind: way not in QUICK,
        [*((way, PartTeacher) for way in WAYS), ("fssh", Teacher), ("ehrenfest", Teacher)],
    ),
)
def test_a_source_gives_the_trajectories_of_its_model(begin, way, kind):
    keys = WAYS[way]
    states = {"n_states": 2, "n_basis": 2} if way == "mash" else {}
    if way == "mash":
        keys = {**keys, "initial": {"file": str(begin / "initial.h5"), "state": 1}}
    model = Molecule(**states)
    # What is drawn in some methods at the start refers to the signs there.
    teacher = kind(model, settled=starts()[0].numpy())
    result, reference = trajectories(begin, "model.h5", model, **keys)
    direct, answered = trajectories(begin, "direct.h5", teacher, **keys)
    assert direct.n_finished == result.n_finished == N_TRAJ
    # The search of a crossing is coarser where each look costs a label.
    tolerance = 1e-6 if "mash" in way else 1e-10
    assert np.abs(np.array(answered.positions) - reference.positions).max() < tolerance
    assert np.abs(np.array(answered.energies) - reference.energies).max() < tolerance
    populations = [np.sum(np.array(one.coefficients) ** 2, -1) for one in (answered, reference)]
    assert np.abs(populations[0] - populations[1]).max() < max(1e-8, tolerance)
    assert np.array_equal(answered.active_state, reference.active_state)
    assert np.array_equal(answered.hops["step"], reference.hops["step"])


def test_every_method_is_compared_with_its_model_or_refused():
    compared = {keys.get("method", "fssh") for keys in WAYS.values()}
    assert compared | NO_SOURCE == set(METHODS)


def test_the_comparison_sees_hops(begin):
    _, reference = trajectories(begin, "model.h5", Molecule())
    assert len(reference.hops["step"]) >= 2


@pytest.mark.parametrize(
    "gives, keys",
    [
        ({"forces"}, {"propagation": "curvature", "rescale": "gradient_difference"}),
        ({"forces"}, {"method": "landau_zener", "rescale": "isotropic"}),
        ({"forces", "interstate_couplings"}, {"propagation": "tdc"}),
        ({"forces", "interstate_couplings"}, {"method": "zhu_nakamura"}),
        ({"forces", "overlaps"}, {"rescale": "gradient_difference"}),
    ],
)
def test_a_source_that_knows_less_gives_the_same_where_that_is_enough(begin, gives, keys):
    model = Molecule()
    teacher = Teacher(model, gives=frozenset(gives))
    _, reference = trajectories(begin, "model.h5", model, **keys)
    direct, answered = trajectories(begin, "direct.h5", teacher, **keys)
    assert direct.n_finished == N_TRAJ
    assert np.abs(np.array(answered.positions) - reference.positions).max() < 1e-10
    assert np.array_equal(answered.active_state, reference.active_state)


def test_couplings_are_asked_for_only_where_a_hop_is_tried(begin):
    teacher = PartTeacher(Molecule())
    _, run = trajectories(begin, "direct.h5", teacher)
    attempts = len(run.hops["step"])
    labels = [asked for asked in teacher.asked if asked[0] == "label"]
    again = [asked for asked in teacher.asked if asked[0] == "again"]
    assert attempts >= 2 and len(again) == attempts
    assert len(labels) == N_TRAJ * 21
    assert all(len(forces) == 1 and not pairs for _, forces, pairs in labels)
    assert all(len(forces) == 1 and len(pairs) == 1 for _, forces, pairs in again)


def test_each_label_of_a_mean_is_asked_for_once(begin):
    teacher = PartTeacher(Molecule())
    trajectories(begin, "direct.h5", teacher, method="ehrenfest")
    steps = teacher.asked[2 * N_TRAJ :]
    assert all(asked[0] == "label" and len(asked[1]) == len(asked[2]) == 3 for asked in steps)


@pytest.mark.parametrize(
    "gives, keys, sentence",
    [
        ({"forces"}, {}, "`propagation` must do without overlaps of wave functions for source teacher"),
        ({"forces", "overlaps"}, {}, "`rescale` must do without couplings"),
        ({"forces"}, {"propagation": "tdc"}, "`propagation` must do without couplings"),
        ({"forces", "interstate_couplings"}, {"method": "ehrenfest"}, "`method` must do without overlaps"),
        ({"forces", "overlaps"}, {"method": "multistate_mash"}, "`method` must do without couplings"),
        ({"forces"}, {"method": "landau_zener"}, "`rescale` must do without couplings"),
        ({"interstate_couplings"}, {"method": "nve"}, "`method` must do without forces"),
        (
            {"forces", "interstate_couplings"},
            {"propagation": "tdc", "decoherence": {"name": "afssh"}},
            "`decoherence` must do without overlaps",
        ),
        (
            {"forces", "interstate_couplings", "overlaps"},
            {"method": "sqc"},
            "`method` must do without a fixed diabatic basis",
        ),
    ],
)
def test_what_a_source_cannot_serve_is_refused(begin, gives, keys, sentence):
    with pytest.raises(InputError, match=sentence):
        trajectories(begin, "run.h5", Teacher(Molecule(), gives=frozenset(gives)), **keys)
    assert not (begin / "run.h5").exists()


def test_gaps_of_states_of_different_spin_are_refused(begin):
    teacher = Teacher(Molecule(), multiplicities=(1, 1, 3))
    with pytest.raises(InputError, match="states of one multiplicity"):
        trajectories(begin, "run.h5", teacher, method="landau_zener")


def test_a_model_has_no_labels_section(begin):
    with pytest.raises(InputError, match="`labels` must be left out for model toy"):
        trajectories(begin, "run.h5", Molecule(), labels={"processes": 1})


class SpinTeacher(Teacher):
    """Two singlets, and a triplet that crosses both."""

    def __post_init__(self):
        self.multiplicities = (1, 1, 3)
        self.atomic_numbers, self.laws = self.model.atomic_numbers, self.model.laws

    def _label(self, positions):
        singlets = super()._label(positions)
        bonds = np.linalg.norm(positions - positions.mean(0))
        outward = (positions - positions.mean(0)) / bonds
        energies = np.append(singlets.energies, singlets.energies.mean() + 0.01 * np.sin(20.0 * bonds))
        force = singlets.forces.mean(0) - 0.2 * np.cos(20.0 * bonds) * outward
        h = np.full((3, *positions.shape), np.nan)
        h[0] = singlets.interstate_couplings[0]
        vectors = np.eye(3)
        vectors[:2, :2] = singlets.memory["vectors"]
        return replace(
            singlets,
            energies=energies,
            forces=np.concatenate([singlets.forces, force[None]]),
            interstate_couplings=h,
            memory={"vectors": vectors},
        )


def test_a_state_of_other_spin_that_crosses_changes_nothing(begin):
    write_starts(begin, seed=3)
    model = Molecule(n_states=2, n_basis=2)
    keys = {"decoherence": "none", "initial": {"file": str(begin / "initial.h5"), "state": 1}}
    _, reference = trajectories(begin, "alone.h5", model, **keys)
    direct, answered = trajectories(begin, "both.h5", SpinTeacher(model), **keys)
    assert direct.n_finished == N_TRAJ
    above = np.array(answered.energies)[:, :, 2] > np.array(answered.energies)[:, :, 1]
    assert above.any() and not above.all()
    assert len(reference.hops["step"]) and np.array_equal(answered.hops["step"], reference.hops["step"])
    assert np.abs(np.array(answered.positions) - reference.positions).max() < 1e-10


BAD_STEP = 9


def distances(positions):
    return np.linalg.norm(positions[:, None] - positions, axis=-1)


def bad_at_one_place(reference, bad):
    """The quality of labels, bad where the first trajectory comes to in a step; a source may see it turned.

    In half steps it comes to nearly the same place.
    """
    there = distances(np.array(reference.positions[BAD_STEP, 0]))
    return lambda x: bad if np.abs(distances(x) - there).max() < 1e-3 else Quality.TRUSTED


FAILED, DOUBTFUL = (Quality.FAILED, "source_failed"), (Quality.DOUBTFUL, "outside_method")


@pytest.mark.parametrize(
    "bad, status, keys",
    [
        (*FAILED, {}),
        (*DOUBTFUL, {}),
        pytest.param(*FAILED, WAYS["fssh in divided steps"], marks=pytest.mark.slow),
        pytest.param(*DOUBTFUL, WAYS["ehrenfest"], marks=pytest.mark.slow),
        (*FAILED, {"method": "nve"}),
    ],
)
def test_one_bad_label_ends_one_trajectory_with_a_status(begin, bad, status, keys):
    model = Molecule()
    _, reference = trajectories(begin, "model.h5", model, **keys)
    teacher = Teacher(model, quality_at=bad_at_one_place(reference, bad))
    direct, run = trajectories(begin, "run.h5", teacher, **keys)
    assert direct.n_stopped == {status: 1} and direct.n_finished == N_TRAJ - 1
    last = int(run.last_step[0])
    assert last == BAD_STEP - 1
    assert np.abs(np.array(run.positions)[: last + 1, 0] - reference.positions[: last + 1, 0]).max() < 1e-10
    assert np.abs(np.array(run.positions)[:, 1:] - reference.positions[:, 1:]).max() < 1e-10
    assert any("not trusted" in notice for notice in direct.notices)
    numbers = analyse(begin / "run.h5")
    assert numbers["n_stopped"] == {status: 1} and numbers["n_outside_method"] == (status == "outside_method")


def test_a_start_that_has_no_label_is_counted_and_the_others_go_on(begin):
    first = starts()[0].numpy()[0]
    bad_at = lambda x: Quality.FAILED if np.array_equal(x, first) else Quality.TRUSTED  # noqa: E731
    direct, run = trajectories(begin, "run.h5", Teacher(Molecule(), quality_at=bad_at))
    assert direct.n_stopped == {"source_failed": 1} and run.last_step[0] == 0
    assert analyse(begin / "run.h5")["n_finished"] == N_TRAJ - 1


class Nan(Teacher):
    """A source that says trusted and gives no number."""

    def _label(self, positions):
        label = super()._label(positions)
        if label.quality == Quality.DOUBTFUL:
            bad = getattr(label, self.theory) * np.nan
            return replace(label, quality=Quality.TRUSTED, reason="", **{self.theory: bad})
        return label


@pytest.mark.parametrize(
    "what", slow_where(lambda what: what != "forces", ["energies", "forces", "interstate_couplings"])
)
def test_a_label_that_is_no_number_ends_its_trajectory(begin, what):
    _, reference = trajectories(begin, "model.h5", Molecule(), method="ehrenfest")
    bad = bad_at_one_place(reference, Quality.DOUBTFUL)
    source = Nan(Molecule(), theory=what, quality_at=bad)
    direct, _ = trajectories(begin, "run.h5", source, method="ehrenfest")
    assert direct.n_stopped == {"source_failed": 1}


def test_states_that_are_others_after_half_a_step_too_are_outside_of_the_method(begin):
    class Jumps(Teacher):
        def overlaps(self, first, second):
            jumped = (first.positions[0, 0] > 0.05) != (second.positions[0, 0] > 0.05)
            return super().overlaps(first, second) * (0.3 if jumped else 1.0)

    direct, _ = trajectories(begin, "run.h5", Jumps(Molecule()))
    assert set(direct.n_stopped) == {"outside_method"}
    assert any("not the same, also in half a step" in notice for notice in direct.notices)


class Killed(PartTeacher):
    """A source whose process is killed in the middle of a step."""

    def overlaps(self, first, second):
        if len(self.asked) > 20:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().overlaps(first, second)


SLOW = [pytest.param(way, marks=pytest.mark.slow) for way in ("fssh", "multistate_mash")]


@pytest.mark.parametrize("way", ["tdc", *SLOW])
def test_a_killed_run_goes_on_with_the_same_bits(begin, way):
    keys = {**WAYS[way], "time_fs": 5, "checkpoint_every": 3}
    trajectories(begin, "whole.h5", PartTeacher(Molecule()), **keys)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            run(config(begin, "run.h5", **keys), model=Killed(Molecule()), progress=False)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    goes_on = run(config(begin, "run.h5", **keys), model=PartTeacher(Molecule()), resume=True, progress=False)
    assert goes_on.n_finished == N_TRAJ
    assert digest(begin / "run.h5") == digest(begin / "whole.h5")


def test_a_run_that_is_made_longer_is_the_longer_run(begin):
    keys = {"write_every": 1, "checkpoint_every": 4}
    trajectories(begin, "whole.h5", Teacher(Molecule()), **keys)
    trajectories(begin, "run.h5", Teacher(Molecule()), **keys, time_fs=6)
    # One that is complete may be gone on with, which changes nothing.
    run(config(begin, "run.h5", **keys, time_fs=6), model=Teacher(Molecule()), resume=True, progress=False)
    run(config(begin, "run.h5", **keys), model=Teacher(Molecule()), resume=True, progress=False)
    assert digest(begin / "run.h5") == digest(begin / "whole.h5")


def test_another_level_of_theory_is_not_gone_on_with(begin):
    trajectories(begin, "run.h5", Teacher(Molecule()), time_fs=2)
    with pytest.raises(InputError, match="`model` must be the one"):
        run(config(begin, "run.h5"), model=Teacher(Molecule(), theory="other"), resume=True, progress=False)


def test_what_becomes_of_a_state_that_is_not_in_use_ends_no_trajectory(begin):
    class Restless(Teacher):
        def overlaps(self, first, second):
            overlap = super().overlaps(first, second)
            overlap[2], overlap[:, 2] = 0.1 * overlap[2], 0.1 * overlap[:, 2]
            return overlap

        def _label(self, positions):
            label = super()._label(positions)
            return replace(label, energies=label.energies + np.array([0.0, 0.0, 1.0]))

    keys = {"initial": {"file": str(begin / "initial.h5"), "state": 0}}
    assert trajectories(begin, "low.h5", Restless(Molecule()), **keys)[0].n_finished == N_TRAJ
    keys = {"initial": {"file": str(begin / "initial.h5"), "state": 2}}
    direct, _ = trajectories(begin, "high.h5", Restless(Molecule()), **keys)
    assert direct.n_stopped == {"outside_method": N_TRAJ}


def test_divided_steps_pass_where_only_short_ones_are_trusted(begin):
    """A doubt that half of half a step answers ends no trajectory that may divide its steps."""

    class ShortSteps(Teacher):
        longest = None
        lengths = ()

        def label_along(self, positions, before, *, forces, pairs):
            length = float(np.abs(positions - before.positions).max())
            self.lengths = (*self.lengths, length)
            label = self.label(positions, (before,))
            doubted = self.longest is not None and length > self.longest
            return replace(label, quality=Quality.DOUBTFUL, reason="another solution.") if doubted else label

    keys = {"time_fs": 1.5}
    free = ShortSteps(Molecule())
    assert trajectories(begin, "free.h5", free, **keys)[0].n_finished == N_TRAJ
    for name, adaptive, finished in (
        ("whole.h5", None, 0),
        ("parts.h5", {"energy_ev": 1e3, "shortest_dt_fs": 0.03}, N_TRAJ),
    ):
        source = ShortSteps(Molecule())
        source.longest = 0.35 * min(free.lengths)
        result, _ = trajectories(begin, name, source, adaptive=adaptive, **keys)
        assert result.n_finished == finished
        assert result.n_stopped == ({} if finished else {"outside_method": N_TRAJ})


def test_a_jump_may_be_allowed_to_label_sources_only_and_up_to_the_largest_error(begin):
    with pytest.raises(InputError, match=r"`stop\.jump_ev` must be left out for model"):
        trajectories(begin, "run.h5", Molecule(), stop={"jump_ev": 0.2})
    with pytest.raises(InputError, match=r"`stop\.jump_ev` must be at most `max_energy_step_ev`, 0\.3"):
        trajectories(begin, "run.h5", Teacher(Molecule()), stop={"jump_ev": 0.5})
    for keys in ({"method": "landau_zener"}, {"method": "fssh", "propagation": "curvature"}):
        with pytest.raises(InputError, match=r"`stop\.jump_ev` must be left out for method .* curvatures"):
            trajectories(begin, "run.h5", Teacher(Molecule()), stop={"jump_ev": 0.2}, **keys)
    asked = parse_configuration(config(begin, "run.h5", stop={"jump_ev": 0.2}), RunConfiguration, where="run")
    assert wanted_of(asked, METHODS["fssh"]).largest_jump == pytest.approx(0.2 * HARTREE_PER_EV)
