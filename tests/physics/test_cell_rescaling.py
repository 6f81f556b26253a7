"""The barostat against exact distributions of volume and shape, and its conserved quantity."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nadyn.dynamics.baths.cell_rescaling import cell_rescaling, stretch
from nadyn.dynamics.baths.langevin import langevin
from nadyn.dynamics.baths.velocity_rescaling import velocity_rescaling
from nadyn.dynamics.methods.npt import Npt, npt_step
from nadyn.dynamics.nuclei.box import Box, volume
from nadyn.dynamics.state.batch import select
from nadyn.dynamics.state.memory import recall

sys.path.append(str(Path(__file__).parents[1] / "dynamics"))
from gas_in_a_box import KT, GasInABox, gas_at_rest

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

CELL = torch.tensor([[9.0, 0.4, -0.3], [0.0, 10.0, 0.6], [0.5, 0.0, 11.0]], dtype=torch.float64)
V0 = float(volume(CELL[None])[0])


def sampled(model, *, pressure, motion, thermostat, n_traj, n_steps, dt=20.0, relaxation=400.0, seed=3):
    """Return the cells of all trajectories after each step of the last two thirds."""
    masses = model.masses
    compressibility = V0 / (model.n_atoms * KT) if not model.first else 1.0 / model.first
    if thermostat == "langevin":
        bath = langevin(dt=dt, seed=seed, masses=masses, temperature=KT, friction=0.005)
    else:
        bath = velocity_rescaling(
            dt=dt, seed=seed, masses=masses, temperature=KT, relaxation=200.0, laws=model.laws
        )
    baro = cell_rescaling(
        dt=dt, seed=seed, masses=masses, temperature=KT, pressure=pressure, relaxation=relaxation,
        compressibility=compressibility, motion=motion,
    )  # fmt: skip
    options = Npt(dt, masses, bath, baro)
    state, cells = bath.begin(gas_at_rest(model, n_traj)), []
    for step in range(n_steps):
        state = npt_step(state, model, options).state
        if step >= n_steps // 3:
            cells.append(recall(state, Box).cell)
    return torch.stack(cells), state


def mean_and_error(values):
    """Return the mean of numbers (step, traj) and its error: trajectories are independent, steps are not."""
    means = values.mean(0)
    return float(means.mean()), float(means.std() / len(means) ** 0.5)


def test_strains_of_the_full_cell_are_symmetric_noise_of_the_width_in_the_docs():
    """At P₀ 1 = Π noise alone is left: shears have half of the variance of lengths, and nothing turns."""
    model, n_traj, dt, rate, pressure = GasInABox(2, CELL), 4000, 20.0, 0.3, 1e-4
    baro = cell_rescaling(
        dt=dt, seed=3, masses=model.masses, temperature=KT, pressure=pressure, relaxation=1.0 / rate,
        compressibility=1.0, motion="full",
    )  # fmt: skip
    state = gas_at_rest(model, n_traj)
    stress = -pressure * torch.eye(3, dtype=torch.float64).expand(n_traj, 3, 3)
    strain = baro.strain(state, Box(CELL.expand(n_traj, 3, 3), stress), torch.zeros_like(state.momenta))
    assert torch.equal(strain, strain.mT)
    width = 2.0 * KT * rate * dt / (3.0 * V0)
    for x in range(3):
        for y in range(x, 3):
            expected = width if x == y else 0.5 * width
            # The variance of n normal numbers has an error of √(2/n) of itself.
            assert abs(float(strain[:, x, y].var()) / expected - 1.0) < 3.0 * (2.0 / n_traj) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("motion", ["isotropic", "full"])
def test_the_volume_of_an_ideal_gas_has_its_exact_mean_and_variance(motion):
    """P V/kT has the distribution of Gamma(N + 1): mean and variance are N + 1."""
    n_atoms = 19
    pressure = (n_atoms + 1) * KT / V0
    cells, state = sampled(
        GasInABox(n_atoms, CELL), pressure=pressure, motion=motion, thermostat="langevin", n_traj=64,
        n_steps=240,
    )  # fmt: skip
    assert torch.isfinite(state.momenta).all()
    scaled = torch.linalg.det(cells).abs() * pressure / KT
    for values in (scaled, (scaled - n_atoms - 1) ** 2):
        mean, error = mean_and_error(values)
        assert abs(mean - (n_atoms + 1)) < 3 * error, (mean, error)
        assert error < 0.15 * (n_atoms + 1)


@pytest.mark.slow
def test_without_a_net_momentum_the_gas_has_one_particle_less():
    """Its volume is that of Gamma(N)."""
    n_atoms = 6
    model = GasInABox(n_atoms, CELL)
    pressure = n_atoms * KT / V0
    masses = model.masses
    bath = velocity_rescaling(
        dt=20.0, seed=1, masses=masses, temperature=KT, relaxation=200.0, laws=model.laws
    )
    baro = cell_rescaling(
        dt=20.0, seed=1, masses=masses, temperature=KT, pressure=pressure, relaxation=1500.0,
        compressibility=V0 / (n_atoms * KT),
    )  # fmt: skip
    state = gas_at_rest(model, 192)
    momenta = state.momenta - masses[:, None] * (state.momenta.sum(1, keepdim=True) / masses.sum())
    state = bath.begin(type(state)(**{**vars(state), "momenta": momenta}))
    found = []
    for step in range(400):
        state = npt_step(state, model, Npt(20.0, masses, bath, baro)).state
        if step >= 100:
            found.append(volume(recall(state, Box).cell) * pressure / KT)
    assert float(state.momenta.sum(1).abs().max()) < 1e-9
    mean, error = mean_and_error(torch.stack(found))
    assert abs(mean - n_atoms) < 3 * error, (mean, error)


def test_a_stiff_cell_has_the_volume_and_the_shape_of_boltzmann():
    """Small strains of a stiff cell are normal: <η_xy²> = kT/4µV, <(tr η)²> = kT/(λ + 2µ/3)V."""
    model = GasInABox(3, CELL, first=0.12, second=0.05)
    cells, _ = sampled(
        model, pressure=0.0, motion="full", thermostat="langevin", n_traj=64, n_steps=180, dt=20.0
    )
    change = torch.linalg.solve(CELL, cells)
    eta = 0.5 * (change @ change.mT - torch.eye(3, dtype=torch.float64))
    shear = 0.5 * KT / (2.0 * model.second * V0)
    for x, y in ((0, 1), (1, 2), (0, 2)):
        mean, error = mean_and_error(eta[..., x, y] ** 2 / shear)
        assert abs(mean - 1.0) < 3 * error + 0.02, (mean, error)
    trace = eta.diagonal(dim1=-2, dim2=-1).sum(-1)
    expected = KT / ((model.first + 2.0 * model.second / 3.0) * V0)
    mean, error = mean_and_error((trace - trace.mean()) ** 2 / expected)
    assert abs(mean - 1.0) < 3 * error + 0.05, (mean, error)


@pytest.mark.parametrize("motion", [pytest.param("isotropic", marks=pytest.mark.slow), "full"])
def test_the_conserved_quantity_is_kept_the_better_the_shorter_the_steps(motion):
    model, errors = GasInABox(3, CELL, first=0.05, second=0.02), []
    for dt in (20.0, 10.0):
        _, state = sampled(
            model, pressure=1e-4, motion=motion, thermostat="velocity_rescaling", n_traj=40,
            n_steps=round(1200 / dt), dt=dt, relaxation=2000.0,
        )  # fmt: skip
        assert float(state.heat.abs().median()) > 0.3 * KT
        errors.append(float(state.energy_error_max.median()))
    assert errors[1] < 1e-3 * KT
    # Strains go with the square root of the step: the error of their work is of first order.
    assert errors[0] / errors[1] > 1.5


def test_a_trajectory_does_not_depend_on_its_batch():
    model = replace(GasInABox(3, CELL, first=0.05, second=0.02), block_width=1)
    masses = model.masses
    bath = velocity_rescaling(
        dt=20.0, seed=1, masses=masses, temperature=KT, relaxation=200.0, laws=model.laws
    )
    baro = cell_rescaling(
        dt=20.0, seed=1, masses=masses, temperature=KT, pressure=1e-4, relaxation=400.0,
        compressibility=20.0, motion="full",
    )  # fmt: skip
    together = bath.begin(gas_at_rest(model, 7))
    alone = select(together, torch.tensor([4]))
    for _ in range(5):
        together, alone = (
            npt_step(one, model, Npt(20.0, masses, bath, baro)).state for one in (together, alone)
        )
    for name in ("positions", "momenta", "heat"):
        assert torch.equal(getattr(together, name)[4], getattr(alone, name)[0])
    assert torch.equal(recall(together, Box).cell[4], recall(alone, Box).cell[0])


def test_the_series_of_the_exponential_is_that_of_the_matrix():
    generator = torch.Generator().manual_seed(1)
    strain = 0.1 * torch.rand(4, 3, 3, generator=generator, dtype=torch.float64)
    np.testing.assert_allclose(stretch(strain), torch.linalg.matrix_exp(strain), atol=1e-15)
