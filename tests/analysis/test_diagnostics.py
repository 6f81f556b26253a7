"""Traffic lights: each goes on at its limit, for the trajectories behind it and no other."""

import json
from dataclasses import replace

import numpy as np
import pytest
from synthetic_run import hop_table, write_run
from typer.testing import CliRunner

from nadyn.analysis import diagnostics
from nadyn.analysis.diagnostics import diagnose
from nadyn.cli.main import build_app
from nadyn.dynamics.run import endings
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.trajectory import open_run
from nadyn.units import HARTREE_PER_EV

N = 40


def lights_of(path):
    return {light.name: light for light in diagnose(open_run(path))}


def states():
    state = np.ones((12, N), int)
    state[5:, ::2] = 0
    return state


def test_a_clean_run_is_good_and_says_what_it_cannot_tell(tmp_path):
    energies = np.array([0.0, 0.01])
    hops = hop_table(states()) | {"gap": np.full(N // 2, 0.01)}
    lights = lights_of(write_run(tmp_path / "run.h5", states(), n_states=2, energies=energies, hops=hops))
    assert lights.pop("model").verdict == "unknown"
    assert {light.verdict for light in lights.values()} == {"good"}
    assert lights["gaps at hops"].sentence == (
        "Hops across a gap of more than 1 eV, 0 of 20: none of 40 trajectories; the largest is 0.272 eV, of "
        "trajectory 0 at 5 fs."
    )


@pytest.mark.parametrize(("size", "concerned"), [(0.19, False), (0.21, True)])
def test_a_window_of_the_total_energy_is_from_its_lowest_to_its_highest_point(tmp_path, size, concerned):
    error = np.zeros((12, N))
    # A slow rise, of which half is below zero: no step, and no size beyond half of the window.
    error[:, 7] = np.linspace(-size / 2, size / 2, 12) * HARTREE_PER_EV
    lights = lights_of(write_run(tmp_path / "run.h5", states(), n_states=2, energy_error=error))
    found = lights["total energy"]
    assert (found.verdict, found.trajectories) == (("doubtful", (7,)) if concerned else ("good", ()))
    assert lights["steps of the total energy"].verdict == "good"


def test_a_jump_of_the_total_energy_is_seen_and_two_of_forty_are_bad(tmp_path):
    error = np.zeros((12, N))
    error[6:, [3, 9]] = 0.11 * HARTREE_PER_EV
    lights = lights_of(write_run(tmp_path / "run.h5", states(), n_states=2, energy_error=error))
    found = lights["steps of the total energy"]
    assert (found.verdict, found.trajectories) == ("bad", (3, 9))
    assert lights["total energy"].verdict == "good"
    # Of little weight they are few.
    weight = np.where(np.isin(np.arange(N), [3, 9]), 0.1, 1.0)
    path = write_run(tmp_path / "light.h5", states(), n_states=2, energy_error=error, weight=weight)
    assert lights_of(path)["steps of the total energy"].verdict == "doubtful"


def test_steps_of_kinetic_energy_count_where_no_hop_is_and_frames_are_near(tmp_path):
    momenta = np.zeros((12, N, 5, 1))
    # 0.75 eV at the hop of trajectory 4, and of trajectory 5, which makes none.
    momenta[5:, 4:6, 0, 0] = np.sqrt(2 * 1837.0 * 0.75 * HARTREE_PER_EV)
    path = write_run(tmp_path / "run.h5", states(), n_states=2, momenta=momenta)
    found = lights_of(path)["steps of the kinetic energy"]
    assert found.trajectories == (5,) and "0.75 eV, of trajectory 5" in found.sentence
    # Fast hydrogen does so in the best of runs: a tenth of all are no more than doubtful.
    momenta[6:, 10:14, 0, 0] = momenta[5, 5, 0, 0]
    many = lights_of(write_run(tmp_path / "many.h5", states(), n_states=2, momenta=momenta))
    found = many["steps of the kinetic energy"]
    assert len(found.trajectories) > 2 and found.verdict == "doubtful"
    far = write_run(tmp_path / "far.h5", states(), n_states=2, momenta=momenta, dt_fs=1.5)
    assert lights_of(far)["steps of the kinetic energy"].verdict == "unknown"


def test_steps_of_potential_energy_are_those_of_the_active_state(tmp_path):
    run = open_run(write_run(tmp_path / "run.h5", np.ones((12, N), int), n_states=2))
    energies = np.array(run.energies)
    energies[8:, 11, 1] += 0.72 * HARTREE_PER_EV
    energies[8:, 12, 0] += 0.72 * HARTREE_PER_EV
    lights = {light.name: light for light in diagnose(replace(run, energies=energies))}
    assert lights["steps of the potential energy"].trajectories == (11,)


def test_wide_gaps_at_accepted_hops_count_and_refused_ones_do_not(tmp_path):
    hops = hop_table(states())
    gap = np.full(N // 2, 0.5 * HARTREE_PER_EV)
    gap[[2, 5]] = 1.2 * HARTREE_PER_EV
    accepted = np.ones(N // 2, int)
    accepted[5] = 0
    hops |= {"gap": gap, "accepted": accepted}
    found = lights_of(write_run(tmp_path / "run.h5", states(), n_states=2, hops=hops))["gaps at hops"]
    assert found.trajectories == (int(hops["traj"][2]),)
    assert found.sentence.startswith("Hops across a gap of more than 1 eV, 1 of 19: 1 of 40")
    hops |= {"gap": np.full(N // 2, 1.2 * HARTREE_PER_EV)}
    found = lights_of(write_run(tmp_path / "wide.h5", states(), n_states=2, hops=hops))["gaps at hops"]
    assert len(found.trajectories) > N // 3 and found.verdict == "doubtful"


def test_the_norm_must_stay(tmp_path):
    one_hot = (states()[..., None] == np.arange(2)).astype(complex)
    one_hot[6:, 8] *= 1 + 1e-7
    path = write_run(tmp_path / "run.h5", states(), n_states=2, coefficients=one_hot)
    assert lights_of(path)["norm"].trajectories == (8,)
    path = write_run(tmp_path / "other.h5", states(), n_states=2, coefficients=2 * one_hot)
    assert lights_of(path)["norm"].verdict == "unknown"


def test_stops_are_counted_by_reason_and_one_without_a_word_is_bad(tmp_path):
    status = np.zeros(N, int)
    status[1] = 4
    found = lights_of(write_run(tmp_path / "run.h5", states(), n_states=2, status=status))["stops"]
    assert (found.verdict, found.trajectories) == ("doubtful", (1,))
    assert found.sentence.endswith("; 1 close atoms.")
    status[2] = 10
    found = lights_of(write_run(tmp_path / "two.h5", states(), n_states=2, status=status))["stops"]
    assert found.verdict == "bad" and "Nothing is known of why: source failed." in found.sentence
    intruder = replace(open_run(tmp_path / "run.h5"), status_names={0: "finished", 4: "intruder_state"})
    lights = {light.name: light for light in diagnose(intruder)}
    assert lights["surplus levels"].trajectories == (1,)


def test_spreads_and_novelty_have_the_limits_at_which_a_run_stops(tmp_path):
    assert diagnostics.NOVELTY == MOST_NOVELTY
    for name in ("ENERGY_SPREAD_EV", "GAP_SPREAD_EV", "FORCE_SPREAD_EV_PER_ANGSTROM"):
        assert getattr(diagnostics, name) == getattr(endings, name)
    run = open_run(write_run(tmp_path / "run.h5", states(), n_states=2, committee=True))
    spread = np.array(run.gap_spread)
    spread[3, 6] = 0.3 * HARTREE_PER_EV
    # The worst first.
    stops = {"gap_spread": np.where(np.arange(N) == 7, 0.4 * HARTREE_PER_EV, np.nan)}
    lights = {light.name: light for light in diagnose(replace(run, gap_spread=spread, stops=stops))}
    assert lights["committee: gaps"].trajectories == (7, 6)
    # 0.001 hartree/bohr are 0.051 eV/angstrom.
    assert "the largest is 0.0514 eV/Å" in lights["committee: forces"].sentence
    wide = replace(run, gap_spread=spread, config={"stop": {"gap_spread_ev": 0.35}})
    assert {one.name: one for one in diagnose(wide)}["committee: gaps"].trajectories == ()


def test_the_command_prints_lights_and_writes_all_trajectories(tmp_path):
    error = np.zeros((12, N))
    error[6:, 5:30] = 0.3 * HARTREE_PER_EV
    path = write_run(tmp_path / "run.h5", states(), n_states=2, energy_error=error)
    app = build_app(("diagnose",))
    found = CliRunner().invoke(app, ["diagnose", str(path), "--json", str(tmp_path / "lights.json")])
    assert found.exit_code == 0, found.output
    assert "■ bad" in found.output and "5, 6, 7" in found.output and "…" in found.output
    rows = json.loads((tmp_path / "lights.json").read_text())["lights"]
    assert rows[0]["trajectories"] == list(range(5, 30)) and rows[0]["verdict"] == "bad"
