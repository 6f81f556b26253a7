"""A molecule has fallen apart for good where its fragments recede and feel each other in no state in use."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fragment_model import NH, FragmentModel, leaving

import nadyn
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.run.dissociation import SMALLEST_FORCE, Dissociation, dissociated, interval_of
from nadyn.dynamics.run.ensemble import after_step, finished, start_ensemble
from nadyn.dynamics.run.stopping import MOST_NOVELTY, RESULTS, Limits, Status, statuses
from nadyn.models.analytic.tully import tully
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import AU_PER_FEMTOSECOND

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

RULE = Dissociation(interval=1, most_novelty=MOST_NOVELTY)
FAR = 15.0


def begin(model, distances, *, state=0, speeds=None):
    positions, momenta = leaving(distances, speeds)
    return start_in_state(model, positions, momenta, masses=model.masses, active_state=state)


def asked(model, distances, *, state=0, speeds=None, rule=RULE):
    return dissociated(begin(model, distances, state=state, speeds=speeds), model, rule).tolist()


def test_fragments_end_where_they_are_apart_recede_and_feel_no_force():
    # Bonded; apart, but attracted by 0.05 eV/angstrom and more; free; free, but coming back.
    felt = -np.log(1.05 * SMALLEST_FORCE)
    assert asked(FragmentModel(), [2.0, felt, FAR, FAR], speeds=[10.0, 10.0, 10.0, -10.0]) == [
        False, False, True, False
    ]  # fmt: skip
    assert asked(FragmentModel(), [felt + 0.1]) == [True]


def test_fragments_that_have_not_the_energy_to_leave_do_not_end():
    felt = -np.log(0.9 * SMALLEST_FORCE)
    # 0.03 eV are left to climb.
    assert asked(FragmentModel(), [felt, felt], speeds=[0.5, 10.0]) == [False, True]


class Ions(FragmentModel):
    """The same with a charge on N-H and the opposite one on H."""

    def evaluate(self, positions):
        found = super().evaluate(positions)
        pull = -1.0 / torch.linalg.norm(positions[:, 2] - positions[:, 0], dim=-1)
        identity = torch.eye(2, dtype=torch.float64)
        return replace(found, hamiltonian=found.hamiltonian + pull[:, None, None] * identity)


def test_ions_do_not_end_where_the_pull_is_weak_but_far_from_over():
    # At 60 angstrom 0.24 eV are left to climb, 0.03 of them in the next 10 angstrom; it has 0.14 and 1.2 eV.
    assert asked(Ions(), [115.0, 115.0], speeds=[4.3, 12.7]) == [False, False]
    # At 330 angstrom 0.044 eV are left.
    assert asked(Ions(), [630.0, 630.0], speeds=[2.0, 10.0]) == [False, True]


class WithReach(FragmentModel):
    """The same, in which atoms hear of each other up to 30 bohr."""

    reach = 30.0

    def evaluate(self, positions):
        self.asked_at.append(float((positions[:, 2, 0] - positions[:, 0, 0]).detach().max()))
        return super().evaluate(positions)


def test_fragments_are_moved_apart_by_what_the_model_reaches(monkeypatch):
    monkeypatch.setattr(WithReach, "asked_at", [], raising=False)
    assert asked(WithReach(), [FAR]) == [True]
    # Along the line from the centre of N-H, which is not quite at N.
    assert sorted(set(WithReach.asked_at))[1] == pytest.approx(FAR + 30.0, abs=0.01)


def test_a_state_in_use_that_still_feels_a_force_keeps_a_trajectory_going():
    lengths = (1.0, 4.0)
    # 0.8 eV above: it may be reached.
    assert asked(FragmentModel(gap=0.03, lengths=lengths), [FAR]) == [False]
    # 2.7 eV above, and without population.
    model = FragmentModel(gap=0.1, lengths=lengths)
    assert asked(model, [FAR]) == [True]
    state = begin(model, [FAR])
    some = torch.tensor([[0.995**0.5, 0.005**0.5 * 1j]], dtype=torch.complex128)
    assert dissociated(replace(state, coefficients=some), model, RULE).tolist() == [True]
    more = torch.tensor([[0.98**0.5, 0.02**0.5]], dtype=torch.complex128)
    assert dissociated(replace(state, coefficients=more), model, RULE).tolist() == [False]


def test_an_excited_fragment_goes_on_and_a_degenerate_one_does_not():
    assert asked(FragmentModel(), [FAR], state=1) == [False]
    assert asked(FragmentModel(gap=1e-9), [FAR], state=1) == [True]
    # Two surfaces that only cross there: the same energy, forces that differ.
    crossing = FragmentModel(gap=-0.2 * 0.3**2 + 1e-5, upper_bond=NH + 0.3)
    assert asked(crossing, [FAR], state=1) == [False]
    assert asked(crossing, [FAR], state=0) == [True]


def test_where_the_nuclei_stay_on_one_state_that_state_alone_counts():
    model = FragmentModel(lengths=(4.0, 1.0))
    assert asked(model, [FAR], state=1, rule=replace(RULE, on_one_state=True)) == [True]
    assert asked(model, [FAR], state=0, rule=replace(RULE, on_one_state=True)) == [False]


def test_a_mean_of_states_ends_on_the_lowest_level_only():
    model = FragmentModel()
    state = begin(model, [FAR, FAR])
    mixed = torch.tensor([[0.98**0.5, 0.02**0.5], [0.995**0.5, 0.005**0.5]], dtype=torch.complex128)
    rule = replace(RULE, on_a_mean=True)
    assert dissociated(replace(state, coefficients=mixed), model, rule).tolist() == [False, True]


@pytest.mark.parametrize("model", [FragmentModel(step_at=20.0), FragmentModel(novelty_beyond=20.0)])
def test_a_model_that_is_flat_where_it_ends_does_not_pass(model):
    """No force here, but another energy farther out, or nothing known there."""
    assert asked(model, [FAR]) == [False]
    assert asked(FragmentModel(), [FAR]) == [True]


def test_three_fragments_end_only_if_all_of_them_recede():
    model = FragmentModel()
    positions, momenta = leaving([FAR, FAR, FAR])
    positions[:, 1, 1] = -FAR
    momenta[:, 1, 1] = torch.tensor([-10.0, 10.0, -10.0])
    # The two hydrogens of the third come together while both leave the nitrogen behind.
    momenta[2, 1] = torch.tensor([30.0, -2.0, 0.0])
    momenta[2, 2] = torch.tensor([2.0, -30.0, 0.0])
    # Bonds are broken at no cost here.
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    apart = FragmentModelWithoutBond()
    assert dissociated(state, apart, RULE).tolist() == [True, False, False]


class FragmentModelWithoutBond(FragmentModel):
    def evaluate(self, positions):
        found = super().evaluate(positions)
        bond = torch.linalg.norm(positions[:, 1] - positions[:, 0], dim=-1)
        return replace(
            found, hamiltonian=found.hamiltonian - 0.2 * ((bond - NH) ** 2)[:, None, None] * torch.eye(2)
        )


def run(model, positions, momenta, n_steps=60, dt=20.0):
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    options = Fssh(dt=dt, seed=2, masses=model.masses)
    limits = Limits(max_energy_step=1.0, dissociation=replace(RULE, interval=interval_of(dt)))
    ensemble = start_ensemble(state)
    for _ in range(n_steps):
        if not len(ensemble.running.trajectory):
            break
        step = fssh_step(ensemble.running, model, options)
        ensemble, _ = after_step(ensemble, step, statuses(ensemble.running, step, model, limits))
    return finished(ensemble, n_steps)


def test_the_end_of_a_trajectory_does_not_depend_on_its_batch():
    model = FragmentModel()
    positions, momenta = leaving([3.0, 4.0, 6.5, 2.0, 9.0], [30.0, 25.0, 12.0, 1.0, -10.0])
    together = run(model, positions, momenta)
    assert set(together.status.tolist()) == {int(Status.DISSOCIATED), int(Status.FINISHED)}
    for row in range(len(positions)):
        alone = run(model, positions[row : row + 1], momenta[row : row + 1])
        assert alone.status[0] == together.status[row]
        assert alone.last_step[0] == together.last_step[row]
        assert torch.equal(alone.everyone.positions[0], together.everyone.positions[row])


def test_the_last_step_of_an_end_that_is_a_result_counts():
    model = FragmentModel()
    state = begin(model, [FAR, 2.0])
    step = fssh_step(state, model, Fssh(dt=1.0, seed=2, masses=model.masses))
    limits = Limits(max_energy_step=1.0, dissociation=RULE)
    codes = statuses(state, step, model, limits)
    assert codes.tolist() == [Status.DISSOCIATED, Status.RUNNING]
    ensemble, _ = after_step(start_ensemble(state), step, codes)
    assert ensemble.last_step.tolist() == [1, 0]
    assert torch.equal(ensemble.everyone.positions[0], step.state.positions[0])
    # A step that failed is no result.
    broken = replace(step, state=replace(step.state, total_energy=torch.full((2,), torch.nan)))
    assert statuses(state, broken, model, limits).tolist() == [Status.NOT_FINITE] * 2


def test_the_question_is_asked_once_a_femtosecond():
    assert [interval_of(x * AU_PER_FEMTOSECOND) for x in (0.1, 0.25, 0.5, 1.0, 2.0)] == [10, 4, 2, 1, 1]
    model = FragmentModel()
    state = begin(model, [FAR])
    rule = replace(RULE, interval=4)
    steps = [bool(dissociated(replace(state, step=n), model, rule)) for n in range(9)]
    assert steps == [n % 4 == 0 for n in range(9)]


@pytest.fixture
def start_file(tmp_path):
    model = FragmentModel()
    positions, momenta = leaving([3.0, 4.0, 6.5, 2.0], [30.0, 25.0, 12.0, 1.0])
    initial = InitialConditions(
        positions=positions.numpy(),
        momenta=momenta.numpy(),
        masses=model.masses.numpy(),
        weight=np.ones(4),
        atomic_numbers=np.array(model.atomic_numbers),
        state=0,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "start.h5", initial)
    return tmp_path / "start.h5"


def config(start_file, name, **more):
    return {
        "initial": {"file": str(start_file)},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 40,
        "output": str(start_file.with_name(name)),
        **more,
    }


def test_a_run_says_how_its_trajectories_ended_and_a_switch_follows_them_on(start_file):
    model = FragmentModel()
    result = nadyn.run(config(start_file, "run.h5"), model=model, progress=False)
    assert result.endings == {"finished": 1, "left_region": 0, "dissociated": 3, "settled": 0}
    assert (result.n_finished, result.n_stopped) == (4, {})
    stored = open_run(result.path)
    assert stored.status_names[int(Status.DISSOCIATED)] == "dissociated"
    assert "nothing to do" in stored.status_advice[int(Status.DISSOCIATED)]
    on = config(start_file, "on.h5", stop={"dissociated": False})
    assert nadyn.run(on, model=model, progress=False).endings == {
        "finished": 4, "left_region": 0, "dissociated": 0, "settled": 0
    }  # fmt: skip


def test_where_fragments_have_no_last_word_the_switch_is_refused(start_file, tmp_path):
    asked_for = {"stop": {"dissociated": True}}
    thermostat = {"method": "nvt", "thermostat": {"temperature_kelvin": 300, "friction_per_ps": 10}}
    with pytest.raises(InputError, match=r"`stop.dissociated` must be left out with a thermostat"):
        nadyn.run(
            config(start_file, "a.h5", **asked_for, **thermostat), model=FragmentModel(), progress=False
        )
    one_coordinate = {
        "initial": {"position_au": -5, "momentum_au": 20, "n": 2, "state": 0},
        "method": "fssh",
        "time_fs": 1,
        "output": str(tmp_path / "b.h5"),
    }
    with pytest.raises(InputError, match=r"`stop.dissociated` must be left out for generalised coordinates"):
        nadyn.run({**one_coordinate, **asked_for}, model=tully(1), progress=False)


def test_every_result_is_an_ending_that_the_analysis_knows():
    from nadyn.analysis.fates import ENDED_AS_ASKED

    assert tuple(status.name.lower() for status in RESULTS) == ENDED_AS_ASKED
