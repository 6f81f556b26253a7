"""Quanta in a chosen mode: its energy is exact, its phase is uniform, and the others stay as they were."""

from pathlib import Path

import numpy as np
import pytest

from nadyn.analysis.plots_initial import bond_lengths, initial_figure, kinetic_energies_ev
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.dynamics.initial.normal_modes import NormalModes
from nadyn.dynamics.initial.wigner import mode_energies, sample_modes
from nadyn.models.analytic import pyrazine
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ELECTRONVOLT_PER_HARTREE
from tests.cli.typed import typed

N = 2000
FREQUENCIES = np.array([0.004, 0.009, 0.016, 0.02])
MODES = NormalModes(np.zeros((4, 1)), np.array([1.0, 2.0, 3.0, 4.0]), FREQUENCIES, np.eye(4)[:, :, None])


def _in_modes(quanta):
    positions, momenta = sample_modes(
        MODES, N, distribution="wigner", temperature_kelvin=0.0, seed=6, quanta=quanta
    )
    root = np.sqrt(MODES.masses)
    return positions[:, :, 0] * root, momenta[:, :, 0] / root


@pytest.mark.parametrize("n", [0, 1, 3])
def test_an_excited_mode_has_its_energy_in_every_trajectory_and_any_phase(n):
    q, p = _in_modes({2: n})
    energy = 0.5 * (p[:, 2] ** 2 + (FREQUENCIES[2] * q[:, 2]) ** 2)
    np.testing.assert_allclose(energy, (n + 0.5) * FREQUENCIES[2], rtol=1e-12)
    phase = np.arctan2(p[:, 2], FREQUENCIES[2] * q[:, 2])
    # Means of cos and sin of one and of two phases vanish, with variance 1/2n.
    for k in (1, 2):
        assert abs(np.cos(k * phase).mean()) < 3 / np.sqrt(2 * N)
        assert abs(np.sin(k * phase).mean()) < 3 / np.sqrt(2 * N)


def test_the_other_modes_have_the_numbers_that_they_have_without():
    q, p = _in_modes({2: 1})
    before = _in_modes(None)
    others = [0, 1, 3]
    np.testing.assert_array_equal(q[:, others], before[0][:, others])
    np.testing.assert_array_equal(p[:, others], before[1][:, others])
    assert not np.array_equal(q[:, 2], before[0][:, 2])


def test_mean_energies_say_the_quanta():
    energies = mode_energies(FREQUENCIES, distribution="wigner", temperature_kelvin=0.0, quanta={1: 2})
    np.testing.assert_allclose(energies, FREQUENCIES * [0.5, 2.5, 0.5, 0.5])


def test_a_run_file_counts_modes_from_one():
    content = {"sample": "wigner", "n": 50, "state": 1, "excited_modes": {2: 3}}
    section = parse_configuration(content, InitialSection, where="initial")
    model = pyrazine(4)
    initial = sample(model, section, seed=1)
    frequencies, masses = model.frequencies.numpy(), model.masses.numpy()
    kinetic = initial.momenta[:, 1, 0] ** 2 / (2 * masses[1])
    potential = 0.5 * masses[1] * (frequencies[1] * initial.positions[:, 1, 0]) ** 2
    np.testing.assert_allclose(kinetic + potential, 3.5 * frequencies[1], rtol=1e-10)
    assert "with quanta 3 in mode 2" in initial.origin
    wrong = section.model_copy(update={"excited_modes": {5: 1}})
    with pytest.raises(InputError, match=r"must name modes from 1 to 4.*but names 5"):
        sample(model, wrong, seed=1)


def test_the_command_excites_and_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.yaml").write_text("{name: pyrazine, variant: 4}", encoding="utf-8")
    command = ("sample", "model.yaml", "--n", 9, "-o", "a.h5", "--excite", "1=2", "--figure")
    code, said = typed(*command, "a.png")
    assert code == 0 and "Drew a.png" in said
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert "as in 6=1, each mode once" in typed(*command, "a.png", "--excite", "1=1", "--overwrite")[1]
    assert "`--figure` must end in" in typed(*command, "a.txt", "--overwrite")[1]


def test_a_picture_of_a_molecule_shows_its_bonds_and_kinetic_energies():
    random = np.random.default_rng(1)
    water = np.array([[0.0, 0.0, 0.0], [1.8, 0.0, 0.0], [-0.45, 1.75, 0.0]])
    initial = InitialConditions(
        positions=water + 0.05 * random.normal(size=(7, 3, 3)),
        momenta=random.normal(size=(7, 3, 3)),
        weight=np.ones(7),
        masses=np.array([29000.0, 1837.0, 1837.0]),
        atomic_numbers=np.array([8, 1, 1]),
        state=1,
        diabatic_state=None,
        origin="made up",
        temperature_kelvin=None,
    )
    lengths = bond_lengths(initial)
    assert list(lengths) == ["O–H"] and lengths["O–H"].shape == (7, 2)
    assert lengths["O–H"].mean() == pytest.approx(0.955, abs=0.05)
    by_hand = sum(0.5 * (initial.momenta[2, atom] ** 2).sum() / initial.masses[atom] for atom in range(3))
    assert kinetic_energies_ev(initial)[2] == pytest.approx(by_hand * ELECTRONVOLT_PER_HARTREE)
    left, right = initial_figure(initial).axes
    assert left.get_xlabel() == "bond length (Å)" and right.get_xlabel() == "kinetic energy (eV)"
