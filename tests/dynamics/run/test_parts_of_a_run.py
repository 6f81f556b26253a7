"""A part of a run: trajectories with the numbers, starts and bits that they have in the whole."""

import numpy as np
import pytest

from nadyn.analysis.joined import open_runs_as_one
from nadyn.checks.errors import InputError
from nadyn.dynamics.run.loop import run
from nadyn.models.analytic import analytic_model
from nadyn.trajectory import digest_by_trajectory, open_run
from nadyn.trajectory.initial_conditions import write_initial_conditions

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

N = 13
# Parts of one, several and many; the first does not begin at a multiple of anything.
PARTS = ((0, 1), (1, 5), (6, 7))
PYRAZINE = {
    "model": {"name": "pyrazine", "variant": 4},
    "initial": {"sample": "wigner", "diabatic_state": 1},
    "method": "fssh",
    "time_fs": 8,
}
PACKET = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -2, "momentum_au": 14, "width_au": 0.7, "state": 0},
    "method": "fssh",
    "time_fs": 12,
    # Some end on the way, so that the batch is no longer the run.
    "stop": {"beyond_au": 1.5},
}
RUNS = {
    "pyrazine": PYRAZINE,
    "packet": PACKET,
    "mapping": {**PYRAZINE, "method": "mash", "initial": {"sample": "wigner", "state": 1}},
    "thermostat": {
        **PYRAZINE,
        "method": "nvt",
        "initial": {"sample": "thermal", "temperature_kelvin": 300, "state": 0},
        "thermostat": {"name": "langevin", "temperature_kelvin": 300, "friction_per_ps": 10},
    },
}


def made(content, path, n, first=None):
    initial = {**content["initial"], "n": n} | ({} if first is None else {"first": first})
    run({"dt_fs": 0.5, "seed": 5, **content, "initial": initial, "output": str(path)}, progress=False)
    return path


def parts_of(content, tmp_path, parts=PARTS):
    return [made(content, tmp_path / f"part_{first}.h5", n, first) for first, n in parts]


@pytest.mark.parametrize("name", RUNS)
def test_parts_have_the_bits_of_the_whole(tmp_path, name):
    whole, parts = made(RUNS[name], tmp_path / "whole.h5", N), parts_of(RUNS[name], tmp_path)
    assert digest_by_trajectory(parts) == digest_by_trajectory([whole])
    one, many = open_run(whole), [open_run(part) for part in parts]
    for array in ("positions", "coefficients", "active_state", "energies"):
        np.testing.assert_array_equal(
            getattr(one, array), np.concatenate([getattr(part, array) for part in many], axis=1)
        )
    np.testing.assert_array_equal(one.status, np.concatenate([part.status for part in many]))


def test_hops_and_endings_stand_at_the_rows_of_the_part(tmp_path):
    whole, parts = made(PACKET, tmp_path / "whole.h5", N), parts_of(PACKET, tmp_path)
    one, many = open_run(whole), [open_run(part) for part in parts]
    assert len(set(one.status.tolist())) > 1 and len(one.hops["traj"])
    of_parts = [part.hops["traj"] + first for part, (first, _) in zip(many, PARTS, strict=True)]
    assert sorted(np.concatenate(of_parts).tolist()) == sorted(one.hops["traj"].tolist())


def test_a_digest_sees_every_trajectory_and_its_place(tmp_path):
    parts = parts_of(PYRAZINE, tmp_path)
    right = digest_by_trajectory(parts)
    assert digest_by_trajectory(parts[:2]) != right
    with pytest.raises(InputError, match="must be the next part"):
        digest_by_trajectory([parts[0], parts[2], parts[1]])
    other = made({**PYRAZINE, "seed": 6}, tmp_path / "other.h5", *PARTS[1][::-1])
    with pytest.raises(InputError, match="must be the next part"):
        digest_by_trajectory([parts[0], other, parts[2]])


def test_parts_of_a_file_are_its_rows(tmp_path):
    from nadyn.dynamics.initial import InitialSection, sample

    model = analytic_model(PYRAZINE["model"])
    drawn = sample(model, InitialSection(sample="wigner", n=N, diabatic_state=1), seed=3)
    write_initial_conditions(tmp_path / "starts.h5", drawn)
    content = {**PYRAZINE, "initial": {"file": str(tmp_path / "starts.h5")}}
    part = open_run(made(content, tmp_path / "part.h5", 4, 6))
    np.testing.assert_array_equal(part.positions[0], drawn.positions[6:10])
    rest = made(content, tmp_path / "rest.h5", None, 9)
    assert open_run(rest).n_trajectories == N - 9
    with pytest.raises(InputError, match=r"`n` must be at most 3, .* less `first`, 10"):
        made(content, tmp_path / "much.h5", 4, 10)
    with pytest.raises(InputError, match="`first` must be less than 13"):
        made(content, tmp_path / "beyond.h5", None, N)


def test_parts_of_one_run_are_joined_without_a_warning(tmp_path):
    still = {**PACKET, "initial": {"position_au": -2, "momentum_au": 14, "state": 0}}
    parts = parts_of(still, tmp_path)
    joined = open_runs_as_one(parts)
    assert joined.n_trajectories == N and not [
        notice for notice in joined.attributes["warnings"] if "seed" in notice or "starts" in notice
    ]
    overlapping = made(still, tmp_path / "overlapping.h5", 3, 5)
    with pytest.raises(InputError, match="would count twice"):
        open_runs_as_one([parts[1], overlapping])


def test_a_part_goes_on_as_a_part(tmp_path):
    """What is stored of a part is enough to make it longer."""
    short, long = {**PYRAZINE, "time_fs": 4.5, "write_every": 3}, {**PYRAZINE, "write_every": 3}
    path = made(short, tmp_path / "part.h5", 4, 6)
    initial = {**PYRAZINE["initial"], "n": 4, "first": 6}
    run(
        {"dt_fs": 0.5, "seed": 5, **long, "initial": initial, "output": str(path)},
        progress=False,
        resume=True,
    )
    at_once = made(long, tmp_path / "at_once.h5", 4, 6)
    np.testing.assert_array_equal(open_run(path).positions, open_run(at_once).positions)
    np.testing.assert_array_equal(open_run(path).active_state, open_run(at_once).active_state)
