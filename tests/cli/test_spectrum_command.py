"""`nadyn spectrum` from model to files."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from contracts.untrained import untrained

from nadyn.analysis.energies import temperature
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.cli.spectra import run_result
from nadyn.dynamics.run.loop import run
from nadyn.dynamics.spectra.excitation import absorption, excitations
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.model_file import save_model
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import (
    InitialConditions,
    read_initial_conditions,
    write_initial_conditions,
)
from nadyn.units import HARTREE_PER_EV

NUMBERS = (7, 1, 1, 9)


def _left(*arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    return leaving.value.code


@pytest.fixture
def files(tmp_path):
    model = untrained("moments", "2x0e", heads=(DipoleSettings(0),), atomic_numbers=NUMBERS)
    save_model(model, tmp_path / "model.safetensors")
    middle = np.array([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
    positions = middle + 0.05 * np.random.default_rng(2).normal(size=(5, 4, 3))
    start = InitialConditions(
        positions=positions,
        momenta=np.zeros_like(positions),
        weight=np.array([1.0, 2.0, 1.0, 1.0, 1.0]),
        masses=model.masses.numpy(),
        atomic_numbers=np.array(NUMBERS),
        state=0,
        diabatic_state=None,
        origin="test",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "initial.h5", start)
    return tmp_path, model, start


def test_absorption_of_given_geometries_is_written(files):
    folder, model, start = files
    options = ["--csv", folder / "uv.csv", "--json", folder / "uv.json", "--figure", folder / "uv.svg"]
    code = _left(
        "spectrum", folder / "model.safetensors", "--kind", "uv", "--initial", folder / "initial.h5", *options
    )
    assert code == 0
    with (folder / "uv.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == [
        "photon_energy_ev",
        "cross_section_angstrom2",
        "error_95_angstrom2",
        "of_0-1_angstrom2",
    ]
    table = np.array(rows[1:], dtype=float)
    found = excitations(model, start.positions, weight=start.weight)
    expected = absorption(found, table[:, 0] * HARTREE_PER_EV, fwhm=0.1 * HARTREE_PER_EV)
    np.testing.assert_allclose(table[:, 1], expected.cross_section, rtol=1e-6, atol=1e-12)
    plain = json.loads((folder / "uv.json").read_text())
    np.testing.assert_allclose(plain["oscillator_strengths"], found.strengths)
    assert (folder / "uv.svg").stat().st_size > 1000


def test_starts_of_a_window_are_written_and_run(files, capsys):
    folder, model, start = files
    gaps = excitations(model, start.positions).energies[:, 0] / HARTREE_PER_EV
    low, high = np.sort(gaps)[[1, 3]] + [-1e-4, 1e-4]
    options = ["--initial", folder / "initial.h5", "--window-ev", f"{low},{high}"]
    options += ["--starts", folder / "excited.h5", "--figure", folder / "uv.svg"]
    assert _left("spectrum", folder / "model.safetensors", "--kind", "uv", *options) == 0
    said = " ".join(capsys.readouterr().out.split())
    excited = read_initial_conditions(folder / "excited.h5")
    assert 1 <= len(excited.states) <= 3 and set(excited.states.tolist()) == {1}
    assert f"of 5 geometries excited by {low:g} to {high:g} eV, {len(excited.states)} on state 1" in said
    content = {"initial": {"file": str(folder / "excited.h5")}, "method": "fssh", "dt_fs": 0.05}
    content |= {"time_fs": 0.1, "output": str(folder / "run.h5")}
    run(content, model=model, progress=False)
    np.testing.assert_array_equal(open_run(folder / "run.h5").active_state[0], excited.states)
    assert _left("spectrum", folder / "model.safetensors", "--kind", "uv", *options) == 2
    assert "excited.h5' must not exist yet" in capsys.readouterr().err


def test_dipoles_of_a_run_are_those_of_its_state_at_its_temperature(files):
    """Friction pushes all twelve components of the momenta, those of turning too."""
    folder, model, _ = files
    content = {
        "initial": {"file": str(folder / "initial.h5")},
        "method": "nvt",
        "thermostat": {"temperature_kelvin": 300, "friction_per_ps": 50},
        **{"dt_fs": 0.05, "time_fs": 5, "write_every": 1, "output": str(folder / "run.h5")},
    }
    run(content, model=model, progress=False)
    found = run_result(model, [folder / "run.h5"], state=0, fwhm_cm=50.0)
    shown = float(next(iter(found.table.columns[0].cells)))
    assert abs(shown - temperature(open_run(folder / "run.h5")).mean()) < 0.6
    with pytest.raises(InputError, match=r"must have trajectories that stay on state 1 .* were on 0"):
        run_result(model, [folder / "run.h5"], state=1, fwhm_cm=50.0)


def test_an_ion_that_flies_absorbs_as_one_that_rests(files):
    folder, _, start = files
    model = untrained("moments", "2x0e", heads=(DipoleSettings(1),), atomic_numbers=NUMBERS).double()
    inner = 3.0 * np.random.default_rng(4).normal(size=(1, 4, 3))
    inner = inner - start.masses[:, None] * inner.sum(axis=1, keepdims=True) / start.masses.sum()
    curves = []
    for name, speed in (("rests", 0.0), ("flies", 2e-3)):
        momenta = inner + start.masses[:, None] * speed
        first = replace(start, positions=start.positions[:1], momenta=momenta, weight=start.weight[:1])
        write_initial_conditions(folder / f"{name}_start.h5", first)
        content = {"initial": {"file": str(folder / f"{name}_start.h5")}, "method": "nve", "dt_fs": 0.05}
        content |= {"time_fs": 5, "write_every": 1, "output": str(folder / f"{name}.h5")}
        run(content, model=model, progress=False)
        curve = run_result(model, [folder / f"{name}.h5"], state=0, fwhm_cm=50.0).columns
        curves.append(curve["absorption_km_per_mol_cm"] / curve["absorption_km_per_mol_cm"].sum())
    # The kinetic energy, which the spectrum is divided by, differs.
    np.testing.assert_allclose(curves[1], curves[0], atol=1e-6 * curves[0].max())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--kind", "xray"], "`--kind` must be one of uv, ir, raman, transient, but is 'xray'"),
        (["--kind", "raman"], "must know a polarisability, but does not"),
        (["--kind", "ir", "--initial", "initial.h5"], "`--initial` must be left out for `--kind ir`"),
        (["--kind", "uv", "--run", "run.h5"], "`--run` must be left out for `--kind uv`"),
        (["--kind", "uv", "--state", "2"], "`minimise_state` must be from 0 to 1"),
        (["--kind", "uv", "--window-ev", "5,6"], "must be given together, but `--starts` is missing"),
        (
            ["--kind", "uv", "--window-ev", "6,5", "--starts", "s.h5"],
            "two energies in eV, the lower",
        ),
        (["--kind", "ir", "--window-ev", "5,6", "--starts", "s.h5"], "`--window-ev` must be left out"),
        (["--kind", "uv", "--figure", "x.foo"], "`--figure` must end in .png"),
    ],
)
def test_what_cannot_be_computed_is_one_sentence(files, options, sentence, capsys):
    folder, _, _ = files
    assert _left("spectrum", folder / "model.safetensors", *options) == 2
    assert sentence in capsys.readouterr().err
