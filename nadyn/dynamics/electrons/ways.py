"""Coefficients over one step of the nuclei: the ways to propagate them, by name."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from nadyn.dynamics.electrons.curvature import (
    GapHistory,
    after_a_kink,
    begin_curvature,
    turns_from_curvature,
)
from nadyn.dynamics.electrons.interpolated import apply_propagator, propagator_by_tdc, propagator_by_turns
from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation, orthogonal_overlap
from nadyn.dynamics.electrons.propagation import Propagation, in_sequence
from nadyn.dynamics.electrons.tdc import tdc_from_couplings, tdc_from_overlap
from nadyn.dynamics.nuclei.motion import midpoint
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remember, remembers
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model

Propagate = Literal["local_diabatisation", "state_reordering", "npi", "tdc", "curvature"]

# Under this overlap a step is made in two halves; if that does not help, a state has been lost.
SMALLEST_OVERLAP = 0.7


def begin_propagation(state: State, by: Propagate) -> State:
    """Return the state with what a propagation remembers: curvature needs the gaps of three steps."""
    if by != "curvature":
        return state
    return remember(state, begin_curvature(state))


def after_attempts(before: State, state: State, rows: Int[Tensor, "hop"]) -> State:
    """Return the state with what a propagation has to forget where a hop has changed momenta and force.

    Energies have a kink in time there, which is no curvature.

    Args:
        before: The batch before the attempts.
        state: The batch after them.
        rows: Who has attempted a hop.
    """
    if not remembers(state, GapHistory):
        return state
    stayed = before.active_state[rows] == state.active_state[rows]
    kicked = (before.momenta[rows] != state.momenta[rows]).flatten(1).any(1)
    return after_a_kink(state, rows, rows[stayed & kicked])


def propagate(
    old: State,
    new: State,
    model: Model,
    masses: Float[Tensor, "atom"],
    *,
    dt: float,
    by: Propagate = "local_diabatisation",
) -> Propagation:
    """Return the coefficients after a step.

    local_diabatisation: see `local_diabatisation`, in two halves where the states turned too far.
    npi: T from the overlap by norm-preserving interpolation, constant over the step.
    state_reordering: the same after the new states have been put in the order of the old ones; `follows` says
        how.
    tdc: T = d . v at both ends. curvature: T of neighbours from the curvature of the squares of their gaps; 0
        in the first step.

    Args:
        old: The batch before the step.
        new: The batch after it, with the new surfaces and the old coefficients.
        model: Its model.
        masses: [electron mass].
        dt: Time step [au].
        by: Which way.
    """
    match by:
        case "local_diabatisation":
            return _in_halves_where_needed(old, new, model, masses, dt=dt)
        case "npi":
            return _by_overlap(old, new, dt=dt, reorder=False)
        case "state_reordering":
            return _by_overlap(old, new, dt=dt, reorder=True)
        case "tdc":
            return _by_couplings(old, new, model, masses, dt=dt)
        case "curvature":
            return _by_curvature(old, new, dt=dt)


def _by_overlap(old: State, new: State, *, dt: float, reorder: bool) -> Propagation:
    overlap, smallest = orthogonal_overlap(old.eigenvectors, new.eigenvectors)
    energies, follows = new.energies, None
    if reorder:
        follows = assignment(overlap)
        overlap = overlap.gather(2, follows[:, None, :].expand_as(overlap))
        energies = energies.gather(1, follows)
    signs = signs_of(overlap)
    tdc = tdc_from_overlap(overlap * signs[:, None, :], dt=dt)
    return _with_signs(
        old, propagator_by_tdc(old.energies, energies, tdc, tdc, dt=dt), signs, smallest, follows
    )


def _by_couplings(
    old: State, new: State, model: Model, masses: Float[Tensor, "atom"], *, dt: float
) -> Propagation:
    overlap, smallest = orthogonal_overlap(old.eigenvectors, new.eigenvectors)
    signs = signs_of(overlap)
    before, after = (
        tdc_from_couplings(model, s.positions, s.momenta, masses, s.energies, s.eigenvectors)
        for s in (old, new)
    )
    after = after * signs[:, :, None] * signs[:, None, :]
    propagator = propagator_by_tdc(old.energies, new.energies, before, after, dt=dt)
    return _with_signs(old, propagator, signs, smallest, None)


def _by_curvature(old: State, new: State, *, dt: float) -> Propagation:
    known = recall(old, GapHistory)
    turns, memory = turns_from_curvature(known, old.energies, new.energies, dt=dt)
    propagator = propagator_by_turns(old.energies, new.energies, turns, dt=dt)
    # The energies know no signs of eigenvectors, but coefficients do.
    overlap, smallest = orthogonal_overlap(old.eigenvectors, new.eigenvectors)
    after = known.signs * signs_of(overlap)
    done = _with_signs(old, propagator * known.signs[:, None, :], after, smallest, None)
    return replace(done, memory=replace(memory, signs=after))


def _with_signs(
    old: State, propagator: Tensor, signs: Tensor, smallest: Tensor, follows: Tensor | None
) -> Propagation:
    propagator = propagator * signs[:, :, None]
    coefficients = apply_propagator(propagator, old.coefficients)
    return Propagation(coefficients, propagator, smallest, follows)


def signs_of(overlap: Float[Tensor, "traj state state2"]) -> Float[Tensor, "traj state2"]:
    """Return the signs of the new states that make the diagonal of the overlap positive."""
    return torch.where(overlap.diagonal(dim1=1, dim2=2) < 0, -1.0, 1.0).double()


def assignment(overlap: Float[Tensor, "traj state state2"]) -> Int[Tensor, "traj state"]:
    """Return the new state that each old one has become: the permutation with the largest sum of S_kl^2.

    Source: S. Fernandez-Alberti, A. E. Roitberg, T. Nelson and S. Tretiak, J. Chem. Phys. 137, 014512 (2012).
    """
    squares = overlap * overlap
    n = overlap.shape[1]
    follows = torch.arange(n, device=overlap.device).expand(len(overlap), n).clone()
    # A diagonal above one half in every row leaves no other choice.
    unclear = torch.nonzero((squares.diagonal(dim1=1, dim2=2) <= 0.5).any(1))[:, 0]
    for row in unclear.tolist():
        _, columns = linear_sum_assignment(-squares[row].nan_to_num().cpu().numpy())
        follows[row] = torch.from_numpy(np.asarray(columns, dtype=np.int64)).to(follows.device)
    return follows


def _in_halves_where_needed(
    old: State, new: State, model: Model, masses: Float[Tensor, "atom"], *, dt: float
) -> Propagation:
    whole = local_diabatisation(
        old.coefficients, (old.energies, old.eigenvectors), (new.energies, new.eigenvectors), dt=dt
    )
    rows = torch.nonzero(whole.smallest_overlap < SMALLEST_OVERLAP)[:, 0]
    if not len(rows):
        return whole
    middle = midpoint(
        old.positions[rows], new.positions[rows], old.momenta[rows], new.momenta[rows], masses, dt=dt
    )
    begin, end = ((state.energies[rows], state.eigenvectors[rows]) for state in (old, new))
    halfway, half = energies_and_eigenvectors(model, middle), 0.5 * dt
    first = local_diabatisation(old.coefficients[rows], begin, halfway, dt=half)
    second = local_diabatisation(first.coefficients, halfway, end, dt=half)
    both = in_sequence(first, second)
    return Propagation(
        whole.coefficients.index_copy(0, rows, both.coefficients),
        whole.propagator.index_copy(0, rows, both.propagator),
        whole.smallest_overlap.index_copy(0, rows, both.smallest_overlap),
    )
