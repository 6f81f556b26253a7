"""The mapping approach to surface hopping for any number of states.

The active state is the one with the largest |c|^2, and populations follow from the coefficients by an
estimator that is the same in every basis.

Source: J. E. Runeson and D. E. Manolopoulos, J. Chem. Phys. 159, 094115 (2023).
"""

import math
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.dynamics.electrons.mean import weighted_gradient
from nadyn.dynamics.methods.mapping_start import starting_basis, to_coefficients
from nadyn.dynamics.methods.mash import on_active_state
from nadyn.dynamics.methods.mash_crossing import mash_drift
from nadyn.dynamics.methods.method import Method, Stepping
from nadyn.dynamics.nuclei.rigid_motion import is_free, without_rigid_motion
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State, select
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.populations import Estimator, squared_amplitudes, squared_coefficients
from nadyn.dynamics.state.random_numbers import Stream, normal, uniform
from nadyn.models.model import Model

Sampling = Literal["cap", "focused"]

# Gaps below this [hartree] are taken as this where couplings d = h / gap are added up.
_SMALLEST_GAP = 1e-12


class MultistateMashOptions(Configuration):
    """Options of method multistate_mash: {sampling: cap}.

    `cap` draws the coefficients uniformly where that of the initial state is the largest; `focused` gives
    them fixed lengths, with which the estimator of each trajectory is exact, and draws their phases.
    """

    sampling: Sampling = "cap"


def alpha(n_states: int) -> float:
    """Return α_N = (N - 1) / (Σ_{k=1}^{N} 1/k - 1), which makes the estimator exact at the start; α_2 = 2."""
    return (n_states - 1) / (sum(1.0 / k for k in range(1, n_states + 1)) - 1.0)


def estimate(squares: Float[Tensor, "traj kind"]) -> Float[Tensor, "traj kind"]:
    """Return Φ_n = 1/N + α_N (|c_n|^2 - 1/N), which may leave the interval from 0 to 1."""
    n = squares.shape[1]
    return 1.0 / n + alpha(n) * (squares - 1.0 / n)


def draw_coefficients(
    chosen: Int[Tensor, "traj"],
    n_states: int,
    *,
    seed: int,
    trajectory: Int[Tensor, "traj"],
    sampling: Sampling,
) -> tuple[Float[Tensor, "traj state"], Float[Tensor, "traj state"]]:
    """Return real and imaginary parts of coefficients of norm 1 whose estimator is 1 for the chosen state.

    cap: uniform on the part of the unit sphere where the chosen |c|^2 is the largest; there the mean of Φ is
    1 for the chosen state and 0 for the others. focused: |c|^2 = 1/N + (N - 1) / (N α_N) for the chosen
    state and (α_N - 1) / (N α_N) for the others, the same for each trajectory.

    Args:
        chosen: The initial state.
        n_states: N.
        seed: Of the run.
        trajectory: Numbers of the trajectories.
        sampling: cap or focused.
    """
    rows = torch.arange(len(chosen), device=chosen.device)
    if sampling == "cap":
        parts = normal(seed, trajectory, 0, Stream.MAPPING, (n_states, 2))
        squares = parts[..., 0] * parts[..., 0] + parts[..., 1] * parts[..., 1]
        # Exchanging two coefficients maps the sphere onto itself, and one cap onto the other.
        largest = squares.argmax(1)
        order = torch.arange(n_states, device=chosen.device).expand(len(rows), -1).clone()
        order[rows, chosen], order[rows, largest] = largest, chosen
        parts = parts.gather(1, order[:, :, None].expand(-1, -1, 2))
        length = torch.sqrt(ordered_sum(squares))[:, None]
        return parts[..., 0] / length, parts[..., 1] / length
    angle = 2.0 * math.pi * uniform(seed, trajectory, 0, Stream.MAPPING, (n_states,))
    small = (alpha(n_states) - 1.0) / (n_states * alpha(n_states))
    squares = torch.full_like(angle, small)
    squares[rows, chosen] = 1.0 - (n_states - 1) * small
    length = torch.sqrt(squares)
    return length * elementwise(torch.cos, angle), length * elementwise(torch.sin, angle)


def begin_multistate_mash(
    state: State, model: Model, masses: Float[Tensor, "atom"], *, seed: int, sampling: Sampling
) -> State:
    """Return a batch that starts: coefficients drawn in the basis of the start, active states theirs."""
    vectors, chosen = starting_basis(state)
    real, imag = draw_coefficients(
        chosen, vectors.shape[2], seed=seed, trajectory=state.trajectory, sampling=sampling
    )
    coefficients = to_coefficients(real, imag, vectors)
    begun = replace(state, coefficients=coefficients)
    begun = replace(begun, active_state=squared_coefficients(begun).argmax(1))
    return on_active_state(begun, model, masses)


def along_boundary(
    state: State,
    model: Model,
    masses: Float[Tensor, "atom"],
    rows: Int[Tensor, "hop"],
    target: Int[Tensor, "hop"],
    force: Float[Tensor, "hop atom x"],
    coupling: Float[Tensor, "hop atom x"],
) -> Float[Tensor, "hop atom x"]:
    """Return `direction_of_boundary` of some rows, for molecules without its rigid motion."""
    chosen = select(state, rows)
    direction = direction_of_boundary(chosen, model, target)
    return without_rigid_motion(direction, chosen.positions, masses) if is_free(model) else direction


def direction_of_boundary(
    state: State, model: Model, target: Int[Tensor, "traj"]
) -> Float[Tensor, "traj atom x"]:
    """Return Re Σ_n (c*_n d_na c_a - c*_n d_nb c_b), along which the forces at the boundary of a and b act.

    With d_nm = h_nm / (E_m - E_n). For two states this is parallel to h. Only the direction has a meaning:
    the sum is scaled so that nothing overflows where energies meet.

    Source: Runeson and Manolopoulos (2023), equation E2.

    Args:
        state: The batch at the moment of the hop; a is its active state.
        model: Its model.
        target: b.
    """
    energies, c = state.energies, torch.view_as_real(state.coefficients.resolve_conj())
    n = energies.shape[1]
    states = torch.arange(n, device=energies.device)
    weights = torch.zeros_like(energies)[:, :, None].repeat(1, 1, n)
    for partner, sign in ((state.active_state, 1.0), (target, -1.0)):
        column = partner[:, None]
        own_energy, own = energies.gather(1, column), c.gather(1, column[:, :, None].expand(-1, -1, 2))
        product = c[..., 0] * own[..., 0] + c[..., 1] * own[..., 1]
        gap = own_energy - energies
        gap = torch.where(gap.abs() < _SMALLEST_GAP, torch.where(gap < 0, -_SMALLEST_GAP, _SMALLEST_GAP), gap)
        value = torch.where(states == column, 0.0, sign * product / gap)
        weights = weights + value[:, :, None] * (states == column)[:, None, :]
    weights = 0.5 * (weights + weights.transpose(1, 2))
    largest = weights.abs().amax((1, 2))
    weights = weights / torch.where(largest > 0, largest, 1.0)[:, None, None]
    return weighted_gradient(model, state.positions, _in_basis(weights, state.eigenvectors))


def adiabatic_estimate(state: State) -> Float[Tensor, "traj state"]:
    """Return Φ of the adiabatic states."""
    return estimate(squared_coefficients(state))


def diabatic_estimate(state: State) -> Float[Tensor, "traj basis"]:
    """Return Φ of the diabatic states."""
    return estimate(squared_amplitudes(state))


def _in_basis(weights: Tensor, eigenvectors: Tensor) -> Tensor:
    """Return U X U^T, summed term by term."""
    n, result = weights.shape[1], torch.zeros_like(eigenvectors[:, :, :1] * eigenvectors[:, None, :, 0])
    for k in range(n):
        for l in range(n):
            pair = eigenvectors[:, :, k, None] * eigenvectors[:, None, :, l]
            result = result + pair * weights[:, k, l, None, None]
    return 0.5 * (result + result.transpose(1, 2))


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    where = "`options` of method multistate_mash"
    chosen = parse_configuration(config.options or {}, MultistateMashOptions, where=where)

    def begin(state: State, model: Model) -> State:
        return begin_multistate_mash(state, model, masses, seed=config.seed, sampling=chosen.sampling)

    drift = partial(mash_drift, masses=masses, direction=along_boundary)
    return Stepping(drift, begin=begin)


MULTISTATE_MASH = Method(
    _build,
    keys=frozenset({"adaptive", "representation"}),
    adiabatic=Estimator("multi-state MASH: 1/N + alpha_N (|c|^2 - 1/N)", adiabatic_estimate),
    diabatic=Estimator("multi-state MASH: 1/N + alpha_N (|amplitude|^2 - 1/N)", diabatic_estimate),
    moves_coefficients=True,
    needs_two_states=True,
    other_names=("ms_mash", "mismash", "unsmash"),
    # Anything else would leave the trajectory on a state that no longer leads.
    only={"frustrated": "reverse"},
    options=MultistateMashOptions,
)
