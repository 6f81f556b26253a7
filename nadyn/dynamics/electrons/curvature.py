"""Coupling of neighbours in energy from their gap in time: between straight lines its square is a parabola.

With two diabatic lines that part at the rate s and a constant coupling V, g^2 = s^2 t^2 + 4 V^2. The gap
itself has a cusp where V = 0, and three values of it beside a cusp look like a smooth minimum; its square has
none.

Source: K. K. Baeck and H. An, J. Chem. Phys. 146, 064107 (2017); in time: M. T. do Casal, J. M. Toldo,
M. Pinheiro Jr and M. Barbatti, Open Res. Europe 1, 49 (2021), equations 5 and 8.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.interpolated import SUBSTEPS
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise
from nadyn.dynamics.state.memory import recall, remember


@dataclass(frozen=True)
class GapHistory:
    """Energies one step ago, s^2 of each pair of neighbours, the angle by which it has turned since the
    minimum of its gap, the steps since the energies had a kink in time, -1 where the motion turned round in
    it, and the signs with which the eigenvectors have gone on without a jump since the start."""

    energies_before: Float[Tensor, "traj state"]
    squared_rate: Float[Tensor, "traj pair"]
    angle: Float[Tensor, "traj pair"]
    smooth_steps: Int[Tensor, "traj"]
    signs: Float[Tensor, "traj state"]


@dataclass(frozen=True)
class Parabola:
    """g^2 = m + s^2 (t - t_min)^2 through three values, at its second one.

    Attributes:
        squared_rate: s^2, positive where the three values have a minimum.
        smallest: m [hartree^2]; may be below zero where the lines are not straight.
    """

    squared_rate: Tensor
    smallest: Tensor


def parabola(before: Tensor, at: Tensor, after: Tensor, *, since: Tensor, until: Tensor) -> Parabola:
    """Return the parabola through the squares of three gaps; s^2 is 1 where they have no minimum.

    Args:
        before: Gap at the first time [hartree].
        at: At the second.
        after: At the third.
        since: From the first time to the second [au].
        until: From the second to the third.
    """
    middle = at * at
    rise, fall = (after * after - middle) / until, (middle - before * before) / since
    found = rise > fall
    squared_rate = torch.where(found, (rise - fall) / (since + until), 1.0)
    slope = (rise * since + fall * until) / (since + until)
    return Parabola(squared_rate, middle - 0.25 * slope * slope / squared_rate)


def begin_curvature(state: State) -> GapHistory:
    """Return what is remembered of a batch that starts: no coupling in its first step."""
    pairs = torch.zeros_like(state.energies[:, 1:])
    return GapHistory(
        state.energies,
        pairs,
        pairs.clone(),
        torch.zeros_like(state.active_state),
        torch.ones_like(state.energies),
    )


def turns_from_curvature(
    known: GapHistory,
    energies: Float[Tensor, "traj state"],
    new_energies: Float[Tensor, "traj state"],
    *,
    dt: float,
) -> tuple[Float[Tensor, "traj substep pair"], GapHistory]:
    """Return the angles by which neighbours turn in each sub-step, and what the next step is to remember.

    T_kl = sqrt(g''/g) / 2 of the parabola through the squares of the last three gaps of neighbours k and l,
    which is the rate of the angle arctan(s (t - t_min) / sqrt m) / 2. Its integral is the difference of this
    angle between two times, so that a crossing narrower than the step turns the states by as much as it
    should, and when: by a right angle where nothing couples them. One that lies at the very end of a step is
    counted once, in this step or in the next. Where energies had a kink one step ago s^2 stays as it was.
    States that are no neighbours have no T: a crossing of either with a third one gives their gap a kink. The
    sign of T is not known from energies; T_kl > 0 for k < l is taken everywhere, for states whose signs go on
    from step to step.

    Args:
        known: What the last step has remembered.
        energies: Before the step [hartree].
        new_energies: Energies after it [hartree].
        dt: Time step [au].
    """
    history = (new_energies, energies, known.energies_before)
    newest, last, before = ((e[:, 1:] - e[:, :-1]) ** 2 for e in history)
    steps = known.smooth_steps + 1
    rate = torch.where(
        (steps > 1)[:, None],
        (newest - 2.0 * last + before) / (2.0 * dt * dt),
        known.squared_rate,
    )
    convex = rate > 0
    s = torch.sqrt(torch.where(convex, rate, 1.0))
    # s (t - t_min) at the end of the step.
    distance = 0.5 * ((newest - last) / dt + rate * dt) / s
    width = torch.sqrt(torch.clamp(newest - distance * distance, min=0.0))
    left = torch.arange(SUBSTEPS, -1, -1, dtype=torch.float64, device=s.device) * (dt / SUBSTEPS)
    angles = _angle(distance[:, None] - s[:, None] * left[:, None], width[:, None].expand(-1, len(left), -1))
    remembered = known.angle
    # Who turns round behind a minimum is before it again, as far away as the energies say on which side.
    back = (known.smooth_steps < 0)[:, None] & (remembered * angles[:, 0] < 0)
    remembered = torch.where(back, -remembered, remembered)
    # Narrow crossings go on from where the last step ended: its parabola may put them a little elsewhere.
    near = (distance - s * dt).abs() < 1.5 * s * dt
    narrow = (width < s * dt) & (remembered != 0) & near
    disputed = narrow | (remembered * angles[:, 0] < 0)
    start = torch.where(disputed, remembered, angles[:, 0])[:, None]
    path = torch.cat(
        [start, torch.maximum(angles[:, 1:], torch.where(disputed[:, None], start, -torch.pi))], 1
    )
    turns = torch.where(convex[:, None], path[:, 1:] - path[:, :-1], 0.0)
    angle = torch.where(convex, angles[:, -1], 0.0)
    return turns, GapHistory(energies, rate, angle, steps.clamp(min=1), known.signs)


def after_a_kink(state: State, rows: Int[Tensor, "hop"], turned: Int[Tensor, "turn"]) -> State:
    """Return the state with what has to be forgotten where momenta and force have changed at once.

    Args:
        state: The batch.
        rows: Who has a kink in its energies.
        turned: Who of them has turned round on the same state.
    """
    known = recall(state, GapHistory)
    steps = known.smooth_steps.index_fill(0, rows, 0).index_fill(0, turned, -1)
    return remember(state, replace(known, smooth_steps=steps))


def _angle(opposite: Tensor, adjacent: Tensor) -> Tensor:
    """Return half the angle of a right-angled triangle, with the sign of its first side."""
    flat = adjacent == 0
    ratio = opposite / torch.where(flat, 1.0, adjacent)
    right = 0.5 * torch.pi * torch.sign(opposite)
    return 0.5 * torch.where(flat, right, elementwise(torch.atan, ratio))
