"""From W to what the nuclei feel: adiabatic energies, forces and couplings."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Inexact, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.blocks import in_blocks as in_blocks
from nadyn.electronic.blocks import in_blocks_of as in_blocks_of
from nadyn.electronic.eigen import levels
from nadyn.electronic.operators import between_states, of_states, operator_at
from nadyn.electronic.small_arrays import as_tensor, functions_of, small
from nadyn.models.model import Evaluation, KnowsSlopes, Model


@dataclass(frozen=True)
class Surfaces:
    """Everything about the adiabatic states at a batch of positions, in atomic units.

    Attributes:
        energies: Adiabatic energies E_k [hartree], ascending.
        forces: -∂E_k/∂R [hartree/bohr].
        nac: Non-adiabatic coupling d_kl = ⟨k|∇l⟩ = h_kl / (E_l - E_k) [1/bohr]; antisymmetric, ±inf at zero
            gap.
        interstate_coupling: h_kl = ⟨k|∇W|l⟩ [hartree/bohr]; symmetric, finite everywhere; its diagonal is
            -F_k.
        eigenvectors: Columns are the states in the diabatic basis; signs are arbitrary.
        hamiltonian: Diabatic Hamiltonian W [hartree].
        surplus_gap: Energy from the highest state to the lowest surplus eigenvalue [hartree]; inf without
            one.
        novelty: Fraction of descriptors beyond the training set, see `Evaluation`.
        dipoles: ⟨k|μ|l⟩ [e bohr] with the signs of the couplings, about the origin of the coordinates; None
            where the model knows no dipoles.
        polarisabilities: Of each state [bohr³]; None where the model knows none.
    """

    energies: Float[Tensor, "traj state"]
    forces: Float[Tensor, "traj state atom x"]
    nac: Float[Tensor, "traj state state atom x"]
    interstate_coupling: Float[Tensor, "traj state state atom x"]
    eigenvectors: Float[Tensor, "traj basis state"]
    hamiltonian: Float[Tensor, "traj basis basis"]
    surplus_gap: Float[Tensor, "traj"]
    novelty: Float[Tensor, "traj"]
    dipoles: Float[Tensor, "traj state state 3"] | None = None
    polarisabilities: Float[Tensor, "traj state 3 3"] | None = None


@dataclass(frozen=True)
class ActiveSurface:
    """What one step of the dynamics needs: all energies and eigenvectors, the force of one state each."""

    energies: Float[Tensor, "traj state"]
    eigenvectors: Inexact[Tensor, "traj basis state"]
    force: Float[Tensor, "traj atom x"]
    surplus_gap: Float[Tensor, "traj"]
    novelty: Float[Tensor, "traj"]


def surfaces(model: Model, positions: Float[Tensor, "traj atom x"]) -> Surfaces:
    """Return energies, forces of all states, couplings and eigenvectors.

    h_kl = u_k · ∇W · u_l (Hellmann-Feynman; exact, because the basis of W is fixed), F_k = -h_kk and
    d_kl = h_kl / (E_l - E_k).

    Args:
        model: Any model.
        positions: Nuclear positions [bohr].

    Raises:
        InputError: `positions` does not have the shape (traj, atom, 3), or (traj, atom, 1) for
            generalised coordinates.
    """
    check_positions(model, positions)
    if getattr(model, "anticipate", None) is not None:
        model.anticipate(positions)
    n = model.n_states
    pairs = [(k, l) for k in range(n) for l in range(k, n)]

    def block(positions: Tensor) -> tuple[Tensor, ...]:
        evaluation, pull_back = evaluate_once(model, positions)
        hamiltonian = evaluation.hamiltonian.detach()
        energies, eigenvectors = levels(evaluation)
        h = positions.new_zeros((len(positions), n, n, *positions.shape[1:]))
        for k, l in pairs:
            u, v = eigenvectors[:, :, k], eigenvectors[:, :, l]
            h[:, k, l] = h[:, l, k] = pull_back(_cotangent(u, v), again=(k, l) != pairs[-1])
        return energies, eigenvectors, h, hamiltonian, evaluation.novelty

    energies, eigenvectors, h, hamiltonian, novelty = in_blocks_of(model, block, positions)
    kept = energies[:, :n]
    gap = kept.unsqueeze(-2) - kept.unsqueeze(-1)
    nac = h / gap[..., None, None]
    diagonal = torch.arange(n, device=kept.device)
    nac[:, diagonal, diagonal] = 0.0
    forces = -h[:, diagonal, diagonal]
    states = eigenvectors[:, :, :n]
    known = getattr(model, "operators", ())
    dipoles = polarisabilities = None
    if "dipole" in known:
        dipoles = between_states(operator_at(model, "dipole", positions), states)
    if "polarisability" in known:
        polarisabilities = of_states(operator_at(model, "polarisability", positions), states)
    return Surfaces(
        kept,
        forces,
        nac,
        h,
        states,
        hamiltonian,
        surplus_gap(energies, n, getattr(model, "spin_blocks", ())),
        novelty,
        dipoles,
        polarisabilities,
    )


def active_surface(
    model: Model, positions: Float[Tensor, "traj atom x"], active_state: Int[Tensor, "traj"]
) -> ActiveSurface:
    """Return all energies and eigenvectors, and the force on one state a trajectory, by one backward pass.

    The force is the gradient of the scalar Σ_ab u_a u_b W_ab with the active eigenvector u held fixed.
    """
    if getattr(model, "anticipate", None) is not None:
        model.anticipate(positions, active_state)
    n = model.n_states

    def block(positions: Tensor, active_state: Tensor) -> tuple[Tensor, ...]:
        evaluation, pull_back = evaluate_once(model, positions)
        energies, eigenvectors = levels(evaluation)
        index = active_state[:, None, None].expand(-1, eigenvectors.shape[1], 1)
        active = torch.gather(eigenvectors, 2, index).squeeze(2)
        force = -pull_back(_cotangent(active, active))
        return energies, eigenvectors, force, evaluation.novelty

    energies, eigenvectors, force, novelty = in_blocks_of(model, block, positions, active_state)
    gap = surplus_gap(energies, n, getattr(model, "spin_blocks", ()))
    return ActiveSurface(energies[:, :n], eigenvectors[:, :, :n], force, gap, novelty)


def directional_gradient(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    left: Float[Tensor, "traj basis"],
    right: Float[Tensor, "traj basis"],
) -> Float[Tensor, "traj atom x"]:
    """Return left · ∇W · right [hartree/bohr], with both vectors held fixed.

    With two eigenvectors this is the interstate coupling h_kl, with one twice it is minus the force.
    """

    def block(positions: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor]:
        _, pull_back = evaluate_once(model, positions)
        return (pull_back(_cotangent(left, right)),)

    return in_blocks_of(model, block, positions, left, right)[0]


def energies_and_eigenvectors(
    model: Model, positions: Float[Tensor, "traj atom x"]
) -> tuple[Float[Tensor, "traj state"], Float[Tensor, "traj basis state"]]:
    """Return adiabatic energies [hartree] and eigenvectors without any derivative."""

    def block(positions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return levels(model.evaluate(positions))

    energies, eigenvectors = in_blocks_of(model, block, positions)
    return energies[:, : model.n_states], eigenvectors[:, :, : model.n_states]


def evaluate_once(
    model: Model, positions: Float[Tensor, "traj atom x"]
) -> tuple[Evaluation, Callable[..., Float[Tensor, "traj atom x"]]]:
    """Return W at a block of positions, and ∂(Σ_ab C_ab W_ab)/∂R [hartree/bohr] as a function of C.

    With `again` true, another call of that function may follow.
    """
    known = model.evaluate_once(positions) if _knows_slopes(type(model)) else None
    if known is not None:
        evaluation, slope = known
        return evaluation, lambda cotangent, again=False: slope(cotangent)
    with torch.enable_grad():
        inputs = positions.detach().requires_grad_(True)
        evaluation = model.evaluate(inputs)

    def pull_back(cotangent: Tensor, *, again: bool = False) -> Tensor:
        return torch.autograd.grad(evaluation.hamiltonian, inputs, cotangent, retain_graph=again)[0]

    return evaluation, pull_back


def check_positions(model: Model, positions: Tensor) -> None:
    """Refuse positions that do not fit the model.

    Raises:
        InputError: Wrong number of axes, atoms or components, wrong precision, or no row at all.
    """
    last = 3 if model.coordinates == "cartesian" else 1
    n_atoms = len(model.masses)
    shape = tuple(positions.shape)
    if len(shape) != 3 or shape[1:] != (n_atoms, last) or shape[0] == 0:
        advice = " For a single geometry use positions[None]." if len(shape) == 2 else ""
        raise InputError(
            f"`positions` must have shape (n_traj, {n_atoms}, {last}), but has shape {shape}.{advice}"
        )
    if positions.dtype != torch.float64:
        raise InputError(f"`positions` must be float64, but is {positions.dtype}. Use positions.double().")


@cache
def _knows_slopes(kind: type) -> bool:
    """Tell it of a class: what hands on to another model all that it has not itself is no such model.

    To ask a protocol takes as long as some of the algebra.
    """
    return issubclass(kind, KnowsSlopes)


def _cotangent(left: Tensor, right: Tensor) -> Tensor:
    """Return C with Σ_ab C_ab W_ab = left · W · right, symmetric."""
    a, b = small(left), small(right)
    if left is right and a.shape[1] == 2:
        # Long vectors instead of many short ones.
        lower, upper = a[:, 0], a[:, 1]
        both = lower * upper
        return as_tensor(
            functions_of(a).stack([lower * lower, both, both, upper * upper], 1).reshape(-1, 2, 2)
        )
    outer = a[:, :, None] * b[:, None, :]
    return as_tensor(outer if left is right else 0.5 * (outer + outer.swapaxes(1, 2)))


def surplus_gap(
    energies: Float[Tensor, "traj basis"], n_states: int, spin_blocks: tuple[tuple[int, int], ...] = ()
) -> Float[Tensor, "traj"]:
    """Return the energy from the highest state to the lowest surplus one [hartree]; inf without one.

    Args:
        energies: All levels, the states first.
        n_states: How many of them are states.
        spin_blocks: Rows and states of each spin, see `Evaluation`; the smallest gap of any spin is taken.
    """
    gaps, last, above = [], 0, n_states
    for n_rows, n_own in spin_blocks or ((energies.shape[1], n_states),):
        last += n_own
        if n_rows > n_own:
            gaps.append(energies[:, above] - energies[:, last - 1])
        above += n_rows - n_own
    return torch.stack(gaps).amin(dim=0) if gaps else torch.full_like(energies[:, 0], torch.inf)
