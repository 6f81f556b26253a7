"""Surface hopping where W has more rows than there are states."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from nadyn.dynamics.decoherence.correction import no_decoherence
from nadyn.dynamics.initial.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.methods.nve import Nve, nve_step
from nadyn.dynamics.run.stopping import Limits, Status, statuses
from nadyn.dynamics.state.surplus import surplus_gap_above_states_in_use
from nadyn.models.analytic.tully import tully
from nadyn.models.model import Coordinates, Evaluation
from nadyn.units import HARTREE_PER_EV

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@dataclass(frozen=True)
class TurningState:
    """Four constant energies; the second eigenvector turns into the third with the coordinate, one to one."""

    name: ClassVar[str] = "turning"
    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 4
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 32
    shortest_distances: ClassVar[None] = None
    masses: ClassVar[torch.Tensor] = torch.tensor([1.0], dtype=torch.float64)
    levels: ClassVar[tuple[float, ...]] = (0.0, 0.01, 0.05, 0.2)

    def evaluate(self, positions):
        x = positions[:, 0, 0]
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        cos, sin = torch.cos(x), torch.sin(x)
        vectors = torch.stack(
            [one, zero, zero, zero, zero, cos, -sin, zero, zero, sin, cos, zero, zero, zero, zero, one],
            dim=-1,
        ).reshape(-1, 4, 4)
        levels = torch.tensor(self.levels, dtype=torch.float64)
        return Evaluation((vectors * levels) @ vectors.mT, zero)


@dataclass(frozen=True)
class FarState(TurningState):
    """The second level lies 1.4 eV above the first."""

    levels: ClassVar[tuple[float, ...]] = (0.0, 0.05, 0.09, 0.2)


def one_step(momenta, *, model=None, active_state=1):
    model = TurningState() if model is None else model
    momenta = torch.tensor(momenta, dtype=torch.float64)[:, None, None]
    state = start_in_state(model, 0 * momenta, momenta, masses=model.masses, active_state=active_state)
    step = fssh_step(state, model, Fssh(dt=1.0, seed=1, masses=model.masses, decoherence=no_decoherence()))
    return step


def test_a_step_is_halved_where_states_turn_too_far_and_given_up_where_that_does_not_help():
    # Angles 0.2 (whole step), 0.9 (cos 0.62, but cos of the half 0.90) and 1.8 (cos of the half 0.62).
    step = one_step([0.2, 0.9, 1.8])
    assert step.intruder.tolist() == [False, False, True]


@pytest.mark.parametrize(("active_state", "is_lost"), [(0, False), (1, True)])
def test_a_lost_state_far_above_the_active_one_stops_nothing(active_state, is_lost):
    step = one_step([0.2, 1.8], model=FarState(), active_state=active_state)
    assert step.intruder.tolist() == [False, is_lost]


def test_a_halved_step_keeps_population_and_phase_where_states_do_not_couple():
    step = one_step([0.2, 0.9])
    signs = torch.sign(step.state.coefficients.real[:, 1])
    expected = torch.exp(torch.tensor(-0.01j, dtype=torch.complex128)).expand(2)
    torch.testing.assert_close(step.state.coefficients[:, 1] * signs, expected, rtol=0, atol=1e-12)
    assert step.state.coefficients[:, 0].abs().max() < 1e-12


def test_halving_steps_of_some_leaves_the_bits_of_all():
    momenta = [0.2, 0.9, 0.3, 1.0, 1.8]
    together = one_step(momenta).state
    for row, momentum in enumerate(momenta):
        alone = one_step([momentum]).state
        assert torch.equal(alone.coefficients[0], together.coefficients[row])
        assert torch.equal(alone.momenta[0], together.momenta[row])


@dataclass(frozen=True)
class CloseSurplus(TurningState):
    """The third level lies 0.014 eV above the second, 0.29 eV above the first."""

    levels: ClassVar[tuple[float, ...]] = (0.0, 0.01, 0.0105, 0.2)


def test_a_surplus_level_near_a_state_not_in_use_stops_nothing():
    model = CloseSurplus()
    at_rest = torch.zeros(3, 1, 1, dtype=torch.float64)
    limits = Limits(max_energy_step=1.0)
    found = {}
    for active in (0, 1):
        state = start_in_state(model, at_rest, at_rest, masses=model.masses, active_state=active)
        step = nve_step(state, model, Nve(dt=1.0, masses=model.masses))
        found[active] = statuses(state, step, model, limits).tolist()
    assert found == {0: [Status.RUNNING] * 3, 1: [Status.INTRUDER_STATE] * 3}
    state = start_in_state(model, at_rest, at_rest, masses=model.masses, active_state=0)
    step = fssh_step(state, model, Fssh(dt=1.0, seed=1, masses=model.masses))
    assert statuses(state, step, model, limits).tolist() == [Status.INTRUDER_STATE] * 3


def test_a_diabatic_start_draws_the_active_state_with_its_population():
    model, n_traj = tully(1), 2000
    positions = torch.full((n_traj, 1, 1), 0.3, dtype=torch.float64)
    state = start_in_diabatic_state(
        model, positions, 0 * positions, masses=model.masses, diabatic_state=1, seed=3
    )
    population = (state.coefficients[0].abs() ** 2).tolist()
    assert sum(population) == pytest.approx(1.0, abs=1e-14) and 0.05 < population[0] < 0.95
    amplitudes = (state.eigenvectors.to(torch.complex128) @ state.coefficients[:, :, None])[:, :, 0]
    torch.testing.assert_close(amplitudes[:, 1], torch.ones(n_traj, dtype=torch.complex128))
    drawn = (state.active_state == 0).double().mean().item()
    assert abs(drawn - population[0]) < 3 * (population[0] * population[1] / n_traj) ** 0.5


def _with_surplus_at(gap_ev, *, active, population_of_upper, separation_ev=5.0):
    """Return a state whose lowest surplus level lies so far above the upper one of two states."""
    model = tully(1)
    zero = torch.zeros(1, 1, 1, dtype=torch.float64)
    state = start_in_state(model, zero, zero, masses=model.masses, active_state=active)
    lower, upper = (1 - population_of_upper) ** 0.5, population_of_upper**0.5
    return replace(
        state,
        energies=torch.tensor([[0.0, separation_ev]], dtype=torch.float64) * HARTREE_PER_EV,
        coefficients=torch.tensor([[lower, upper]], dtype=torch.complex128),
        surplus_gap=torch.tensor([gap_ev], dtype=torch.float64) * HARTREE_PER_EV,
    )


@pytest.mark.parametrize(
    "state, expected_ev",
    [
        # The nuclei are on the upper state.
        (_with_surplus_at(0.05, active=1, population_of_upper=1.0), 0.05),
        # On the lower one, with nothing above.
        (_with_surplus_at(0.05, active=0, population_of_upper=0.0), 5.05),
        # On the lower one, with amplitude above.
        (_with_surplus_at(0.05, active=0, population_of_upper=0.3), 0.05),
        # On the lower one, with the upper one close.
        (_with_surplus_at(0.05, active=0, population_of_upper=0.0, separation_ev=0.8), 0.05),
    ],
)
def test_a_surplus_level_counts_from_the_highest_state_that_is_in_use(state, expected_ev):
    gap = float(surplus_gap_above_states_in_use(state)) / HARTREE_PER_EV
    assert gap == pytest.approx(expected_ev)
