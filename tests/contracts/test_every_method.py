"""What every method must obey."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.methods import METHOD_CASES, configuration, declaration, every_method, motion
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.table import METHODS
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.state.batch import ARRAYS, select
from nadyn.models.analytic.tully import tully
from nadyn.trajectory import digest, open_run

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from spin_models import SpinCrossing, SpinMolecule
from toy_molecule import ToyMolecule, start

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def molecules(case, n_traj, *, momentum=15.0):
    """A batch of molecules of four states, or of two where a method knows no more."""
    model = ToyMolecule(n_states=2, n_basis=2) if case.two_states_only else ToyMolecule()
    model = SpinMolecule() if case.spins else model
    positions, momenta = start(n_traj, momentum=momentum)
    state = start_in_diabatic_state(model, positions, momenta, masses=model.masses, diabatic_state=1, seed=4)
    ready = motion(case, model)
    return model, ready, ready.begin(state, model)


def arrays_of(state):
    return {**{name: getattr(state, name) for name in ARRAYS}, **state.extra}


def test_every_method_of_the_table_has_a_contract():
    # Constant pressure needs a cell: dynamics/run/test_runs_in_cells.py and physics/test_cell_rescaling.py.
    assert {case.method for case in METHOD_CASES.values()} | {"npt"} == set(METHODS)


@every_method
def test_a_trajectory_does_not_depend_on_its_batch_and_can_be_replayed_alone(name):
    # Two blocks of the model and a part of one.
    model, ready, first = molecules(METHOD_CASES[name], 37)
    states = [first]
    for _ in range(4):
        states.append(ready.step(states[-1], model).state)
    for rows in ([17], [5, 6, 7, 36]):
        some = select(first, torch.tensor(rows))
        for expected in states[1:]:
            some = ready.step(some, model).state
            alone, together = arrays_of(some), arrays_of(expected)
            assert alone.keys() == together.keys()
            for key in alone:
                assert torch.equal(alone[key], together[key][rows]), (rows, key, expected.step)


@pytest.fixture
def another_default_device():
    """Another device than that of the batch: whatever is made there meets the batch, and is refused."""
    yield lambda: torch.set_default_device("meta")
    torch.set_default_device(None)


@every_method
def test_a_step_computes_where_its_batch_is(name, another_default_device):
    case = METHOD_CASES[name]
    model, ready, state = molecules(case, 40, momentum=25.0)
    another_default_device()
    hops = 0
    for _ in range(6):
        step = ready.step(state, model)
        state, hops = step.state, hops + len(step.hops.row)
    assert {array.device.type for array in arrays_of(state).values()} == {"cpu"}
    # What is made where a hop is tried counts as well.
    assert hops or not case.active_surface or case.method in ("nve", "nvt", "mash")


@every_method
def test_norm_energy_at_hops_momentum_and_angular_momentum_are_kept(name):
    case = METHOD_CASES[name]
    model, ready, state = molecules(case, 32)
    estimate = declaration(case).adiabatic.values
    begin, worst = state, 0.0
    for _ in range(15):
        step = ready.step(state, model)
        hops, state = step.hops, step.state
        if case.active_surface and len(hops.row):
            paid = hops.kinetic_after - hops.kinetic_before
            cost = torch.where(hops.accepted, hops.energy_to - hops.energy_from, 0.0)
            worst = max(worst, float((paid + cost).abs().max()))
        norm = (state.coefficients.abs() ** 2).sum(1)
        assert float((norm - 1.0).abs().max()) < 1e-12
    assert worst < 1e-10
    assert not case.shares or float((estimate(state).sum(1) - 1.0).abs().max()) < 1e-12
    if case.method == "nvt" or "friction" in case.keys:
        return
    assert float((state.momenta.sum(1) - begin.momenta.sum(1)).abs().max()) < 1e-9
    angular = [torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (state, begin)]
    assert float((angular[0] - angular[1]).abs().max()) < 1e-9
    assert float(state.energy_error_max.max()) < 0.01


# The first case of each method but nvt, whose heat bath keeps neither.
FIRST_CASES = [
    name
    for method, name in {case.method: name for name, case in reversed(METHOD_CASES.items())}.items()
    if method != "nvt"
]


@pytest.mark.parametrize("name", FIRST_CASES)
def test_energy_and_angular_momentum_are_kept_where_the_basis_turns_with_the_molecule(name):
    case = METHOD_CASES[name]
    model = untrained("moments", "1x0e + 1x1o", offsets=(0.0, 0.02)).double()
    generator = torch.Generator().manual_seed(2)
    middle = torch.tensor(
        [[0.1, 0.0, 0.9], [1.1, 1.8, 0.0], [-2.0, 0.2, 0.1], [1.0, -1.7, -0.1]], dtype=torch.float64
    )
    noise = torch.randn(2, 20, 4, 3, generator=generator, dtype=torch.float64)
    state = start_in_state(
        model, middle + 0.1 * noise[0], 10.0 * noise[1], masses=model.masses, active_state=1
    )
    if case.method in ("spin_lsc", "sqc"):
        # On a mean too, but their basis cannot turn.
        with pytest.raises(InputError, match=r"diabatic basis|as many states as rows"):
            motion(case, model)
        return
    ready = motion(case, model, dt_fs=0.5)
    state = begin = ready.begin(state, model)
    coupled = torch.full((20, 2), 0.5**0.5, dtype=torch.complex128)
    if declaration(case).moves_coefficients and not case.method.endswith("mash"):
        # Between two states, where the mean force has a torque.
        state = begin = ready.begin(replace(state, coefficients=coupled), model)
    for _ in range(6):
        state = ready.step(state, model).state
    angular = [torch.linalg.cross(s.positions, s.momenta).sum(1) for s in (state, begin)]
    assert float(angular[1].norm(dim=1).min()) > 5.0
    assert float((angular[0] - angular[1]).abs().max()) < 1e-9
    assert float((state.momenta - begin.momenta).sum(1).abs().max()) < 1e-9
    assert float(state.energy_error_max.max()) < 5e-3


@pytest.mark.parametrize("name", [name for name, case in METHOD_CASES.items() if case.reversible])
def test_motion_without_a_hop_runs_back_to_its_start(name):
    model, ready, first = molecules(METHOD_CASES[name], 20, momentum=5.0)
    state, still = first, torch.ones(20, dtype=torch.bool)
    for _ in range(2):
        for _ in range(40):
            step = ready.step(state, model)
            still[step.hops.row] = False
            state = step.state
        state = replace(state, momenta=-state.momenta)
    assert int(still.sum()) >= 5
    moved = (state.positions - first.positions).abs().flatten(1).amax(1)
    turned = (state.momenta - first.momenta).abs().flatten(1).amax(1)
    assert float(moved[still].max()) < 1e-8 and float(turned[still].max()) < 1e-8


class _Stop(Exception):
    """What ends a run in the middle of this test."""


@every_method
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch, name):
    case = METHOD_CASES[name]
    config = configuration(
        case,
        initial={"position_au": -1, "momentum_au": 20, "n": 9, **case.start},
        dt_fs=0.5,
        time_fs=5,
        checkpoint_every=4,
        write_every=3,
    )
    judge = runner.statuses

    def fail(old, step, model, limits):
        if step.state.step == 6:
            raise _Stop
        return judge(old, step, model, limits)

    one, two = str(tmp_path / "one.h5"), str(tmp_path / "two.h5")
    model = SpinCrossing() if case.spins else tully(1)
    runner.run(config.model_copy(update={"output": one}), model=model, progress=False)
    broken = config.model_copy(update={"output": two})
    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(runner, "statuses", fail)
        runner.run(broken, model=model, progress=False)
    runner.run(broken, model=model, resume=True, progress=False)
    assert digest(one) == digest(two)
    run = open_run(one)
    values = run.populations_adiabatic
    assert (values is None) == run.attributes["population_estimator"].startswith("fraction of trajectories")
    if values is not None and case.shares:
        assert np.abs(np.asarray(values).sum(-1) - 1.0).max() < 1e-12
