"""The numbers of a swarm are those of one run of all its trajectories."""

import json
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest

from nadyn.analysis.populations import populations
from nadyn.analysis.summary import analyse
from nadyn.analysis.sums import populations_of, sums_of
from nadyn.analysis.swarms import analyse_swarm
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run.loop import run
from nadyn.interfaces.swarm.plan import make_folder, shard_config
from nadyn.trajectory import open_run
from nadyn.trajectory.swarm_folder import Swarm

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

CONTENT = {
    "model": {"name": "pyrazine", "variant": 4},
    "initial": {"sample": "wigner", "diabatic_state": 1},
    "method": "fssh",
    "dt_fs": 0.5,
    "time_fs": 24,
    "write_every": 6,
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swarm")
    swarm = Swarm(folder / "run_swarm", 23, 9, CONTENT)
    make_folder(swarm)
    # Set up before any test switches them off.
    jaxtyping.config.update("jaxtyping_disable", True)
    for shard in range(swarm.n_shards):
        run(shard_config(swarm, shard), progress=False)
    run(
        {**CONTENT, "initial": {**CONTENT["initial"], "n": 23}, "output": str(folder / "run.h5")},
        progress=False,
    )
    jaxtyping.config.update("jaxtyping_disable", False)
    return swarm, folder / "run.h5"


def test_the_numbers_are_those_of_one_run(both, tmp_path, capsys):
    swarm, path = both
    found, expected = analyse_swarm(swarm.folder), analyse(path)
    assert expected["hops"] and expected["lifetimes_fs"]
    for key in set(found) - {"run", "n_shards", "n_shards_complete", "lifetimes_of"}:
        one, two = (json.dumps(each[key], sort_keys=True) for each in (found, expected))
        if one != two:
            np.testing.assert_allclose(
                np.array(found[key], float),
                np.array(expected[key], float),
                rtol=1e-10,
                atol=1e-12,
                err_msg=key,
            )
    assert (found["n_shards"], found["n_shards_complete"], found["lifetimes_of"]) == (3, 3, 23)
    with pytest.raises(SystemExit) as leaving:
        main(
            [
                "analyse",
                str(swarm.folder),
                "--json",
                str(tmp_path / "a.json"),
                "--csv",
                str(tmp_path / "a.csv"),
            ]
        )
    assert leaving.value.code == 0 and "trajectories" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text()) == found
    with pytest.raises(SystemExit) as leaving:
        main(["analyse", str(swarm.folder), "--exits", "1"])
    assert leaving.value.code == 2 and "must come alone" in capsys.readouterr().err


def part(whole, rows):
    """Return some trajectories of a run."""
    behind = ("active_state", "coefficients", "diabatic_populations", "populations_adiabatic")
    first = ("weight", "status", "last_step")
    changed = {
        name: np.asarray(array)[:, rows] for name in behind if (array := getattr(whole, name)) is not None
    }
    return replace(whole, **changed, **{name: getattr(whole, name)[rows] for name in first})


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("most_stop", [False, True])
def test_sums_know_weights_stops_and_windows(both, estimated, most_stop):
    """Against the populations of all at once, on a run that was made difficult."""
    whole, random = open_run(both[1]), np.random.default_rng(1)
    stops = random.random(23) < (0.7 if most_stop else 0.2)
    failed = next(code for code, name in whole.status_names.items() if name == "energy_step")
    changes = {
        "weight": random.random(23) + 0.1,
        "status": np.where(stops, failed, whole.status),
        "last_step": np.where(stops, random.integers(1, 48, 23), whole.last_step),
    }
    if estimated:
        estimates = random.normal(0.5, 0.4, (*whole.active_state.shape, whole.n_states))
        # In no window of its method.
        estimates[random.random(whole.active_state.shape) < 0.2] = np.nan
        changes["populations_adiabatic"] = estimates
    whole = replace(whole, **changes)
    parts = [part(whole, rows) for rows in (slice(0, 4), slice(4, 17), slice(17, 23))]
    sums = sums_of(parts[0]) + sums_of(parts[1]) + sums_of(parts[2])
    found, expected = populations_of(sums), populations(whole)
    for name in vars(expected):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-11, err_msg=name
        )


def test_a_swarm_under_way_gives_what_is_complete(both, tmp_path):
    swarm, _ = both
    half = Swarm(tmp_path / "half", 23, 9, CONTENT)
    make_folder(half)
    with pytest.raises(InputError, match="must have a complete shard"):
        analyse_swarm(half.folder)
    half.path(1).write_bytes(swarm.path(1).read_bytes())
    numbers = analyse_swarm(half.folder)
    assert (numbers["n_shards_complete"], numbers["n_trajectories"]) == (1, 9)
