"""Reports and spectra of light along a run: the model of the run is found again and asked."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained
from scipy.integrate import trapezoid
from typer.testing import CliRunner

from nadyn.analysis.joined import open_runs_as_one
from nadyn.checks.errors import InputError
from nadyn.cli.light_of_run import light_of_run
from nadyn.cli.main import build_app, main
from nadyn.dynamics.run.loop import run
from nadyn.dynamics.spectra.levels import levels_and_dipoles
from nadyn.dynamics.spins.hamiltonian import spin_hamiltonian
from nadyn.electronic.properties import dipoles
from nadyn.models.analytic import sulfur_dioxide
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.model_file import save_model

NUMBERS = (7, 1, 1, 9)


def command(*words):
    name = words[0]
    return CliRunner().invoke(build_app([name]), [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def excited(tmp_path_factory):
    """Ten molecules of SO2 with triplets, 3 fs, by a run file beside its model."""
    folder = tmp_path_factory.mktemp("excited")
    config = {
        "model": {"name": "sulfur_dioxide", "variant": "triplets"},
        "method": "fssh",
        "initial": {"sample": "wigner", "n": 10, "diabatic_state": 1},
        "dt_fs": 0.5,
        "time_fs": 3.0,
        "seed": 2,
        "output": str(folder / "run.h5"),
    }
    run(config)
    return folder


def test_energies_of_the_model_found_again_are_those_of_the_run(excited):
    found = light_of_run(open_runs_as_one([excited / "run.h5"]), excited / "run.h5")
    held = open_runs_as_one([excited / "run.h5"])
    np.testing.assert_allclose(found.energies, held.energies[found.frames], atol=1e-10)
    gaps = 27.211386 * (held.energies[0] - held.energies[0][:, :1])
    excited_ev = np.take_along_axis(gaps, np.array(held.active_state[0])[:, None].astype(int), axis=1)
    assert found.absorption.window_ev == pytest.approx((excited_ev.min(), excited_ev.max()))


def test_dipoles_of_spin_adiabatic_states_keep_their_sum(excited):
    """Σ |⟨k|μ|l⟩|² is the same in every basis, also in one of complex states."""
    plain = sulfur_dioxide("triplets")
    # That of SO2 is real in this basis; a complex one tells bras from kets.
    mixing = 1e-3 * np.random.default_rng(2).normal(size=(2, *plain.spin_orbit.shape))
    coupling = torch.from_numpy(mixing[0] + mixing[0].T + 1j * (mixing[1] - mixing[1].T))
    model = replace(plain, spin_orbit=coupling)
    positions = np.random.default_rng(1).normal(size=(5, len(model.masses), 1))
    found = levels_and_dipoles(model, positions, n_states=sum(model.multiplicities))
    expected = float((model.dipoles.abs() ** 2).sum())
    np.testing.assert_allclose(found.squares.sum(axis=(1, 2)), expected, rtol=1e-12)
    for number, position in enumerate(torch.from_numpy(positions)):
        w = model.evaluate(position[None]).hamiltonian
        energies, states = np.linalg.eigh(spin_hamiltonian(model).of(w)[0].numpy())
        moments = np.einsum("ak,abx,bl->klx", states.conj(), model.dipoles.numpy(), states)
        np.testing.assert_allclose(found.energies[number], energies, atol=1e-12)
        np.testing.assert_allclose(found.squares[number], (np.abs(moments) ** 2).sum(axis=-1), atol=1e-8)
        own = np.einsum("kkx->kx", moments).real
        np.testing.assert_allclose(found.dipoles[number], own, atol=1e-8)
    without = levels_and_dipoles(model, positions, n_states=model.n_states)
    assert without.energies.shape[1] < found.energies.shape[1]


def test_the_report_shows_light_and_its_numbers(excited):
    done = command("report", excited / "run.h5", "--output", excited / "page.html", "--overwrite")
    assert done.exit_code == 0
    text = (excited / "page.html").read_text()
    for name in ("absorption", "transient", "dipole"):
        assert f'<figure id="{name}">' in text and f'id="csv-{name}"' in text


def test_the_spectrum_command_writes_what_the_report_shows(excited):
    model = excited / "model.yaml"
    model.write_text("name: sulfur_dioxide\nvariant: triplets\n")
    files = ["--csv", excited / "t.csv", "--json", excited / "t.json", "--figure", excited / "t.svg"]
    done = command("spectrum", model, "--kind", "transient", "--run", excited / "run.h5", *files)
    assert done.exit_code == 0
    with (excited / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    plain = json.loads((excited / "t.json").read_text())
    total = np.array(plain["difference_angstrom2"], dtype=float)
    assert len(rows) == total.size
    np.testing.assert_allclose(
        [float(row["difference_angstrom2"]) for row in rows], total.ravel(), rtol=1e-6, atol=1e-30
    )
    np.testing.assert_allclose(
        sum(np.array(part, float) for part in plain["parts_angstrom2"].values()), total, atol=1e-14
    )


def test_the_absorption_of_a_larger_ensemble_can_be_given_with_its_window(excited):
    model = excited / "model.yaml"
    model.write_text("name: sulfur_dioxide\nvariant: triplets\n")
    options = ["--window-ev", "4.0,4.6", "--starts", excited / "starts.h5", "--json", excited / "uv.json"]
    assert command("spectrum", model, "--kind", "uv", "--n", 40, *options, "--overwrite").exit_code == 0
    page = excited / "given.html"
    options = ["--absorption", excited / "uv.json", "--output", page, "--overwrite"]
    assert command("report", excited / "run.h5", *options).exit_code == 0
    text = page.read_text()
    assert "Nuclear ensemble of 40 geometries" in text and "4.00 to 4.60 eV" in text
    assert "--absorption" in text
    with pytest.raises(InputError, match=r"`--absorption` '.*nowhere.json' must exist, but does not"):
        command(
            "report",
            excited / "run.h5",
            "--absorption",
            excited / "nowhere.json",
            "--output",
            excited / "x.html",
        )
    (excited / "none.json").write_text('{"kind": "ir"}')
    with pytest.raises(InputError, match=r"`--absorption` must be JSON that nadyn spectrum --kind uv wrote"):
        command(
            "report",
            excited / "run.h5",
            "--absorption",
            excited / "none.json",
            "--output",
            excited / "x.html",
        )


def test_a_model_that_was_changed_shows_no_light(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = untrained("moments", "2x0e", heads=(DipoleSettings(0),), atomic_numbers=NUMBERS)
    save_model(model, tmp_path / "model.safetensors")
    geometry = np.array([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
    atoms = "".join(
        f"{name} {x} {y} {z}\n" for name, (x, y, z) in zip("NHHF", geometry * 0.529177, strict=True)
    )
    (tmp_path / "start.xyz").write_text(f"4\n\n{atoms}")
    run(
        {
            "model": "model.safetensors",
            "method": "fssh",
            "initial": {"structure": "start.xyz", "n": 2, "temperature_kelvin": 10.0, "state": 1},
            "stop": {"novelty": 1.0},
            "dt_fs": 0.1,
            "time_fs": 0.2,
            "output": "run.h5",
        }
    )
    path = tmp_path / "run.h5"
    found = light_of_run(open_runs_as_one([path]), path)
    np.testing.assert_allclose(found.energies, open_runs_as_one([path]).energies[found.frames], atol=1e-9)
    other = untrained("moments", "2x0e", heads=(DipoleSettings(0),), atomic_numbers=NUMBERS, seed=8)
    save_model(other, tmp_path / "model.safetensors")
    assert light_of_run(open_runs_as_one([path]), path) is None
    (tmp_path / "model.safetensors").unlink()
    assert light_of_run(open_runs_as_one([path]), path) is None


def test_the_dipole_of_an_ion_does_not_depend_on_where_it_is():
    model = untrained("moments", "2x0e", heads=(DipoleSettings(1),), atomic_numbers=NUMBERS).double()
    positions = np.array([[[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]]])
    here, there = (levels_and_dipoles(model, positions + shift, n_states=2) for shift in (0.0, 5.0))
    np.testing.assert_allclose(here.dipoles, there.dipoles, atol=1e-10)
    moved = dipoles(model, torch.from_numpy(positions + 5.0), origin="coordinates")
    assert float((moved[0, 0, 0] - torch.from_numpy(here.dipoles[0, 0])).abs().max()) > 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kind", "transient"], "`--run` must name the run for `--kind transient`"),
        (["--kind", "uv", "--run", "run.h5"], "it belongs to ir and transient"),
    ],
)
def test_what_does_not_fit_is_one_sentence(excited, words, said, capsys):
    model = excited / "model.yaml"
    model.write_text("name: sulfur_dioxide\nvariant: singlets\n")
    words = [str(excited / word) if word.endswith(".h5") else word for word in words]
    with pytest.raises(SystemExit):
        main(["spectrum", str(model), *words])
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_run_that_stays_on_the_lowest_state_has_no_transient_signal(tmp_path, capsys):
    keys = {"model": {"name": "sulfur_dioxide", "variant": "singlets"}, "method": "nve", "dt_fs": 0.5}
    output = str(tmp_path / "run.h5")
    run(keys | {"initial": {"sample": "wigner", "n": 2}, "time_fs": 1.0, "output": output})
    model = tmp_path / "model.yaml"
    model.write_text("name: sulfur_dioxide\nvariant: singlets\n")
    with pytest.raises(SystemExit):
        main(["spectrum", str(model), "--kind", "transient", "--run", output])
    assert "must be above the lowest state at some time" in " ".join(capsys.readouterr().err.split())


def test_several_runs_have_one_transient_signal(excited, tmp_path):
    paths = []
    for seed in (5, 6):
        paths.append(tmp_path / f"{seed}.h5")
        keys = {"model": {"name": "sulfur_dioxide", "variant": "triplets"}, "method": "fssh", "dt_fs": 0.5}
        start = {"sample": "wigner", "n": 3, "diabatic_state": 1}
        run(keys | {"initial": start, "time_fs": 1.0, "seed": seed, "output": str(paths[-1])})
    model = tmp_path / "model.yaml"
    model.write_text("name: sulfur_dioxide\nvariant: triplets\n")
    found = []
    for some in (paths[:1], paths[1:], paths):
        words = [word for path in some for word in ("--run", path)]
        assert (
            command("spectrum", model, "--kind", "transient", *words, "--json", tmp_path / "o.json").exit_code
            == 0
        )
        plain = json.loads((tmp_path / "o.json").read_text())
        total = np.array(plain["difference_angstrom2"][0], dtype=float)
        found.append(trapezoid(total, plain["photon_energies_ev"]))
    # At the start, of three and three: the mean of both.
    assert found[2] == pytest.approx(0.5 * (found[0] + found[1]), rel=0.02)
