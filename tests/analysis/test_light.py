"""What light would see of a run, beside the spectra of ensembles and numbers that are known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from synthetic_run import write_run

from nadyn.analysis.light import Absorption, Light, chosen, dipole_and_emission, transient_absorption
from nadyn.analysis.page_parts import svg
from nadyn.analysis.sections_of_light import is_excited, light_sections, transient_table
from nadyn.dynamics.spectra.excitation import Excitations, absorption
from nadyn.trajectory import open_run
from nadyn.units import HARTREE_PER_EV

N_FRAMES, N_TRAJ, N_STATES = 4, 7, 3
WIDTH_EV = 0.3


def light(rng, *, still=False):
    """Energies and dipoles at random, the same at every frame where molecules are `still`."""
    shape = (1 if still else N_FRAMES, N_TRAJ)
    energies = np.array([0.0, 0.11, 0.19]) + 0.01 * rng.normal(size=(*shape, N_STATES))
    moments = rng.normal(size=(*shape, N_STATES, N_STATES, 3))
    moments = 0.5 * (moments + moments.swapaxes(2, 3))
    dipoles = np.stack([moments[..., k, k, :] for k in range(N_STATES)], axis=2)
    parts = (energies, dipoles, (moments**2).sum(axis=-1))
    repeated = (np.broadcast_to(part, (N_FRAMES, *part.shape[1:])).copy() for part in parts)
    return Light(np.arange(N_FRAMES), np.arange(N_TRAJ), *repeated)


def run_on(folder, state, **options):
    return open_run(write_run(folder / "run.h5", state, n_states=N_STATES, **options))


def ensemble(found, energies_ev, frame, from_state, weight):
    """Cross sections of the spectra of ensembles, those into states below included and positive."""
    others = [k for k in range(N_STATES) if k != from_state]
    gaps = found.energies[frame][:, others] - found.energies[frame][:, [from_state]]
    strengths = 2 / 3 * np.abs(gaps) * found.squares[frame][:, from_state][:, others]
    order = np.tile(others, (len(gaps), 1))
    excited = Excitations(from_state, tuple(others), np.abs(gaps), strengths, weight / weight.mean(), order)
    fwhm = WIDTH_EV * HARTREE_PER_EV
    return dict(
        zip(others, absorption(excited, energies_ev * HARTREE_PER_EV, fwhm=fwhm).of_transitions, strict=True)
    )


def test_each_part_is_the_spectrum_of_the_ensemble_at_that_time(tmp_path):
    rng = np.random.default_rng(1)
    state = np.ones((N_FRAMES, N_TRAJ), int)
    weight = rng.uniform(0.5, 2.0, N_TRAJ)
    run, found = run_on(tmp_path, state, weight=weight), light(rng)
    signal = transient_absorption(run, found, width_ev=WIDTH_EV)
    before = ensemble(found, signal.energies_ev, 0, 0, weight)
    for frame in range(N_FRAMES):
        now = ensemble(found, signal.energies_ev, frame, 1, weight)
        expected = {
            "stimulated emission": -now[0],
            "excited-state absorption": now[2],
            "absorption of the lowest state": 0.0 * now[0],
            "bleach": -before[1] - before[2],
        }
        for name, curve in expected.items():
            np.testing.assert_allclose(signal.parts[name][frame], curve, rtol=1e-9, atol=1e-12)


def test_nothing_is_left_of_a_molecule_that_came_back_to_where_it_was(tmp_path):
    rng = np.random.default_rng(2)
    state = np.ones((N_FRAMES, N_TRAJ), int)
    state[2:] = 0
    signal = transient_absorption(run_on(tmp_path, state), light(rng, still=True))
    assert np.abs(signal.total[1]).max() > 1e-2
    np.testing.assert_allclose(signal.total[2:], 0.0, atol=1e-12)


def test_a_stopped_trajectory_has_no_vote_and_the_band_is_that_of_a_mean(tmp_path):
    rng = np.random.default_rng(3)
    state = np.full((N_FRAMES, N_TRAJ), 2)
    stopped = np.arange(N_TRAJ) == 4
    run = run_on(
        tmp_path, state, status=np.where(stopped, 2, 0), last_step=np.where(stopped, 1, N_FRAMES - 1)
    )
    found = light(rng)
    columns = dipole_and_emission(run, found)
    sizes = np.linalg.norm(found.dipoles[:, :, 2], axis=-1) * 2.541746473
    np.testing.assert_allclose(columns["dipole_debye"][1], sizes[1].mean())
    np.testing.assert_allclose(columns["dipole_debye"][3], sizes[3, ~stopped].mean())
    error = 1.96 * sizes[3, ~stopped].std(ddof=1) / np.sqrt(N_TRAJ - 1)
    np.testing.assert_allclose(columns["dipole_error"][3], error)


def test_the_emission_of_hydrogen_is_known(tmp_path):
    """2p to 1s: ΔE = 3/8 hartree, |μ|² = 2^15/3^10, 0.62649 per ns (NIST); nothing from the lowest state."""
    energies = np.array([0.0, 0.375])
    squares = np.array([[0.0, 2**15 / 3**10], [2**15 / 3**10, 0.0]])
    shape = (2, 5)
    found = Light(
        np.arange(2),
        np.arange(5),
        np.broadcast_to(energies, (*shape, 2)),
        np.zeros((*shape, 2, 3)),
        np.broadcast_to(squares, (*shape, 2, 2)),
    )
    state = np.ones(shape, int)
    state[1] = 0
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=2))
    assert dipole_and_emission(run, found)["emission_per_ns"] == pytest.approx([0.62649, 0.0], rel=1e-3)


def test_a_mean_over_states_is_weighed_by_populations(tmp_path):
    rng = np.random.default_rng(4)
    share = rng.dirichlet(np.ones(N_STATES), size=(N_FRAMES, N_TRAJ))
    coefficients = np.sqrt(share).astype(complex)
    state = np.full((N_FRAMES, N_TRAJ), 2)
    options = {"estimator": "mean |c|^2", "moves_on": "mean of the states", "coefficients": coefficients}
    run, found = run_on(tmp_path, state, **options), light(rng)
    sizes = np.linalg.norm(found.dipoles, axis=-1) * 2.541746473
    np.testing.assert_allclose(
        dipole_and_emission(run, found)["dipole_debye"], (share * sizes).sum(-1).mean(1)
    )


def test_sections_say_what_is_in_them(tmp_path):
    rng = np.random.default_rng(5)
    found = light(rng)
    run = run_on(tmp_path, np.ones((N_FRAMES, N_TRAJ), int))
    shown = {one.name: one for one in light_sections(run, found)}
    assert list(shown) == ["transient", "dipole"]
    assert "absorption to higher ones is not in it" in shown["transient"].caption
    signal = transient_absorption(run, found)
    table = transient_table(signal)
    assert len(table["time_fs"]) == signal.total.size
    parts = [np.array(column) for name, column in table.items() if name.endswith("angstrom2")][2:]
    np.testing.assert_allclose(sum(parts), table["difference_angstrom2"], atol=1e-14)


def test_a_run_on_the_lowest_state_has_a_dipole_alone(tmp_path):
    run = run_on(tmp_path, np.zeros((N_FRAMES, N_TRAJ), int))
    assert not is_excited(run)
    assert [one.name for one in light_sections(run, light(np.random.default_rng(6)))] == ["dipole"]
    assert light_sections(run, None) == []


def test_many_frames_and_trajectories_are_thinned_from_first_to_last(tmp_path):
    run = open_run(
        write_run(
            tmp_path / "run.h5", np.ones((300, 500), int), n_states=2, positions=np.zeros((300, 500, 1, 1))
        )
    )
    frames, trajectories = chosen(run)
    assert (frames[0], frames[-1], trajectories[0], trajectories[-1]) == (0, 299, 0, 499)
    assert len(frames) * len(trajectories) <= 25_000
    assert len(set(frames)) == len(frames) and len(set(trajectories)) == len(trajectories)
    large = write_run(
        tmp_path / "l.h5", np.ones((70, 80), int), n_states=2, positions=np.zeros((70, 80, 300, 1))
    )
    assert len(chosen(open_run(large))[1]) == 50


def test_no_ink_of_a_figure_stays_black_on_a_dark_page(tmp_path):
    curve = np.ones(4)
    shown = Absorption(
        curve.cumsum(), curve, 0.1 * curve, curve[None], ["0-1"], (1.0, 2.0), "four geometries"
    )
    run = run_on(tmp_path, np.ones((N_FRAMES, N_TRAJ), int))
    found = replace(light(np.random.default_rng(7)), absorption=shown)
    for section in light_sections(run, found):
        drawn = svg(section.figure)
        assert "fill: #000000" not in drawn and not re.search(r"<text style=\"(?![^\"]*fill)", drawn), (
            section.name
        )
