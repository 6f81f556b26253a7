"""The runner: files, interruption and resumption, refusals."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from importlib import resources

import numpy as np
import pytest
import torch
import yaml
from toy_molecule import ToyMolecule, start

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.methods.table import stored_configuration
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run import prepare, progress
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic import analytic_model
from nadyn.models.analytic.tully import tully
from nadyn.trajectory import digest, open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import AU_PER_FEMTOSECOND

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def scattering(tmp_path, name="run.h5", **changes):
    content = {
        "model": {"name": "tully", "variant": 1},
        "initial": {"position_au": -4, "momentum_au": 20, "n": 37, "state": 0},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 30,
        "write_every": 4,
        "checkpoint_every": 10,
        "output": str(tmp_path / name),
    }
    return {key: value for key, value in {**content, **changes}.items() if value is not None}


def test_the_file_holds_what_the_steps_give(tmp_path):
    result = runner.run(scattering(tmp_path), progress=False)
    model = tully(1)
    run = open_run(result.path)
    assert result.n_finished == 37 and not run.status.any() and run.committed_frames == 16
    positions = torch.full((37, 1, 1), -4.0, dtype=torch.float64)
    momenta = torch.full_like(positions, 20.0)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    options = Fssh(dt=0.5 * AU_PER_FEMTOSECOND, seed=1, masses=model.masses)
    n_hops = 0
    for step in range(61):
        if step % 4 == 0:
            assert np.array_equal(run.positions[step // 4], state.positions.numpy())
            assert np.array_equal(run.active_state[step // 4], state.active_state.numpy())
            assert np.array_equal(run.coefficients[step // 4][..., 1], state.coefficients.imag.numpy())
        made = fssh_step(state, model, options)
        n_hops += len(made.hops.row) if step < 60 else 0
        state = made.state
    assert n_hops == len(run.hops["step"]) == result.n_hops + result.n_refused > 10
    assert np.allclose(run.time_fs, 2.0 * np.arange(16))


def test_every_hop_in_the_file_keeps_the_energy(tmp_path):
    run = open_run(runner.run(scattering(tmp_path), progress=False).path)
    hops = run.hops
    accepted = hops["accepted"] == 1
    before = hops["kinetic_before"] + hops["energy_from"]
    after = hops["kinetic_after"] + np.where(accepted, hops["energy_to"], hops["energy_from"])
    assert np.abs(after - before).max() < 1e-12
    assert np.all(hops["zeta"] < hops["probability"])
    assert np.all((hops["step"] >= 1) & (hops["step"] <= 60))


class _Stop(Exception):
    """What ends a run in the middle of these tests."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run file of a run that was not disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    config = scattering(folder, "whole.h5", stop={"beyond_au": 4.0}, time_fs=34)
    runner.run(config, progress=False)
    return config


@pytest.mark.parametrize("at_step", [1, 10, 40])
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, monkeypatch, whole, at_step):
    broken = {**whole, "output": str(tmp_path / "broken.h5")}
    judge = runner.statuses

    def fail(old, step, model, limits):
        if step.state.step == at_step:
            raise _Stop
        return judge(old, step, model, limits)

    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(runner, "statuses", fail)
        runner.run(broken, progress=False)
    runner.run(broken, resume=True, progress=False)
    _compare(whole["output"], broken["output"])
    assert digest(whole["output"]) == digest(broken["output"])


def _compare(one, two):
    first, second = open_run(one), open_run(two)
    for name in ("positions", "momenta", "energies", "coefficients", "active_state", "status", "last_step"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert all(np.array_equal(first.hops[name], second.hops[name], equal_nan=True) for name in first.hops)


def test_an_interrupt_writes_a_checkpoint_and_says_how_to_go_on(tmp_path, monkeypatch):
    config = scattering(tmp_path)
    judge = runner.statuses

    def press_ctrl_c(old, step, model, limits):
        if step.state.step == 17:
            signal.raise_signal(signal.SIGINT)
        return judge(old, step, model, limits)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match=r"after step 17 .*--resume"):
        patch.setattr(runner, "statuses", press_ctrl_c)
        runner.run(config, progress=False)
    assert open_run(config["output"]).step == 17
    runner.run(config, resume=True, progress=False)
    runner.run({**config, "output": str(tmp_path / "whole.h5")}, progress=False)
    _compare(tmp_path / "whole.h5", tmp_path / "run.h5")


def test_trajectories_that_left_the_region_rest_and_the_others_go_on(tmp_path):
    config = scattering(tmp_path, stop={"beyond_au": 4.2}, time_fs=80)
    result = runner.run(config, progress=False)
    run = open_run(result.path)
    left = run.status == 7
    # Leaving is an end as asked, no failure.
    assert result.n_stopped == {} and result.n_finished == 37 and left.sum() > 20
    assert run.status_names[7] == "left_region" and "nothing to do" in run.status_advice[7]
    for t in np.nonzero(left)[0]:
        last_frame = int(run.last_step[t]) // 4
        assert np.all(np.abs(run.positions[: last_frame + 1, t]) < 4.5)
        # The frames after the end repeat it.
        assert np.ptp(run.positions[last_frame + 1 :, t], axis=0).max() == 0


def test_a_molecule_runs_from_a_file_and_keeps_its_angular_momentum(tmp_path):
    model = ToyMolecule()
    positions, momenta = start(11)
    initial = InitialConditions(
        positions=positions.numpy(),
        momenta=momenta.numpy(),
        weight=np.linspace(1.0, 2.0, 11),
        masses=model.masses.numpy(),
        atomic_numbers=np.array(model.atomic_numbers),
        state=2,
        diabatic_state=None,
        origin="test",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "initial.h5", initial)
    config = scattering(
        tmp_path, model=None, initial={"file": str(tmp_path / "initial.h5")}, dt_fs=0.2, time_fs=20
    )
    result = runner.run(config, model=model, progress=False)
    run = open_run(result.path)
    assert result.n_hops > 3 and result.n_finished == 11
    assert np.array_equal(run.weight, initial.weight)
    angular = np.cross(run.positions[:], run.momenta[:]).sum(2)
    assert np.abs(angular - angular[:1]).max() < 1e-9
    total = run.diabatic_populations[:].sum(-1)
    assert np.abs(total - 1).max() < 1e-12


RUBBED = {"atoms": [0], "per_ps": 5, "temperature_kelvin": 300}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metod": "fssh"}, r"`metod` is not a known key\. Did you mean `method`\?"),
        ({"decoherence": {"name": "edc", "damps": "both"}}, "damps"),
        ({"method": "nvt"}, "`thermostat` must be given for method nvt"),
        ({"method": "nve", "frustrated": "keep"}, "`frustrated` must be left out for method nve"),
        ({"method": "nve", "thermostat": {"temperature_kelvin": 300}}, "`thermostat` must be left out"),
        (
            {"method": "nvt", "thermostat": {"name": "berendsen", "temperature_kelvin": 3}},
            "thermostat.*must.*langevin, andersen, nose_hoover or velocity_rescaling",
        ),
        (
            {"method": "nvt", "thermostat": {"name": "andersen"}},
            "`thermostat.*temperature_kelvin` must be given",
        ),
        (
            {"method": "nvt", "thermostat": {"temperature_kelvin": 300, "period_fs": 40}},
            "period_fs` is not a known key",
        ),
        (
            {"friction": {"atoms": [1], "per_ps": 5, "temperature_kelvin": 300}},
            r"`friction.atoms` must be from 0 to 0 for this model, but is \[1\]",
        ),
        (
            {"friction": {"atoms": [0, 0], "per_ps": 5, "temperature_kelvin": 300}},
            "`friction.atoms` must be numbers of atoms from 0, each once",
        ),
        (
            {"method": "nvt", "thermostat": {"temperature_kelvin": 3}, "friction": RUBBED},
            "`friction` must be left out for method nvt",
        ),
        (
            {"method": "landau_zener", "friction": RUBBED},
            "`friction.temperature_kelvin` must be 0 with method landau_zener",
        ),
        (
            {"method": "zhu_nakamura", "friction": RUBBED},
            "`friction.temperature_kelvin` must be 0 with method zhu_nakamura",
        ),
        (
            {"method": "gfsh", "propagation": "curvature", "friction": RUBBED},
            "`friction.temperature_kelvin` must be 0 with `propagation: curvature`",
        ),
        ({"time_fs": 0.1}, "`time_fs` must be at least `dt_fs`"),
        ({"model": None}, "`model` must be a model file or an analytic model, but is missing"),
        (
            {"initial": {"position_au": -4, "momentum_au": 20, "n": 3, "state": 2}},
            "`state` must be from 0 to 1",
        ),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_run_file_that_cannot_be_used_is_refused_with_a_sentence(tmp_path, changes, sentence):
    content = {**scattering(tmp_path), **changes}
    content = {key: value for key, value in content.items() if value is not None}
    with pytest.raises(InputError, match=sentence):
        runner.run(content, progress=False)
    assert not (tmp_path / "run.h5").exists()


def test_an_existing_output_is_replaced_only_on_demand(tmp_path):
    config = scattering(tmp_path, time_fs=2)
    runner.run(config, progress=False)
    with pytest.raises(InputError, match=r"--resume to continue that run or --overwrite"):
        runner.run(config, progress=False)
    assert runner.run(config, overwrite=True, progress=False).n_finished == 37
    with pytest.raises(InputError, match=r"must not be given together"):
        runner.run(config, overwrite=True, resume=True, progress=False)


def test_a_finished_run_resumes_to_itself(tmp_path):
    config = scattering(tmp_path, time_fs=2)
    runner.run(config, progress=False)
    before, timings = digest(config["output"]), open_run(config["output"]).timings
    assert timings["steps"] == 4 and timings["seconds"] > 0
    for _ in range(2):
        runner.run(config, resume=True, progress=False)
        assert digest(config["output"]) == before
        assert open_run(config["output"]).timings == timings


def test_the_timings_of_a_longer_run_are_those_of_all_its_parts(tmp_path):
    config = scattering(tmp_path, time_fs=2)
    runner.run(config, progress=False)
    first = open_run(config["output"]).timings["seconds"]
    second = runner.run({**config, "time_fs": 4}, resume=True, progress=False).seconds
    timings = open_run(config["output"]).timings
    assert (timings["steps"], timings["resumed_at_step"]) == (8, 4)
    assert timings["seconds"] == pytest.approx(first + second)


def test_the_same_model_at_another_place_can_be_resumed(tmp_path):
    shipped = resources.files("nadyn.models.analytic") / "pyrazine4.json"
    initial = {"sample": "wigner", "n": 3, "state": 1}

    def named(path):
        path.write_bytes(shipped.read_bytes())
        return {"name": "vibronic", "file": str(path)}

    config = scattering(
        tmp_path, model=named(tmp_path / "here.json"), initial=initial, time_fs=2, write_every=1
    )
    whole = {**config, "output": str(tmp_path / "whole.h5"), "time_fs": 4}
    runner.run(whole, progress=False)
    runner.run(config, progress=False)
    (tmp_path / "here.json").unlink()
    moved = {**config, "model": named(tmp_path / "there.json"), "time_fs": 4}
    runner.run(moved, resume=True, progress=False)
    assert digest(config["output"]) == digest(whole["output"])


def test_the_live_table_ends_with_a_new_line_where_it_is_no_terminal(tmp_path, capsys):
    runner.run(scattering(tmp_path, time_fs=2), progress=True)
    table = capsys.readouterr().err
    assert "steps/s" in table and table.endswith("\n")


def test_a_log_without_a_terminal_has_a_line_now_and_then(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    runner.run(scattering(tmp_path, time_fs=2, write_every=2), progress=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("time ")]
    assert [re.search(r"step (\d+)/4", line)[1] for line in lines if "running 37" in line][:3] == [
        "1",
        "2",
        "3",
    ]
    assert lines[0].startswith("time 0.5 fs, step 1/4, left ")


def test_another_run_file_or_model_cannot_resume(tmp_path):
    config = scattering(tmp_path, time_fs=2)
    runner.run(config, progress=False)
    with pytest.raises(InputError, match=r"`dt_fs` must be as it was when .* was started, 0.5, but is 0.25"):
        runner.run({**config, "dt_fs": 0.25}, resume=True, progress=False)
    object_config = scattering(tmp_path, "object.h5", model=None, time_fs=2)
    runner.run(object_config, model=tully(1), progress=False)
    runner.run(object_config, model=tully(1), resume=True, progress=False)
    with pytest.raises(InputError, match=r"`model` must be the one that"):
        runner.run(object_config, model=tully(2), resume=True, progress=False)


def test_a_run_from_before_a_key_existed_can_be_resumed_where_the_key_is_not_given(tmp_path, monkeypatch):
    def without_width(config):
        stored = stored_configuration(config)
        initial = {key: value for key, value in stored["initial"].items() if key != "width_au"}
        return {**stored, "initial": initial}

    config = scattering(tmp_path, time_fs=2)
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "stored_configuration", without_width)
        runner.run(config, progress=False)
    runner.run(config, resume=True, progress=False)
    changed = {**config, "initial": {**config["initial"], "width_au": 1.0}}
    with pytest.raises(InputError, match="`initial` must be as it was when"):
        runner.run(changed, resume=True, progress=False)


def test_a_changed_parameter_file_of_a_model_cannot_resume(tmp_path):
    shipped = resources.files("nadyn.models.analytic") / "pyrazine4.json"
    parameters = tmp_path / "parameters.json"
    parameters.write_bytes(shipped.read_bytes())
    model = {"name": "vibronic", "file": str(parameters)}
    initial = {"sample": "wigner", "n": 3, "state": 1}
    config = scattering(tmp_path, model=model, initial=initial, time_fs=2)
    runner.run(config, progress=False)
    runner.run(config, resume=True, progress=False)
    before = parameters.read_text()
    parameters.write_text(before.replace("0.0739", "0.0749"))
    assert parameters.read_text() != before
    with pytest.raises(InputError, match=r"`model` must be the one that"):
        runner.run(config, resume=True, progress=False)


def test_the_digest_of_a_run_depends_neither_on_its_name_nor_on_its_checkpoints(tmp_path):
    one = runner.run(scattering(tmp_path, "one.h5", time_fs=8), progress=False).path
    two = runner.run(scattering(tmp_path, "two.h5", time_fs=8, checkpoint_every=7), progress=False).path
    assert digest(one) == digest(two)
    other = runner.run(scattering(tmp_path, "other.h5", time_fs=8, rescale="isotropic"), progress=False).path
    assert digest(other) != digest(one)
    # Nothing of the run file is lost.
    assert open_run(two).config["checkpoint_every"] == 7
    assert open_run(two).config["output"] == str(two)


def test_paths_in_a_run_file_begin_at_its_folder(tmp_path, monkeypatch):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    shipped = resources.files("nadyn.models.analytic") / "pyrazine4.json"
    (inside / "parameters.json").write_bytes(shipped.read_bytes())
    model = {"name": "vibronic", "file": "parameters.json"}
    section = parse_configuration({"sample": "wigner", "n": 3}, InitialSection, where="test")
    write_initial_conditions(inside / "start.h5", sample(analytic_model_in(inside, model), section, seed=1))
    content = scattering(tmp_path, model=model, initial={"file": "start.h5"}, time_fs=2, output="run.h5")
    (inside / "run.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(outside)
    runner.run("../inside/run.yaml", progress=False)
    monkeypatch.chdir(inside)
    first = digest("run.h5")
    runner.run("run.yaml", resume=True, progress=False)
    runner.run("run.yaml", overwrite=True, progress=False)
    assert digest("run.h5") == first
    assert list(outside.iterdir()) == []
    # A mapping comes from nowhere: its paths are those of the program.
    runner.run({**content, "output": "mapping.h5"}, progress=False)
    assert digest("mapping.h5") == first


def analytic_model_in(folder, mapping):
    return analytic_model({**mapping, "file": str(folder / mapping["file"])})


def test_the_run_file_is_stored_and_can_be_run_again(tmp_path):
    config = scattering(tmp_path, time_fs=2)
    stored = open_run(runner.run(config, progress=False).path).config
    again = {**json.loads(json.dumps(stored)), "output": str(tmp_path / "again.h5")}
    again = {key: value for key, value in again.items() if value is not None}
    again["initial"] = {key: value for key, value in config["initial"].items()}
    runner.run(again, progress=False)
    _compare(tmp_path / "run.h5", tmp_path / "again.h5")


def test_langevin_and_constant_energy_run_from_a_run_file(tmp_path):
    common = {"model": {"name": "pyrazine", "variant": 4}, "time_fs": 5, "dt_fs": 0.25}
    common["initial"] = {"sample": "wigner", "n": 7, "temperature_kelvin": 300, "state": 1}
    nve = runner.run(scattering(tmp_path, "nve.h5", method="nve", **common), progress=False)
    bath = {"temperature_kelvin": 300, "friction_per_ps": 50}
    nvt = runner.run(scattering(tmp_path, "nvt.h5", method="nvt", thermostat=bath, **common), progress=False)
    assert np.all(open_run(nve.path).active_state[:] == 1) and nve.n_hops == nvt.n_hops == 0
    # The bath moves the total energy, and the conserved quantity takes no notice.
    run = open_run(nvt.path)
    total = run.kinetic_energy[:] + run.energies[:, :, 1]
    assert np.abs(total[-1] - total[0]).min() > 20 * np.abs(run.total_energy_error[-1]).max()


@pytest.mark.parametrize("method", ["nve", "nvt"])
def test_on_one_state_diabatic_populations_are_those_of_that_state(tmp_path, method):
    bath = {"temperature_kelvin": 300, "friction_per_ps": 50} if method == "nvt" else None
    start = {"sample": "wigner", "n": 61, "temperature_kelvin": 300, "diabatic_state": 1}
    model = {"name": "pyrazine", "variant": 4}
    common = {"model": model, "time_fs": 10, "initial": start, "thermostat": bath}
    run = open_run(runner.run(scattering(tmp_path, method=method, **common), progress=False).path)
    assert run.attributes["diabatic_population_estimator"] == "|U_da|^2 of the active state"
    built = analytic_model(model)
    active = torch.from_numpy(np.array(run.active_state[0], dtype=np.int64))
    assert 0 < int(active.sum()) < 61
    for frame in (0, run.committed_frames - 1):
        _, vectors = energies_and_eigenvectors(built, torch.from_numpy(np.array(run.positions[frame])))
        expected = vectors[torch.arange(61), :, active] ** 2
        np.testing.assert_allclose(run.diabatic_populations[frame], expected.numpy(), atol=1e-12)
    assert np.ptp(run.diabatic_populations[:], axis=0).max() > 0.1


def test_methods_and_models_that_do_not_fit_are_refused(tmp_path):
    config = scattering(tmp_path, model=None)
    with pytest.raises(InputError, match=r"`method` fssh must have a model of two states"):
        runner.run(config, model=ToyMolecule(n_states=1), progress=False)
    with pytest.raises(InputError, match=r"`stop.beyond_au` must be left out for molecules"):
        runner.run({**config, "stop": {"beyond_au": 5}}, model=ToyMolecule(), progress=False)


@pytest.mark.slow
def test_ctrl_c_on_the_command_line_says_how_to_go_on(tmp_path):
    config = scattering(tmp_path, time_fs=5000, dt_fs=0.1)
    run_file, output = tmp_path / "run.yaml", tmp_path / "run.h5"
    run_file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "nadyn", "run", str(run_file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not output.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Go on with --resume" in errors


@pytest.mark.slow
def test_kill_9_at_random_moments_changes_nothing(tmp_path):
    config = scattering(tmp_path, "killed.h5", time_fs=200, dt_fs=0.1, stop=None, checkpoint_every=50)
    config["initial"]["n"] = 500
    run_file, output = tmp_path / "run.yaml", tmp_path / "killed.h5"
    run_file.write_text(yaml.safe_dump(config))
    whole = {**config, "output": str(tmp_path / "whole.h5")}
    seconds = runner.run(whole, progress=False).seconds
    dice = random.Random(7)
    command = [sys.executable, "-m", "nadyn", "run", str(run_file), "--quiet"]
    kills = 0
    for _ in range(5):
        arguments = [*command, "--resume"] if output.exists() else command
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not output.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        time.sleep(dice.uniform(0.0, 0.4 * seconds))
        kills += process.poll() is None
        process.kill()
        process.communicate()
    assert kills == 5
    finish = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=300)
    assert finish.returncode == 0, finish.stderr
    _compare(tmp_path / "whole.h5", output)
    assert digest(output) == digest(tmp_path / "whole.h5")
