"""The first state of a batch, from positions, momenta and an electronic state."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.checks.shapes import check_shape
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import conserved_energy
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.electronic.surfaces import active_surface, check_positions, energies_and_eigenvectors
from nadyn.models.model import Model


def start_in_state(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    momenta: Float[Tensor, "traj atom x"],
    *,
    masses: Float[Tensor, "atom"],
    active_state: int | Int[Tensor, "traj"],
    weight: Float[Tensor, "traj"] | None = None,
    first: int = 0,
) -> State:
    """Return the state of a batch that starts on adiabatic states, their coefficients being 1.

    Args:
        model: Any model.
        positions: [bohr].
        momenta: [au].
        masses: [electron mass].
        active_state: One for all, or one a trajectory; 0 is the lowest.
        weight: Statistical weights; 1 if not given.
        first: Number of the first trajectory, where these are a part of a larger run.

    Raises:
        InputError: Arrays do not fit the model, or the state does not exist.
    """
    _check(model, positions, momenta)
    active = torch.as_tensor(active_state, device=positions.device).expand(len(positions)).clone()
    strange = active[(active < 0) | (active >= model.n_states)]
    if len(strange):
        raise InputError(
            f"`state` must be from 0 to {model.n_states - 1} for model {model.name}, but is "
            f"{int(strange[0])}."
        )
    coefficients = torch.nn.functional.one_hot(active, model.n_states).to(torch.complex128)
    return _state(model, positions, momenta, masses, active, coefficients, weight, first)


def start_in_diabatic_state(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    momenta: Float[Tensor, "traj atom x"],
    *,
    masses: Float[Tensor, "atom"],
    diabatic_state: int,
    seed: int,
    weight: Float[Tensor, "traj"] | None = None,
    first: int = 0,
) -> State:
    """Return the state of a batch that starts in one diabatic state d.

    c = U^T e_d, scaled to norm 1 where surplus basis states carry a part of e_d; the active state is drawn
    with probability |c|^2.

    Raises:
        InputError: The model has no fixed diabatic basis, or the state does not exist.
    """
    _check(model, positions, momenta)
    if not model.fixed_diabatic_basis:
        raise InputError(
            f"`diabatic_state` must be left out for model {model.name}, but is {diabatic_state}: its "
            "diabatic basis has no fixed meaning. Use `state`."
        )
    if not 0 <= diabatic_state < model.n_basis:
        raise InputError(f"`diabatic_state` must be from 0 to {model.n_basis - 1}, but is {diabatic_state}.")
    _, eigenvectors = energies_and_eigenvectors(model, positions)
    row = _row(eigenvectors, diabatic_state)
    zeta = uniform(seed, _numbers(positions, first), 0, Stream.INITIAL_STATE)
    # Rounding may leave the sum of |c|^2 below zeta; the last state is then meant.
    active = choose_target(row * row, torch.full_like(zeta, model.n_states - 1, dtype=torch.int64), zeta)
    state = _state(model, positions, momenta, masses, active, row.to(torch.complex128), weight, first)
    # Signs of eigenvectors are arbitrary: the coefficients must refer to the ones in the state.
    coefficients = _row(state.eigenvectors, diabatic_state).to(torch.complex128)
    return replace(state, coefficients=coefficients)


def in_active_state(state: State) -> State:
    """Return the state with coefficient 1 on the active state and 0 elsewhere.

    For methods that keep the coefficients while the eigenvectors change: any other combination would lose
    its meaning after one step, and with it the diabatic populations.
    """
    chosen = torch.nn.functional.one_hot(state.active_state, state.coefficients.shape[1])
    return replace(state, coefficients=chosen.to(torch.complex128))


def _numbers(positions: Tensor, first: int) -> Int[Tensor, "traj"]:
    return torch.arange(first, first + len(positions), device=positions.device)


def _row(eigenvectors: Tensor, diabatic_state: int) -> Tensor:
    row = eigenvectors[:, diabatic_state]
    return row / torch.sqrt(ordered_sum(row * row))[:, None]


def _check(model: Model, positions: Tensor, momenta: Tensor) -> None:
    check_positions(model, positions)
    check_shape("momenta", tuple(momenta.shape), tuple(positions.shape))


def _state(
    model: Model,
    positions: Tensor,
    momenta: Tensor,
    masses: Tensor,
    active: Int[Tensor, "traj"],
    coefficients: Tensor,
    weight: Tensor | None,
    first: int,
) -> State:
    surface = active_surface(model, positions, active)
    heat = positions.new_zeros(len(positions))
    total = conserved_energy(surface.energies, active, momenta, masses, heat)
    return State(
        step=0,
        trajectory=_numbers(positions, first),
        positions=positions.clone(),
        momenta=momenta.clone(),
        force=surface.force,
        energies=surface.energies,
        eigenvectors=surface.eigenvectors,
        coefficients=coefficients,
        active_state=active,
        weight=torch.ones_like(total) if weight is None else weight.clone(),
        total_energy=total,
        reference_total_energy=total.clone(),
        energy_error_max=torch.zeros_like(total),
        heat=heat,
        surplus_gap=surface.surplus_gap,
        novelty=surface.novelty,
    )
