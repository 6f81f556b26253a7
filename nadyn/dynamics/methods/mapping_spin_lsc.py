"""Spin mapping, linearised (spin-LSC): mean-field motion of mapping variables on a sphere, in the W picture.

Source: J. E. Runeson and J. O. Richardson, J. Chem. Phys. 151, 044119 (2019), two states; J. Chem. Phys. 152,
084110 (2020), any number of states.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.dynamics.electrons.mean import MeanWeights
from nadyn.dynamics.methods.ehrenfest import mean_field_stepping
from nadyn.dynamics.methods.mapping_start import refuse_latent_basis, starting_basis, to_coefficients
from nadyn.dynamics.methods.mean_field import begin_on_mean
from nadyn.dynamics.methods.method import Method, Stepping
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import Estimator, squared_amplitudes, squared_coefficients
from nadyn.dynamics.state.random_numbers import Stream, normal, uniform
from nadyn.models.model import Model

Sampling = Literal["sphere", "focused"]


@dataclass(frozen=True)
class InitialWeight:
    """N times the estimator of the initial state on the whole sphere, 1 where it is focused."""

    value: Float[Tensor, "traj"]


class SpinLscOptions(Configuration):
    """Options of method spin_lsc: {sampling: sphere}.

    `sphere` draws points on the whole sphere, and a trajectory counts with N times the estimator of its
    initial state, which may be negative; `focused` draws only points at which that estimator is exact.
    """

    sampling: Sampling = "sphere"


def radius(n_states: int) -> float:
    """Return √(N + 1), the sum of all (X^2 + P^2)/2 in the W picture."""
    return math.sqrt(n_states + 1.0)


def zero_point(n_states: int) -> float:
    """Return γ_W / 2 = (√(N + 1) - 1) / N, what is taken off each (X^2 + P^2)/2."""
    return (radius(n_states) - 1.0) / n_states


def begin_spin_lsc(
    state: State, model: Model, masses: Float[Tensor, "atom"], *, seed: int, sampling: Sampling
) -> State:
    """Return a batch that starts: mapping variables drawn in the basis of the start.

    In `State.coefficients` they have length 1, c_n = (X_n + i P_n) / √(2 √(N + 1)).

    sphere: uniform, weight N ((X_i^2 + P_i^2)/2 - γ/2) of the initial state i. focused: (X^2 + P^2)/2 is
    1 + γ/2 for the initial state and γ/2 for the others, with independent uniform angles.
    """
    vectors, chosen = starting_basis(state)
    n_traj, n = chosen.shape[0], vectors.shape[2]
    rows = torch.arange(n_traj, device=chosen.device)
    whole, empty = radius(n), zero_point(n)
    if sampling == "sphere":
        parts = normal(seed, state.trajectory, 0, Stream.MAPPING, (n, 2))
        length = torch.sqrt(ordered_sum(parts * parts))
        real, imag = (part / length[:, None] for part in parts.unbind(2))
        own = real[rows, chosen] * real[rows, chosen] + imag[rows, chosen] * imag[rows, chosen]
        weight = n * (whole * own - empty)
    else:
        angle = 2.0 * math.pi * uniform(seed, state.trajectory, 0, Stream.MAPPING, (n,))
        squares = torch.full_like(angle, empty / whole)
        squares[rows, chosen] = (1.0 + empty) / whole
        real, imag = (torch.sqrt(squares) * elementwise(f, angle) for f in (torch.cos, torch.sin))
        weight = torch.ones_like(angle[:, 0])
    begun = replace(state, coefficients=to_coefficients(real, imag, vectors))
    zero = weight.new_full((n_traj, n), empty)
    begun = remember(begun, MeanWeights(torch.full_like(weight, whole), zero))
    return begin_on_mean(remember(begun, InitialWeight(weight)), model, masses)


def adiabatic_estimate(state: State) -> Float[Tensor, "traj state"]:
    """Return the initial weight times (X_k^2 + P_k^2)/2 - γ/2 of the adiabatic states."""
    return _estimate(state, squared_coefficients(state))


def diabatic_estimate(state: State) -> Float[Tensor, "traj basis"]:
    """Return the initial weight times (X_n^2 + P_n^2)/2 - γ/2 of the diabatic states."""
    return _estimate(state, squared_amplitudes(state))


def _estimate(state: State, squares: Tensor) -> Tensor:
    n = squares.shape[1]
    return (squares * radius(n) - zero_point(n)) * recall(state, InitialWeight).value[:, None]


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    refuse_latent_basis(config.method, model)
    chosen = parse_configuration(config.options or {}, SpinLscOptions, where="`options` of method spin_lsc")

    def begin(state: State, model: Model) -> State:
        return begin_spin_lsc(state, model, masses, seed=config.seed, sampling=chosen.sampling)

    return mean_field_stepping(masses, begin)


SPIN_LSC = Method(
    _build,
    keys=frozenset({"adaptive", "representation"}),
    adiabatic=Estimator("spin-LSC, W picture: weighted (X^2 + P^2 - gamma)/2", adiabatic_estimate),
    diabatic=Estimator(
        "spin-LSC, W picture: weighted (X^2 + P^2 - gamma)/2 of diabatic states", diabatic_estimate
    ),
    moves_coefficients=True,
    needs_two_states=True,
    moves_on="mean of the states",
    needs_fixed_basis=True,
    options=SpinLscOptions,
)
