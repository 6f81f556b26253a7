"""Hops, energy conservation, temperature and scattering of runs whose answers are known."""

import numpy as np
import pytest
from synthetic_run import hop_table, write_run

from nadyn.analysis import analyse
from nadyn.analysis.fates import final_state
from nadyn.analysis.key_numbers import key_numbers
from nadyn.trajectory import open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_KELVIN


def test_hops_are_counted_by_pair_and_refused_ones_apart(tmp_path):
    state = np.array([[1, 2, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
    table = hop_table(state)
    refused = {name: column[:2].copy() for name, column in table.items()} | {"accepted": np.zeros(2, int)}
    table = {name: np.concatenate([column, refused[name]]) for name, column in table.items()}
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=3, hops=table))
    assert result["hops"] == {"0-1": 1, "1-0": 3, "2-1": 1}
    assert result["frustrated_hops"] == 2
    assert result["hop_energy_error_max_ev"] == pytest.approx(0, abs=1e-12)


def test_a_hop_that_does_not_pay_is_seen(tmp_path):
    state = np.array([[1, 1, 1], [0, 1, 1]])
    table = hop_table(state)
    table["kinetic_after"] = table["kinetic_after"] + 0.01
    result = analyse(write_run(tmp_path / "run.h5", state, n_states=2, hops=table))
    assert result["hop_energy_error_max_ev"] == pytest.approx(0.01 * ELECTRONVOLT_PER_HARTREE)


def test_drift_is_the_slope_of_the_energy_error(tmp_path):
    slopes = np.array([1e-6, -3e-6, 2e-6])
    error = np.arange(5)[:, None] * slopes[None, :] * 2.0
    result = analyse(
        write_run(tmp_path / "run.h5", np.zeros((5, 3), int), n_states=1, dt_fs=2.0, energy_error=error)
    )
    expected = np.abs(slopes) * 1000 * ELECTRONVOLT_PER_HARTREE
    assert result["energy_slope_ev_per_ps"]["median"] == pytest.approx(np.median(expected))
    assert result["energy_slope_ev_per_ps"]["worst"] == pytest.approx(expected.max())
    assert result["energy_drift_max_ev"] == pytest.approx(24e-6 * ELECTRONVOLT_PER_HARTREE)


@pytest.mark.parametrize(("removed", "expected"), [("nothing", 12), ("momentum", 9), ("both", 6)])
def test_temperature_counts_the_motions_that_are_there(tmp_path, removed, expected):
    rng = np.random.default_rng(1)
    kelvin, n_traj, n_frames = 250.0, 400, 3
    masses = np.array([14.0, 1.0, 1.0, 1.0]) * 1822.0
    positions = np.broadcast_to(rng.normal(size=(4, 3)), (n_frames, n_traj, 4, 3))
    momenta = (
        rng.normal(size=(n_frames, n_traj, 4, 3)) * np.sqrt(masses * kelvin * HARTREE_PER_KELVIN)[:, None]
    )
    columns = [np.tile(np.eye(3), (4, 1))]
    if removed == "both":
        centred = positions[0, 0] - np.average(positions[0, 0], axis=0, weights=masses)
        columns.append(np.concatenate([np.cross(np.eye(3), atom).T for atom in centred]))
    if removed != "nothing":
        # Project in mass-weighted space, where the thermal distribution is isotropic.
        root = np.repeat(np.sqrt(masses), 3)
        basis = np.linalg.qr(np.concatenate(columns, axis=1) * root[:, None])[0]
        flat = momenta.reshape(n_frames, n_traj, 12) / root
        momenta = ((flat - flat @ basis @ basis.T) * root).reshape(momenta.shape)
    result = analyse(
        write_run(
            tmp_path / "run.h5",
            np.zeros((n_frames, n_traj), int),
            n_states=1,
            positions=positions,
            momenta=momenta,
            masses=masses,
            atomic_numbers=np.array([7, 1, 1, 1]),
        )
    )
    found = result["temperature_kelvin"]
    assert found["degrees_of_freedom"] == expected
    error = kelvin * np.sqrt(2 / (expected * n_traj * n_frames))
    assert abs(found["mean"] - kelvin) < 3 * error


@pytest.mark.parametrize("method", ["nve", "nvt"])
def test_nuclei_on_one_of_several_surfaces_have_a_temperature_and_no_lifetime(tmp_path, method):
    momenta = np.random.default_rng(2).normal(size=(9, 4, 5, 1))
    state = np.ones((9, 4), int)
    path = write_run(tmp_path / f"{method}.h5", state, n_states=2, momenta=momenta, method=method)
    result, names = analyse(path), [number.name for number in key_numbers(open_run(path), analyse(path))]
    assert result["temperature_kelvin"]["mean"] > 0 and result["lifetimes_fs"] == {}
    assert names[0] == "Temperature" and "Hops" not in names
    assert not any(name.startswith("State") for name in names)


def scattering(tmp_path, final_position, state, *, status, stop=None, **options):
    n_traj = len(final_position)
    positions = np.stack([np.full(n_traj, -10.0), np.zeros(n_traj), np.array(final_position, float)])[
        ..., None, None
    ]
    return analyse(
        write_run(
            tmp_path / "run.h5",
            np.array(state),
            n_states=2,
            positions=positions,
            momenta=np.full(positions.shape, 20.0),
            status=np.array(status),
            config={"method": "fssh", "stop": stop or {"beyond_au": 10}},
            **options,
        )
    )


def test_branching_counts_sides_and_states(tmp_path):
    state = [[0] * 8, [0] * 8, [0, 0, 0, 1, 1, 0, 1, 0]]
    result = scattering(tmp_path, [11, 11, 11, 11, 11, -11, -11, 2], state, status=[7] * 7 + [0])
    expected = {"T0": 3 / 7, "T1": 2 / 7, "R0": 1 / 7, "R1": 1 / 7}
    assert result["branching"] == pytest.approx(expected)
    assert result["branching_error"]["T0"] == pytest.approx(np.sqrt(3 / 7 * 4 / 7 / 7), rel=0.02)
    assert result["branching_undecided"] == 1
    assert result["lifetimes_fs"] == {}


def test_an_outcome_that_never_happened_has_an_error_nevertheless(tmp_path):
    state = np.zeros((3, 400), int)
    result = scattering(tmp_path, [11] * 400, state, status=[7] * 400)
    assert result["branching"]["R0"] == 0
    assert 1 / 800 < result["branching_error"]["R0"] < 1 / 400


def test_estimates_that_are_all_alike_have_an_error_nevertheless(tmp_path):
    """As windows, which are 0 or 1, of which none has seen what is rare."""
    populations = np.tile([1.0, 0.0], (3, 400, 1))
    state = np.zeros((3, 400), int)
    result = scattering(tmp_path, [11] * 400, state, status=[7] * 400, populations=populations)
    assert result["branching"]["T1"] == 0
    assert result["branching_error"]["T1"] == pytest.approx(np.sqrt(0.5 / (400 * 401)))


def test_a_hop_after_the_last_frame_counts_for_the_branching(tmp_path):
    state = np.zeros((3, 2), int)
    late = hop_table(np.array([[0, 0], [0, 0], [1, 0]]))
    result = scattering(tmp_path, [11, 11], state, status=[7, 7], hops=late)
    assert result["branching"] == pytest.approx({"T0": 0.5, "T1": 0.5, "R0": 0, "R1": 0})


def test_what_still_comes_in_at_the_end_of_a_run_is_neither_transmitted_nor_reflected(tmp_path):
    """All move to the right; no region is given, only what a run file without one keeps."""
    without = {"beyond_au": None, "novelty": None}
    state = np.zeros((3, 4), int)
    result = scattering(tmp_path, [3, 4, 5, -1], state, status=[0] * 4, stop=without)
    assert result["branching"] == pytest.approx({"T0": 1, "T1": 0, "R0": 0, "R1": 0})
    assert result["branching_undecided"] == 1
    (tmp_path / "run.h5").unlink()
    assert "branching" not in scattering(tmp_path, [-2] * 4, state, status=[0] * 4, stop=without)


def test_what_settled_on_its_way_is_neither_transmitted_nor_reflected(tmp_path):
    """It has ended on the lowest state wherever it was, also beyond x = 0."""
    state = np.zeros((3, 5), int)
    result = scattering(tmp_path, [3, 4, 5, 2, -6], state, status=[0, 0, 0, 12, 12], stop={"novelty": None})
    assert result["branching"] == pytest.approx({"T0": 1, "T1": 0, "R0": 0, "R1": 0})
    assert result["branching_undecided"] == 2
    assert result["branching_error"]["R0"] == pytest.approx(np.sqrt(0.5 * 3.5 / 3) / 4)


def test_several_coordinates_are_no_scattering(tmp_path):
    path = write_run(tmp_path / "run.h5", np.zeros((3, 4), int), n_states=2)
    assert "branching" not in analyse(path)


def test_the_final_state_is_that_of_the_last_accepted_hop_before_the_end(tmp_path):
    state = np.array([[1, 1, 1], [0, 1, 1], [0, 1, 1]])
    table = hop_table(state, write_every=2)
    # Trajectory 0 is refused to go up again, 1 goes down after its last valid step, 2 between frames.
    more = {name: np.repeat(column[:1], 3) for name, column in table.items()} | {
        "step": np.array([4, 3, 3]),
        "traj": np.array([0, 1, 2]),
        "from_state": np.array([0, 1, 1]),
        "to_state": np.array([1, 0, 0]),
        "accepted": np.array([0, 1, 1]),
    }
    hops = {name: np.concatenate([column, more[name]]) for name, column in table.items()}
    path = write_run(
        tmp_path / "run.h5", state, n_states=2, write_every=2, hops=hops, last_step=np.array([4, 2, 3])
    )
    assert final_state(open_run(path)).tolist() == [0, 1, 0]
