"""A run that a committee judges: what is written, stops and is kept, and that nothing drawn decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.committees import CALIBRATION, committee, nearly
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import find_method
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run.judging import judged_start, judged_step
from nadyn.dynamics.run.prepare import plan_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import select
from nadyn.dynamics.state.memory import recall
from nadyn.electronic.committee import Judgement
from nadyn.models import save_model
from nadyn.trajectory import digest, open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
)


def starts(n, seed=3):
    noise = torch.randn(2, n, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return GEOMETRY + 0.1 * noise[0], 5.0 * noise[1]


@pytest.fixture
def files(tmp_path):
    """A committee, and eight starts, as files; a run file of them."""
    several = committee(3)
    save_model(several, tmp_path / "model.safetensors")
    positions, momenta = starts(8)
    initial = InitialConditions(
        positions=positions.numpy(),
        momenta=momenta.numpy(),
        masses=several.masses.numpy(),
        weight=np.ones(8),
        atomic_numbers=np.array(several.atomic_numbers),
        state=1,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "initial.h5", initial)
    content = {
        "model": str(tmp_path / "model.safetensors"),
        "initial": {"file": str(tmp_path / "initial.h5")},
        "method": "fssh",
        "dt_fs": 0.25,
        "time_fs": 3.0,
        "write_every": 3,
        "checkpoint_every": 4,
        "output": str(tmp_path / "run.h5"),
    }
    return several, content


def run(content, **keys):
    runner.run({**content, **keys}, progress=False)
    return open_run(keys.get("output", content["output"]))


WIDE = {"energy_spread_ev": 1e6, "gap_spread_ev": 1e6, "force_spread_ev_per_angstrom": 1e6}


def test_spreads_are_written_for_every_frame_and_stop_where_a_limit_is_crossed(files):
    _, content = files
    free = run(content, stop=WIDE)
    assert (free.status == 0).all() and np.isnan(free.stops["positions"]).all()
    assert free.energy_spread.shape == free.novelty.shape == free.energies.shape[:2]
    assert np.isfinite(free.energy_spread).all() and (free.force_spread > 0).all()
    # The largest energy spread of each trajectory differs, and a limit between them stops some.
    limit = float(np.median(free.energy_spread[1:].max(0)))
    stopped = run(
        content,
        stop={**WIDE, "energy_spread_ev": limit * 27.211386},
        output=str(Path(content["output"]).with_name("again.h5")),
    )
    names = {stopped.status_names[int(code)] for code in stopped.status}
    assert names == {"finished", "committee"}
    ended = np.flatnonzero(stopped.status != 0)
    assert (stopped.stops["energy_spread"][ended] > limit).all()
    assert np.isnan(stopped.stops["energy_spread"][stopped.status == 0]).all()
    alive = stopped.alive()
    assert (stopped.energy_spread[1:][alive[1:]] <= limit).all()


def test_the_geometry_that_stopped_a_trajectory_is_kept_with_its_momenta(files):
    _, content = files
    stopped = run(content, stop={**WIDE, "energy_spread_ev": 1e-9}, write_every=1)
    assert (stopped.status == 9).all() and (stopped.last_step == 0).all()
    free = run(content, stop=WIDE, write_every=1, output=str(Path(content["output"]).with_name("again.h5")))
    # It is where the trajectory would have been one step later.
    for name in ("positions", "momenta", "energies"):
        assert np.array_equal(stopped.stops[name], getattr(free, name)[1]), name
    assert np.array_equal(stopped.stops["active_state"], free.active_state[1])
    assert np.array_equal(stopped.positions[-1], free.positions[0])


def test_without_the_committee_as_a_judge_the_trajectories_are_those_of_its_member_alone(files, tmp_path):
    several, content = files
    for number in (0, 2):
        save_model(several.members[number], tmp_path / "alone.safetensors")
        alone = run(
            content, model=str(tmp_path / "alone.safetensors"), output=str(tmp_path / f"alone{number}.h5")
        )
        judged = run(
            content, member=number, stop={"committee": False}, output=str(tmp_path / f"judged{number}.h5")
        )
        for name in ("positions", "momenta", "energies", "coefficients", "active_state", "novelty"):
            assert np.array_equal(getattr(alone, name), getattr(judged, name)), name
        assert alone.energy_spread is None and judged.energy_spread is not None


def test_a_resumed_run_equals_an_undisturbed_one(files, tmp_path, monkeypatch):
    _, content = files
    stop = {
        **WIDE,
        "energy_spread_ev": 27.2 * float(np.median(run(content, stop=WIDE).energy_spread[1:].max(0))),
    }
    one, two = str(tmp_path / "one.h5"), str(tmp_path / "two.h5")
    assert 9 in run(content, stop=stop, output=one).status
    judge = runner.statuses

    class Stop(Exception):
        pass

    def fail(old, step, model, limits):
        if step.state.step == 7:
            raise Stop
        return judge(old, step, model, limits)

    broken = {**content, "stop": stop, "output": two}
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(runner, "statuses", fail)
        runner.run(broken, progress=False)
    runner.run(broken, resume=True, progress=False)
    assert digest(one) == digest(two)


@pytest.mark.parametrize("method", ["fssh", "ehrenfest", "nve", "mash"])
def test_a_judgement_depends_on_nothing_drawn_and_on_no_other_trajectory(method):
    several = committee(3)
    content = {"initial": {"sample": "wigner", "n": 9}, "method": method, "time_fs": 5, "dt_fs": 0.5}
    positions, momenta = starts(9)
    found = []
    for seed in (1, 2):
        config = RunConfiguration.model_validate({**content, "seed": seed})
        plan = plan_of(config, several, several.masses)
        state = start_in_state(several, positions, momenta, masses=several.masses, active_state=1)
        state = judged_start(plan.motion.begin(state, several), several, plan.method)
        # Both seeds step from the same state; what is drawn in the step differs.
        state = replace(state, coefficients=torch.full((9, 2), 0.5**0.5, dtype=torch.complex128))
        step = judged_step(state, plan.motion.step(state, several), several, find_method(config))
        found.append(recall(step.state, Judgement))
        some = select(state, torch.tensor([4, 7]))
        alone = judged_step(some, plan.motion.step(some, several), several, plan.method)
        for name in ("energy", "gap", "force"):
            assert torch.equal(
                getattr(recall(alone.state, Judgement), name), getattr(found[-1], name)[[4, 7]]
            ), name
    for name in ("energy", "gap", "force"):
        assert torch.allclose(getattr(found[0], name), getattr(found[1], name), rtol=1e-9), name


def test_what_needs_a_committee_is_refused_without_one(files, tmp_path):
    several, content = files
    save_model(several.bound, tmp_path / "alone.safetensors")
    content = content | {"model": str(tmp_path / "alone.safetensors")}
    with pytest.raises(InputError, match="`member` must be left out for model untrained-moments"):
        run(content, member=1)
    with pytest.raises(InputError, match="`stop` must not name spreads or the committee"):
        run(content, stop={"gap_spread_ev": 0.2})


def test_a_run_that_names_no_such_member_is_refused(files):
    _, content = files
    with pytest.raises(InputError, match="`member` must be from 0 to 2"):
        run(content, member=3)


def test_members_that_are_the_same_never_disagree(files):
    several, content = files
    one = untrained("moments", "2x0e + 1x1o")
    twins = replace(several, members=(one, nearly(one, 0.0, 1)), calibration=replace(CALIBRATION, scales={}))
    runner.run({**content, "model": None, "stop": {"energy_spread_ev": 1e-9}}, model=twins, progress=False)
    found = open_run(content["output"])
    assert (found.status == 0).all() and float(np.abs(found.energy_spread).max()) < 1e-12
