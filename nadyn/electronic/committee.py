"""How far the members of a committee differ in what the nuclei feel: energies, gaps, forces, couplings.

Only surfaces are compared, never W, whose gauge is each member's own. Spreads are standard deviations over
the members; for the three components of a force on an atom there is one number, that of a component.

Close to an intersection the forces of two states turn into each other within a fraction of an eV, so that
members that agree on everything but the place of the seam by a hair would seem to contradict each other. So
forces are compared after states that lie close to one another have been mixed,

    F'_k = Σ_l w(E_l - E_k) F_l / Σ_l w(E_l - E_k)    with w(x) = (1 - (x/0.4 eV)²)³, 0 beyond

by the energies of one member for all of them: at an intersection it is the mean force of both states, which
does not know how they are mixed, and beyond 0.4 eV the force of the state alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.eigen import eigh
from nadyn.electronic.signs import coupling_signs
from nadyn.electronic.surfaces import Surfaces, evaluate_once, in_blocks_of, surfaces
from nadyn.models.calibration import Calibration
from nadyn.models.model import Model
from nadyn.units import HARTREE_PER_EV

MIXING_WIDTH = 0.4 * HARTREE_PER_EV


@runtime_checkable
class HasMembers(Protocol):
    """A model that is one of several which learned the same surfaces.

    Attributes:
        members: All of them, of the same atoms and states.
        member: Number of the one that moves the nuclei.
        calibration: From the spread of the members to their errors; None where it is not known.
    """

    members: tuple[Model, ...]
    member: int
    calibration: Calibration | None


@dataclass(frozen=True)
class Spread:
    """How far members differ, in atomic units; raw or calibrated.

    Attributes:
        energies: Of E_k.
        gaps: Of E_l - E_k for the pairs k < l in lexicographic order.
        forces: Of a component of the mixed force on each atom.
        couplings: Of a component of h_kl on each atom, after one sign a state has been chosen for each
            member.
        coupling_norms: Of |h_kl|.
    """

    energies: Float[Tensor, "traj state"]
    gaps: Float[Tensor, "traj pair"]
    forces: Float[Tensor, "traj state atom"]
    couplings: Float[Tensor, "traj pair atom"]
    coupling_norms: Float[Tensor, "traj pair"]

    @property
    def worst_forces(self) -> Float[Tensor, "traj state"]:
        """That of the atom where members differ most."""
        return self.forces.amax(dim=2)

    @property
    def worst_forces_of_pairs(self) -> Float[Tensor, "traj pair"]:
        """The root of the mean square of both states of each pair."""
        return _of_pairs(self.worst_forces)


@dataclass(frozen=True)
class Judgement:
    """What a committee says of one state each, calibrated where that is possible, in atomic units.

    Attributes:
        energy: Spread of the energies of the states in use, the largest.
        gap: Spread of the distances of the active state to the others in use, the largest.
        force: Spread of a component of the mixed force on the active state, of the worst atom.
    """

    energy: Float[Tensor, "traj"]
    gap: Float[Tensor, "traj"]
    force: Float[Tensor, "traj"]


def spread(committee: HasMembers, positions: Float[Tensor, "traj atom x"]) -> Spread:
    """Return the raw spread of a committee at positions [bohr]; see `calibrated_spread`."""
    return spread_of([surfaces(member, positions) for member in committee.members], committee.member)


def calibrated_spread(committee: HasMembers, positions: Float[Tensor, "traj atom x"]) -> Spread:
    """Return how far from the truth one member is likely to be at positions [bohr]: one standard deviation.

    Raises:
        InputError: The committee is not calibrated.
    """
    if committee.calibration is None:
        raise InputError(
            "a committee must be calibrated on labels that no member saw, but this one is not. Use `spread`, "
            "or train it with frames to hold out."
        )
    return with_scales(spread(committee, positions), committee.calibration)


def with_scales(raw: Spread, calibration: Calibration) -> Spread:
    """Return the calibrated spread of a raw one."""
    worst = raw.worst_forces
    both = raw.worst_forces_of_pairs
    return Spread(
        calibration.scale("energy").of(raw.energies, worst),
        calibration.scale("gap").of(raw.gaps, both),
        calibration.scale("force").of(raw.forces, worst),
        calibration.scale("coupling").of(raw.couplings, both),
        calibration.scale("coupling_norm").of(raw.coupling_norms, both),
    )


def _of_pairs(worst: Float[Tensor, "traj state"]) -> Float[Tensor, "traj pair"]:
    """Return the root of the mean square over the two states of each pair."""
    n = worst.shape[1]
    squares = [
        0.5 * (worst[:, k] * worst[:, k] + worst[:, l] * worst[:, l])
        for k in range(n)
        for l in range(k + 1, n)
    ]
    return torch.sqrt(torch.stack(squares, dim=1)) if squares else worst[:, :0]


def spread_of(members: Sequence[Surfaces], reference: int = 0) -> Spread:
    """Return the raw spread of surfaces at the same positions.

    Args:
        members: One a member.
        reference: Number of the one whose energies say how much states are mixed.
    """
    n = members[0].energies.shape[1]
    pairs = tuple((k, l) for k in range(n) for l in range(k + 1, n))
    energies = [one.energies for one in members]
    weights = mixing_weights(members[reference].energies)
    forces = [mixed(weights, one.forces) for one in members]
    if not pairs:
        nothing = energies[0][:, :0]
        no_atoms = forces[0][:, :0, :, 0]
        return Spread(_deviation(energies), nothing, _per_atom(forces), no_atoms, nothing)
    gaps = [torch.stack([one[:, l] - one[:, k] for k, l in pairs], dim=1) for one in energies]
    h = [torch.stack([one.interstate_coupling[:, k, l] for k, l in pairs], dim=1) for one in members]
    h = [one * coupling_signs(h[reference], one, pairs)[:, :, None, None] for one in h]
    norms = [torch.sqrt((one * one).sum(dim=(2, 3))) for one in h]
    return Spread(_deviation(energies), _deviation(gaps), _per_atom(forces), _per_atom(h), _deviation(norms))


def mixing_weights(energies: Float[Tensor, "traj state"]) -> Float[Tensor, "traj state state"]:
    """Return how much of the force on state l the mixed force on state k holds; rows add to 1."""
    x = (energies[:, None, :] - energies[:, :, None]) / MIXING_WIDTH
    inside = (1.0 - x * x).clamp(min=0.0)
    weights = inside * inside * inside
    total = weights[:, :, 0]
    for l in range(1, weights.shape[2]):
        total = total + weights[:, :, l]
    return weights / total[:, :, None]


def mixed(
    weights: Float[Tensor, "traj state other"], forces: Float[Tensor, "traj other atom x"]
) -> Float[Tensor, "traj state atom x"]:
    """Return the mixed forces."""
    result = weights[:, :, 0, None, None] * forces[:, None, 0]
    for l in range(1, forces.shape[1]):
        result = result + weights[:, :, l, None, None] * forces[:, None, l]
    return result


def judge(
    committee: HasMembers,
    positions: Float[Tensor, "traj atom x"],
    *,
    energies: Float[Tensor, "traj state"],
    force: Float[Tensor, "traj atom x"],
    is_known: Bool[Tensor, "traj"],
    active_state: Int[Tensor, "traj"],
    used: Bool[Tensor, "traj state"],
    populations: Float[Tensor, "traj state"] | None = None,
) -> Judgement:
    """Return how far one member is likely to be wrong, of what matters to a trajectory.

    Energies and gaps are calibrated with the spread of the force on the active state, the only one known
    here, where `with_scales` has that of each state. The others are evaluated with one backward pass each,
    and the member itself only where its force is not known: where a state lies within 0.4 eV of the active
    one. A row depends on itself alone.

    Args:
        committee: Members and their calibration; without one, spreads are raw.
        positions: Nuclear positions [bohr].
        energies: Of the member that moves the nuclei, at these positions [hartree].
        force: Its force on the active state [hartree/bohr].
        is_known: Where it is that.
        active_state: The state that the nuclei move on.
        used: Which states matter.
        populations: Of the states on whose mean the nuclei move; None where they move on one.
    """
    weights = mixing_weights(energies)
    if populations is None:
        weights = weights.gather(1, active_state[:, None, None].expand(-1, 1, energies.shape[1]))[:, 0]
        is_known = is_known & (weights.gather(1, active_state[:, None])[:, 0] == 1.0)
    else:
        weights = _of_mean(populations, weights)
        is_known = torch.zeros_like(is_known)
    missing = torch.nonzero(~is_known)[:, 0]
    if len(missing):
        member = committee.members[committee.member]
        force = force.index_copy(0, missing, _at(member, positions[missing], weights[missing])[1])
    all_energies, forces = [], []
    for number, member in enumerate(committee.members):
        own = number == committee.member
        its_energies, its_force = (energies, force) if own else _at(member, positions, weights)
        all_energies.append(its_energies)
        forces.append(its_force)
    calibration = committee.calibration or Calibration()
    worst = _per_atom(forces).amax(dim=1)
    of_energies = calibration.scale("energy").of(_deviation(all_energies), worst)
    gaps = [one - one.gather(1, active_state[:, None]) for one in all_energies]
    of_gaps = calibration.scale("gap").of(_deviation(gaps), worst)
    others = used & (torch.arange(energies.shape[1], device=energies.device) != active_state[:, None])
    return Judgement(
        torch.where(used, of_energies, 0.0).amax(dim=1),
        torch.where(others, of_gaps, 0.0).amax(dim=1),
        calibration.scale("force").of(worst, worst),
    )


def _of_mean(
    populations: Float[Tensor, "traj state"], weights: Float[Tensor, "traj state other"]
) -> Float[Tensor, "traj other"]:
    """Return the weight of each state in the mean of mixed forces."""
    result = populations[:, 0, None] * weights[:, 0]
    for k in range(1, populations.shape[1]):
        result = result + populations[:, k, None] * weights[:, k]
    return result


def _at(
    model: Model, positions: Float[Tensor, "traj atom x"], weights: Float[Tensor, "traj state"]
) -> tuple[Float[Tensor, "traj state"], Float[Tensor, "traj atom x"]]:
    """Return the energies and Σ_l w_l F_l."""
    n = model.n_states

    def block(positions: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        evaluation, pull_back = evaluate_once(model, positions)
        energies, vectors = eigh(evaluation.hamiltonian.detach())
        # Of Σ_k w_k u_k · W · u_k, the eigenvectors held fixed.
        cotangent = torch.zeros_like(evaluation.hamiltonian.detach())
        for k in range(n):
            u = vectors[:, :, k]
            cotangent = cotangent + weights[:, k, None, None] * (u[:, :, None] * u[:, None, :])
        return energies, -pull_back(cotangent)

    energies, force = in_blocks_of(model, block, positions, weights)
    return energies[:, :n], force


def _deviation(values: Sequence[Tensor]) -> Tensor:
    """Return the standard deviation over members, element by element: the bits know no batch."""
    return torch.sqrt(_variance(values))


def _per_atom(values: Sequence[Float[Tensor, "*batch atom x"]]) -> Float[Tensor, "*batch atom"]:
    variance = _variance(values)
    total = variance[..., 0]
    for axis in range(1, variance.shape[-1]):
        total = total + variance[..., axis]
    return torch.sqrt(total / variance.shape[-1])


def _variance(values: Sequence[Tensor]) -> Tensor:
    mean = values[0]
    for value in values[1:]:
        mean = mean + value
    mean = mean / len(values)
    total = (values[0] - mean) * (values[0] - mean)
    for value in values[1:]:
        total = total + (value - mean) * (value - mean)
    return total / (len(values) - 1)
