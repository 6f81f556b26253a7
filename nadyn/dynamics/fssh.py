"""Fewest-switches surface hopping.

Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), with the electronic step by local diabatisation.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.configuration import RunConfiguration
from nadyn.dynamics.decoherence import Damps, energy_based_decoherence
from nadyn.dynamics.electrons import SMALLEST_OVERLAP, propagate
from nadyn.dynamics.hop import Rescale, direction_of_kick, forces_and_couplings, settle_hops
from nadyn.dynamics.hopping import choose_target, hopping_probabilities
from nadyn.dynamics.method import Method, Motion
from nadyn.dynamics.momentum import Frustrated
from nadyn.dynamics.nuclei import kinetic_energy
from nadyn.dynamics.populations import FRACTION_OF_TRAJECTORIES, MIXED
from nadyn.dynamics.random_numbers import Stream, uniform
from nadyn.dynamics.state import State
from nadyn.dynamics.step import Step, conserved_energy, larger_error, no_hops
from nadyn.dynamics.verlet import verlet
from nadyn.models.model import Model


@dataclass(frozen=True)
class Fssh:
    """Choices of a surface hopping run.

    Attributes:
        dt: Time step [au].
        seed: Seed of the hops.
        masses: [electron mass].
        rescale: Direction of the momentum change at a hop, see `hop.direction_of_kick`.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        damps: What decoherence damps, see `decoherence.energy_based_decoherence`; None for no correction.
        energy_parameter: C of the decoherence rate [hartree].
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    rescale: Rescale = "nac"
    frustrated: Frustrated = "keep"
    damps: Damps | None = "populations"
    energy_parameter: float = 0.1


def fssh_step(state: State, model: Model, options: Fssh) -> Step:
    """Advance a batch by one time step.

    Order: velocity Verlet on the active state; overlap and propagation of the coefficients; hopping
    probability from the coefficients as propagated; hop and change of momentum; decoherence towards the new
    active state with the new kinetic energy; new force where a hop was made.

    Args:
        state: The batch.
        model: Any model with two states or more.
        options: Time step, seed and choices.
    """
    masses = options.masses
    nuclei = verlet(state, model, masses=masses, dt=options.dt)
    propagation = propagate(state, nuclei, model, masses, dt=options.dt)
    moved = replace(nuclei, coefficients=propagation.coefficients)
    probabilities = hopping_probabilities(
        state.coefficients, moved.coefficients, propagation.propagator, moved.active_state
    )
    zeta = uniform(options.seed, moved.trajectory, moved.step, Stream.HOP)
    target = choose_target(probabilities, moved.active_state, zeta)
    rows = torch.nonzero(target != moved.active_state)[:, 0]
    hops = no_hops()
    if len(rows):
        target = target[rows]
        force, coupling = forces_and_couplings(moved, model, rows, target)
        direction = direction_of_kick(
            moved, model, masses, rows, target_force=force, coupling=coupling, rescale=options.rescale
        )
        moved, hops = settle_hops(
            moved,
            masses,
            rows,
            target,
            direction=direction,
            target_force=force,
            frustrated=options.frustrated,
            zeta=zeta[rows],
            probability=probabilities[rows].gather(1, target[:, None])[:, 0],
        )
    if options.damps is not None:
        damped = energy_based_decoherence(
            moved.coefficients,
            moved.energies,
            moved.active_state,
            kinetic_energy(moved.momenta, masses),
            dt=options.dt,
            damps=options.damps,
            energy_parameter=options.energy_parameter,
        )
        moved = replace(moved, coefficients=damped)
    total = conserved_energy(moved.energies, moved.active_state, moved.momenta, masses, moved.heat)
    moved = replace(moved, total_energy=total, energy_error_max=larger_error(state, total))
    return Step(moved, hops, propagation.smallest_overlap < SMALLEST_OVERLAP)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    edc = None if config.decoherence == "none" else config.decoherence
    options = Fssh(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        rescale=config.rescale,
        frustrated=config.frustrated,
        damps=None if edc is None else edc.damps,
        energy_parameter=0.1 if edc is None else edc.energy_parameter_hartree,
    )
    return Motion(lambda state, model: fssh_step(state, model, options))


FSSH = Method(
    _build,
    keys=frozenset({"decoherence", "rescale", "frustrated"}),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=MIXED,
    moves_coefficients=True,
    needs_two_states=True,
)
