"""MASH brings two states in a classical bath to their Boltzmann populations."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "mash_thermal.py"
    spec = importlib.util.spec_from_file_location("mash_thermal", path)
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its own module up.
    sys.modules["mash_thermal"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_bath_is_drawn_from_the_boltzmann_distribution_of_the_lower_state():
    thermal = benchmark()
    n, modes = 4000, 7
    case = replace(thermal.CASES["bath"], modes=modes)
    bath = thermal.bath_of_lower_state(case, n, seed=1)
    # Each momentum, and each position across the solvent coordinate, holds kT/2 in its square.
    frequencies = 1.0 / bath.masses
    squares = (bath.momenta[:, :, 0] ** 2 * frequencies / thermal.KT).mean(axis=0)
    assert np.abs(squares - 1).max() < 3 * np.sqrt(2 / n)
    kappa = np.sqrt(0.5 * case.reorganisation * frequencies / modes)
    solvent = bath.positions[:, :, 0] @ kappa
    x, weight, half_gap = thermal.solvent_grid(case)
    density = weight * np.exp((half_gap - half_gap.max()) / thermal.KT)
    mean = (x * density).sum() / density.sum()
    spread = np.sqrt(((x - mean) ** 2 * density).sum() / density.sum())
    assert abs(solvent.mean() - mean) < 3 * spread / np.sqrt(n)
    assert abs(solvent.std() / spread - 1) < 3 / np.sqrt(2 * n)
    across = (bath.positions[:, :, 0] ** 2 * frequencies).sum(1) - solvent**2 / (kappa**2 / frequencies).sum()
    assert abs(across.mean() / thermal.KT / (modes - 1) - 1) < 3 * np.sqrt(2 / (modes - 1) / n)


@pytest.mark.slow
def test_mash_comes_to_the_boltzmann_ratio(tmp_path):
    thermal = benchmark()
    keys, case = thermal.RUNS["MASH"], replace(thermal.CASES["bath"], modes=60)
    _, upper = thermal.relax(keys, case=case, n=300, time_fs=1000.0, seed=2, folder=tmp_path)
    assert upper[0].mean() == 0
    population, error = thermal.late_mean(upper)
    assert abs(population - thermal.exact_upper_population(case)) < 3 * error and error < 0.02
