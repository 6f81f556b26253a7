"""Decoherence by moments: augmented surface hopping, A-FSSH.

Source: A. Jain, E. Alguire and J. E. Subotnik, J. Chem. Theory Comput. 12, 5256 (2016).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.decoherence.correction import Decoherence, Moment
from nadyn.dynamics.electrons.gradients import all_forces
from nadyn.dynamics.electrons.local_diabatisation import orthogonal_overlap
from nadyn.dynamics.electrons.ways import signs_of
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.dynamics.state.energies import potential_energy
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.dynamics.state.random_numbers import Stream
from nadyn.models.model import Model


class AfsshSection(Configuration):
    """Collapse by moments of the wave packets: {name: afssh}."""

    name: Literal["afssh"]

    needs_real_states: ClassVar[bool] = True

    def correction(self) -> Decoherence:
        """Return the correction of this section."""
        return augmented()


@dataclass(frozen=True)
class Moments:
    """Moments of the wave packet of each state about the trajectory, and the forces of all states before."""

    positions: Float[Tensor, "traj state atom x"]
    momenta: Float[Tensor, "traj state atom x"]
    forces: Float[Tensor, "traj state atom x"]


def augmented() -> Decoherence:
    """Return the correction that collapses a state when its wave packet has moved away from the active one.

    dR_n and dP_n, the moments of state n about the trajectory, follow the difference of the forces dF_n = F_n
    - F_a, weighted by |c_n|^2, and turn with the states by S_jk^2 (equations 47 to 51). With

        1/tau_n = dF_n (dR_n - dR_a) / 2 - 2 |T_an (E_a - E_n) v (dR_n - dR_a)| / v^2

    (equation 54) state n collapses in a step with probability dt/tau_n: |c_n|^2 goes to the active state.
    With probability -dt dF_n (dR_n - dR_a) / 2 its moments are set to 0 (equation 19). A hop sets all of them
    to 0.
    """
    return Decoherence(_act, _begin)


def _begin(state: State, model: Model) -> State:
    forces = all_forces(model, state.positions, state.eigenvectors)
    zero = torch.zeros_like(forces)
    return remember(state, Moments(zero, zero.clone(), forces))


def _act(moment: Moment) -> State:
    old, new, dt = moment.old, moment.new, moment.dt
    forces = all_forces(moment.model, new.positions, new.eigenvectors)
    overlap, _ = orthogonal_overlap(old.eigenvectors, new.eigenvectors)
    positions, momenta = _moved(moment, forces, overlap)
    hopped = torch.zeros_like(new.active_state, dtype=torch.bool)
    hopped[moment.hops.row[moment.hops.accepted]] = True
    positions, momenta = (torch.where(hopped[:, None, None, None], 0.0, m) for m in (positions, momenta))
    force_difference = forces - _of_active(forces, new.active_state)
    collapse_rate, reset_rate = _rates(moment, overlap, force_difference, positions)
    n = new.energies.shape[1]
    zeta = moment.draws.several(new.trajectory, new.step, Stream.COLLAPSE, n)
    collapsing = (zeta < dt * collapse_rate) & (collapse_rate > 0)
    clear = collapsing | (zeta < dt * reset_rate)
    positions, momenta = (torch.where(clear[:, :, None, None], 0.0, m) for m in (positions, momenta))
    coefficients = collapse_states(new.coefficients, new.active_state, collapsing)
    return remember(replace(new, coefficients=coefficients), Moments(positions, momenta, forces))


def collapse_states(
    coefficients: Complex[Tensor, "traj state"],
    active_state: Int[Tensor, "traj"],
    collapsing: Bool[Tensor, "traj state"],
) -> Complex[Tensor, "traj state"]:
    """Return coefficients whose collapsing states have given their population to the active one."""
    is_active = torch.nn.functional.one_hot(active_state, coefficients.shape[1]).bool()
    c = torch.view_as_real(coefficients)
    squares = c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1]
    gained = ordered_sum(torch.where(collapsing | is_active, squares, 0.0))
    size = ordered_sum(torch.where(is_active, squares, 0.0))
    filled = size > 0
    scale = torch.sqrt(gained) / torch.sqrt(torch.where(filled, size, 1.0))
    # Rows without a collapse keep their bits.
    scale = torch.where(collapsing.any(1), scale, 1.0)[:, None]
    real = torch.where(is_active, torch.where(filled[:, None], c[..., 0] * scale, scale), c[..., 0])
    imag = torch.where(is_active, c[..., 1] * scale, c[..., 1])
    real, imag = (torch.where(collapsing & ~is_active, 0.0, part) for part in (real, imag))
    real = torch.where(collapsing.any(1)[:, None], real, c[..., 0])
    return torch.complex(real, imag)


def _moved(
    moment: Moment, forces: Float[Tensor, "traj state atom x"], overlap: Float[Tensor, "traj state state2"]
) -> tuple[Tensor, Tensor]:
    """Moments after the step, about the state that was active during it."""
    old, dt = moment.old, moment.dt
    masses, known = moment.masses[:, None], recall(old, Moments)
    before, after = (f - _of_active(f, old.active_state) for f in (known.forces, forces))
    # Forces of the new states as the old states see them.
    turned = _mixed(overlap * overlap, after)
    kick_before = before * squared_coefficients(old)[:, :, None, None]
    weights = _mixed((overlap * overlap), squared_coefficients(moment.new))
    kick_after = turned * weights[:, :, None, None]
    momenta = known.momenta
    positions = known.positions + (momenta + kick_before * (0.5 * dt)) * (dt / masses)
    momenta = momenta + (kick_before + kick_after) * (0.5 * dt)
    back = (overlap * overlap).mT
    return _mixed(back, positions), _mixed(back, momenta)


def _rates(
    moment: Moment,
    overlap: Float[Tensor, "traj state state2"],
    force_difference: Float[Tensor, "traj state atom x"],
    positions: Float[Tensor, "traj state atom x"],
) -> tuple[Float[Tensor, "traj state"], Float[Tensor, "traj state"]]:
    new = moment.new
    apart = positions - _of_active(positions, new.active_state)
    n_traj, n = new.energies.shape
    rate = 0.5 * ordered_sum((force_difference * apart).flatten(0, 1)).reshape(n_traj, n)
    velocity = new.momenta / moment.masses[:, None]
    along = ordered_sum((velocity[:, None] * apart).flatten(0, 1)).reshape(n_traj, n)
    speed = ordered_sum(velocity * velocity)
    # The overlap of a state with itself is positive, whatever the signs of eigenvectors.
    matched = overlap * signs_of(overlap)[:, None, :]
    tdc = 0.5 * (matched - matched.mT) / moment.dt
    coupling = tdc.gather(1, new.active_state[:, None, None].expand(-1, 1, n))[:, 0]
    gap = new.energies - potential_energy(new.energies, new.active_state)[:, None]
    back = 2.0 * (coupling * gap * along).abs() / torch.where(speed > 0, speed, torch.inf)[:, None]
    return rate - back, -rate


def _mixed(weights: Float[Tensor, "traj k l"], values: Tensor) -> Tensor:
    """Sum over l of w_kl x_l, in one order."""
    result = 0.0
    for l in range(weights.shape[2]):
        column = weights[:, :, l].reshape(*weights.shape[:2], *[1] * (values.ndim - 2))
        result = result + column * values[:, l, None]
    return result


def _of_active(values: Float[Tensor, "traj state atom x"], active: Int[Tensor, "traj"]) -> Tensor:
    index = active[:, None, None, None].expand(-1, 1, *values.shape[2:])
    return values.gather(1, index)
