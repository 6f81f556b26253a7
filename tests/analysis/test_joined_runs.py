"""Several runs of one model are one ensemble: every number is that of all their trajectories."""

import json

import numpy as np
import pytest

from nadyn.analysis import analyse, report
from nadyn.analysis.joined import are_one_ensemble, open_runs_as_one
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run.loop import run
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

NUMBERS = {"a.h5": 7, "b.h5": 11}


def config(folder, name, **changes):
    content = {
        "model": {"name": "tully", "variant": 1},
        "initial": {
            "position_au": -3,
            "momentum_au": 30,
            "width_au": 1,
            "n": NUMBERS.get(name, 7),
            "state": 0,
        },
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 14,
        "output": str(folder / name),
    }
    return {**content, **changes}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(NUMBERS, start=1):
        run(config(folder, name, seed=seed), progress=False)
    return [folder / name for name in NUMBERS]


def test_populations_are_those_of_all_trajectories(runs):
    both, (one, other) = analyse(*runs), [analyse(path) for path in runs]
    assert both["n_trajectories"] == 18 and both["n_finished"] == 18
    mean = (7 * np.array(one["populations"]) + 11 * np.array(other["populations"])) / 18
    np.testing.assert_allclose(both["populations"], mean, atol=1e-14)
    for key in ("hops", "branching"):
        assert set(both[key]) >= set(one[key]) & set(other[key])
    total = sum(one["hops"].values()) + sum(other["hops"].values())
    assert total > 0 and sum(both["hops"].values()) == total
    assert both["run"]["seed"] == [1, 2]


def test_trajectories_are_numbered_through_and_hops_stay_in_order(runs):
    both, (one, other) = open_runs_as_one(runs), [open_run(path) for path in runs]
    np.testing.assert_array_equal(both.positions[:, :7], one.positions)
    np.testing.assert_array_equal(both.active_state[:, 7:], other.active_state)
    assert (np.diff(both.hops["step"]) >= 0).all()
    for traj, step, zeta in zip(*(other.hops[name] for name in ("traj", "step", "zeta")), strict=True):
        here = (both.hops["traj"] == traj + 7) & (both.hops["step"] == step)
        assert both.hops["zeta"][here].tolist() == [zeta]


def test_the_commands_take_them(runs, tmp_path, capsys):
    assert are_one_ensemble(runs)
    with pytest.raises(SystemExit) as left:
        main(["analyse", *map(str, runs), "--json", str(tmp_path / "n.json")])
    assert left.value.code == 0 and "2 runs, a.h5 to b.h5" in capsys.readouterr().out
    assert json.loads((tmp_path / "n.json").read_text())["n_trajectories"] == 18
    page = report(runs[0], tmp_path / "page.html", runs[1]).read_text()
    assert "seed 1, 2" in page and "a.h5, b.h5" in page


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"seed": 1}, "must be different runs, but have one seed and the same starts"),
        ({"seed": 3, "dt_fs": 0.25}, "must have the same time step"),
        ({"seed": 3, "time_fs": 10}, "must be equally long"),
        ({"seed": 3, "method": "mash"}, "must have the same `method`, but have fssh and mash"),
        ({"seed": 3, "decoherence": "none"}, "must be run with the same keys, but `decoherence`"),
        ({"seed": 3, "model": {"name": "tully", "variant": 2}}, "must be runs of one model"),
    ],
)
def test_what_is_no_ensemble_is_refused(runs, tmp_path, changes, complaint):
    run(config(tmp_path, "c.h5", **changes), progress=False)
    with pytest.raises(InputError, match=complaint):
        open_runs_as_one([runs[0], tmp_path / "c.h5"])


def test_starts_that_are_shared_are_said(tmp_path):
    fixed = {"position_au": -3, "momentum_au": 30, "n": 7, "state": 0}
    for seed in (1, 2):
        run(config(tmp_path, f"{seed}.h5", seed=seed, initial=fixed, time_fs=4), progress=False)
    both = open_runs_as_one([tmp_path / "1.h5", tmp_path / "2.h5"])
    warnings = both.attributes["warnings"]
    assert any("share their starts" in sentence for sentence in warnings)
    assert not any("same random numbers" in sentence or "weights" in sentence for sentence in warnings)


def test_random_numbers_that_are_shared_and_scales_of_weights_are_said(runs, tmp_path):
    """Files of starts differ, but the seed is the one that a run has where nobody says another."""
    files = []
    for path in runs:
        found = open_run(path)
        start = InitialConditions(
            positions=found.positions[0],
            momenta=found.momenta[0],
            weight=0.01 * found.weight if path == runs[0] else found.weight,
            masses=found.masses,
            atomic_numbers=None,
            state=0,
            diabatic_state=None,
            origin="test",
            temperature_kelvin=None,
        )
        write_initial_conditions(tmp_path / f"start_{path.name}", start)
        files.append(tmp_path / path.name)
        content = config(tmp_path, path.name, initial={"file": str(tmp_path / f"start_{path.name}")})
        run({**content, "time_fs": 4}, progress=False)
    warnings = open_runs_as_one(files).attributes["warnings"]
    assert any("have seed 1, so that" in sentence for sentence in warnings)
    assert any("different means, 0.01 in" in sentence for sentence in warnings)
    assert not any("share their starts" in sentence for sentence in warnings)
