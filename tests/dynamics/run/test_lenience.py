"""A run that goes on beyond doubt, judged afterwards: what a run would have been that was stopped there."""

import numpy as np
import pytest
import torch
import yaml
from contracts.committees import committee

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run.endings import limits_of
from nadyn.dynamics.run.loop import run
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models import save_model
from nadyn.trajectory import digest, doubt_limits, judged, open_judged, open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.trajectory.layout import FRAME_ARRAYS, HOP_COLUMNS

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
)
WIDE = {"energy_spread_ev": 1e3, "gap_spread_ev": 1e3, "force_spread_ev_per_angstrom": 1e3}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A run file of twenty trajectories on a member of a committee."""
    folder = tmp_path_factory.mktemp("lenience")
    several = committee(3, amount=0.05)
    for member in several.members:
        # As if training had ended there: how many descriptors are beyond it changes on the way.
        member.potential.network.highest.fill_(1.0)
    save_model(several, folder / "model.safetensors")
    noise = torch.randn(2, 20, 4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    initial = InitialConditions(
        positions=(GEOMETRY + 0.1 * noise[0]).numpy(),
        momenta=(8.0 * noise[1]).numpy(),
        masses=several.masses.numpy(),
        weight=np.ones(20),
        atomic_numbers=np.array(several.atomic_numbers),
        state=1,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions(folder / "initial.h5", initial)
    return {
        "model": str(folder / "model.safetensors"),
        "initial": {"file": str(folder / "initial.h5")},
        "method": "fssh",
        "dt_fs": 0.25,
        "time_fs": 5.0,
        "write_every": 1,
        "max_energy_step_ev": 100.0,
    }


def ran(content, path, **keys):
    run({**content, "output": str(path), **keys}, progress=False)
    return open_run(path)


@pytest.fixture(scope="module")
def limits(content, tmp_path_factory):
    """Limits that half of the trajectories pass sooner or later, each quantity some of them."""
    free = ran(content, tmp_path_factory.mktemp("free") / "free.h5", stop={**WIDE, "novelty": 1.0})
    units = {
        "energy_spread": ("energy_spread_ev", 27.211386245988),
        "gap_spread": ("gap_spread_ev", 27.211386245988),
        "force_spread": ("force_spread_ev_per_angstrom", 51.42206747),
    }
    return {
        key: float(np.quantile(np.where(free.alive(), getattr(free, name), 0.0)[1:].max(axis=0), 0.5)) * unit
        for name, (key, unit) in units.items()
    } | {"novelty": 1.0}


def assert_same(one, other):
    """Everything that analyses read is the same, to the last bit."""
    assert np.array_equal(one.status, other.status)
    assert np.array_equal(one.last_step, other.last_step)
    for name in FRAME_ARRAYS:
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None), name
        assert first is None or np.array_equal(first, second), name
    for name in HOP_COLUMNS:
        assert np.array_equal(one.hops[name], other.hops[name], equal_nan=True), name
    for name, values in one.stops.items():
        assert np.array_equal(values, other.stops[name], equal_nan=values.dtype.kind == "f"), name
    assert np.array_equal(one.energy_error_max, other.energy_error_max)


@pytest.mark.parametrize("believe", [1.0, 1.5])
def test_judged_it_is_the_run_that_was_stopped_there(content, limits, tmp_path, believe):
    lenient = ran(content, tmp_path / "lenient.h5", stop={**limits, "lenience": 3.0})
    strict = {key: limit * believe for key, limit in limits.items() if key != "novelty"}
    wanted = ran(content, tmp_path / "strict.h5", stop={**strict, "novelty": 1.0})
    found = judged(lenient, believe=believe)
    n_stopped = int((wanted.status != 0).sum())
    assert (wanted.status == 9).any() and (wanted.status == 0).any()
    assert n_stopped > (lenient.status != 0).sum()
    assert_same(found, wanted)
    # Some hopped after that, or nothing is left out.
    assert believe > 1 or len(lenient.hops["step"]) >= len(found.hops["step"])


def test_novelty_is_judged_too_and_is_named(content, limits, tmp_path):
    free = ran(content, tmp_path / "free.h5", stop={**WIDE, "novelty": 1.0})
    most = float(np.quantile(np.asarray(free.novelty)[1:].max(axis=0), 0.5))
    assert 0.0 < most < 0.5
    stop = {**WIDE, "novelty": most}
    wanted = ran(content, tmp_path / "strict.h5", stop=stop)
    lenient = ran(content, tmp_path / "lenient.h5", stop={**stop, "lenience": 2.0})
    assert "outside_training" in {wanted.status_names[int(code)] for code in wanted.status}
    assert_same(judged(lenient), wanted)
    further = ran(content, tmp_path / "further.h5", stop={**stop, "novelty": 1.3 * most})
    assert (further.status == 0).sum() > (wanted.status == 0).sum()
    assert_same(judged(lenient, believe=1.3), further)


def test_believed_as_far_as_it_went_it_is_the_run_itself(content, limits, tmp_path):
    path = tmp_path / "lenient.h5"
    lenient = ran(content, path, stop={**limits, "lenience": 3.0})
    assert judged(lenient, believe=3.0) is lenient
    known = doubt_limits(lenient)
    assert known.lenience == 3.0 and np.isclose(
        known.energy_spread * 27.211386245988, limits["energy_spread_ev"]
    )
    # What goes on is no other run: the same bits as without lenience, as long as that goes on.
    with pytest.raises(InputError, match=r"`believe` must be .* at most 3 .* is 4: which went on to 3"):
        open_judged(path, believe=4.0)


def test_a_run_that_was_stopped_at_its_limits_is_shown_as_it_is(content, limits, tmp_path):
    path = tmp_path / "strict.h5"
    strict = ran(content, path, stop=limits)
    assert doubt_limits(strict) is None and judged(strict) is strict
    with pytest.raises(InputError, match="which was stopped at its limits"):
        open_judged(path, believe=2.0)


def test_a_run_under_way_is_judged_as_far_as_it_is(content, limits, tmp_path, monkeypatch):
    from nadyn.dynamics.run import loop

    class Stop(Exception):
        pass

    judge = loop.statuses

    def fail(old, step, model, limits):
        if step.state.step == 13:
            raise Stop
        return judge(old, step, model, limits)

    stop = {**limits, "lenience": 3.0}
    whole = ran(content, tmp_path / "whole.h5", stop=stop, checkpoint_every=4)
    broken = {**content, "stop": stop, "checkpoint_every": 4, "output": str(tmp_path / "broken.h5")}
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(loop, "statuses", fail)
        run(broken, progress=False)
    part = open_judged(tmp_path / "broken.h5")
    n = part.committed_frames
    assert 0 < n < whole.committed_frames
    assert np.array_equal(part.active_state, judged(whole).active_state[:n])
    run(broken, resume=True, progress=False)
    assert digest(tmp_path / "broken.h5") == digest(tmp_path / "whole.h5")


def test_it_goes_on_to_so_many_times_each_limit_and_to_all_of_novelty():
    content = {"initial": {"sample": "wigner", "n": 2}, "method": "fssh", "dt_fs": 0.5, "time_fs": 5}
    stop = {
        "energy_spread_ev": 0.1,
        "gap_spread_ev": 0.2,
        "force_spread_ev_per_angstrom": 0.3,
        "novelty": 0.02,
    }
    several = committee(3)
    strict, lenient, all_new = (
        limits_of(RunConfiguration.model_validate({**content, "stop": one}), several)
        for one in (stop, {**stop, "lenience": 3}, {**stop, "novelty": 0.5, "lenience": 3})
    )
    for name in ("energy", "gap", "force"):
        assert np.isclose(getattr(lenient.spreads, name), 3 * getattr(strict.spreads, name))
    assert np.isclose(lenient.novelty, 0.06) and all_new.novelty == 1.0
    # Whether fragments are apart for good is asked as before.
    assert lenient.dissociation.most_novelty == strict.dissociation.most_novelty == 0.02


def test_doubt_between_frames_and_models_without_doubt_are_refused(content, tmp_path):
    with pytest.raises(InputError, match=r"`write_every` must be 1 with `stop\.lenience`"):
        ran(content, tmp_path / "a.h5", stop={"lenience": 2.0}, write_every=2)
    # Without a word every step is a frame.
    keys = {key: value for key, value in content.items() if key != "write_every"}
    long = ran(keys, tmp_path / "b.h5", stop={**WIDE, "novelty": 1.0, "lenience": 2.0}, dt_fs=0.01, time_fs=6)
    assert long.attributes["write_every"] == 1 and long.committed_frames == 601
    with pytest.raises(InputError, match=r"`stop\.lenience` must be left out for model"):
        ran(
            {"model": {"name": "tully", "variant": 1}, "method": "fssh", "dt_fs": 0.1, "time_fs": 1.0},
            tmp_path / "c.h5",
            initial={"position_au": -5.0, "momentum_au": 10.0, "n": 2, "state": 0},
            stop={"lenience": 2.0},
        )


def test_the_command_says_how_many_went_beyond_the_limits(content, limits, tmp_path, capsys):
    output = tmp_path / "lenient.h5"
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**content, "output": str(output), "stop": {**limits, "lenience": 3.0}}))
    with pytest.raises(SystemExit) as leaving:
        main(["run", str(file)])
    assert leaving.value.code == 0
    n = int((judged(open_run(output)).status == 9).sum())
    said = capsys.readouterr().out
    assert n > 0 and f"{n} of all went beyond the limits of `stop` on their way, to 3 times" in said


OTHERS = {
    "decoherence": {"method": "fssh", "decoherence": {"name": "edc"}},
    "adaptive": {"method": "fssh", "adaptive": {}},
    "ehrenfest": {"method": "ehrenfest"},
}


@pytest.mark.parametrize("keys", OTHERS.values(), ids=OTHERS)
def test_so_it_is_with_three_states_a_vector_and_weights(tmp_path, keys):
    several = committee(3, amount=0.05, basis="3x0e + 1x1o", n_states=3)
    save_model(several, tmp_path / "model.safetensors")
    noise = torch.randn(2, 20, 4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    initial = InitialConditions(
        positions=(GEOMETRY + 0.1 * noise[0]).numpy(),
        momenta=(8.0 * noise[1]).numpy(),
        masses=several.masses.numpy(),
        weight=np.linspace(0.2, 2.0, 20),
        atomic_numbers=np.array(several.atomic_numbers),
        state=2,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "initial.h5", initial)
    files = {"model": str(tmp_path / "model.safetensors"), "initial": {"file": str(tmp_path / "initial.h5")}}
    content = {**files, "dt_fs": 0.25, "time_fs": 5.0, "write_every": 1, "max_energy_step_ev": 100.0, **keys}
    free = ran(content, tmp_path / "free.h5", stop={**WIDE, "novelty": 1.0})
    most = float(np.quantile(np.where(free.alive(), free.energy_spread, 0.0)[1:].max(axis=0), 0.5))
    stop = {**WIDE, "novelty": 1.0, "energy_spread_ev": most * 27.211386245988}
    wanted = ran(content, tmp_path / "strict.h5", stop=stop)
    assert {0, 9} <= set(wanted.status.tolist())
    assert_same(judged(ran(content, tmp_path / "lenient.h5", stop={**stop, "lenience": 3.0})), wanted)
