"""Fewest-switches surface hopping.

Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), with the electronic step by local diabatisation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.decoherence.correction import Decoherence, Moment
from nadyn.dynamics.decoherence.energy_based import edc
from nadyn.dynamics.decoherence.table import decoherence_of
from nadyn.dynamics.electrons.ways import SMALLEST_OVERLAP, Propagate, after_attempts, begin_propagation
from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.probabilities import hopping_probabilities
from nadyn.dynamics.hops.representation import SPIN_FREE, Representation
from nadyn.dynamics.hops.settle import Rescale, direction_of_kick, settle_hops
from nadyn.dynamics.methods.adaptive import divided_where_asked
from nadyn.dynamics.methods.method import Method, Motion
from nadyn.dynamics.methods.representation_of import representation_of
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import conserved_energy, larger_error
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, MIXED
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.dynamics.state.step import Step, no_hops
from nadyn.dynamics.state.surplus import highest_in_use, surplus_gap_above_states_in_use
from nadyn.models.model import Model

Probabilities = Callable[
    [
        Complex[Tensor, "traj state"],
        Complex[Tensor, "traj state"],
        Complex[Tensor, "traj state state2"],
        Int[Tensor, "traj"],
    ],
    Float[Tensor, "traj state"],
]

# What every method of this step understands in a run file.
HOPPING_KEYS = frozenset(
    {"propagation", "decoherence", "rescale", "frustrated", "adaptive", "representation", "laser"}
)


@dataclass(frozen=True)
class Fssh:
    """Choices of a surface hopping run.

    Attributes:
        dt: Time step [au].
        seed: Seed of the hops.
        masses: [electron mass].
        rescale: Direction of the momentum change at a hop, see `settle.direction_of_kick`.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        propagation: How coefficients go through a step, see `ways.propagate`.
        decoherence: What is done to them at its end.
        probabilities: The rule of hopping: of c(t), c(t+dt), R in c(t+dt) = R c(t), and the active state.
        states: In which states it hops.
        part: Number of a part of an adaptive step, 0 for a whole one; keys random numbers.
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    rescale: Rescale = "nac"
    frustrated: Frustrated = "keep"
    propagation: Propagate = "local_diabatisation"
    decoherence: Decoherence = field(default_factory=edc)
    probabilities: Probabilities = hopping_probabilities
    states: Representation = SPIN_FREE
    part: int = 0


def fssh_begin(state: State, model: Model, options: Fssh) -> State:
    """Return the state of a batch that starts, with what propagation and decoherence remember."""
    state = options.states.begin(state, model)
    return options.decoherence.begin(begin_propagation(state, options.propagation), model)


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
    states = options.states
    nuclei = verlet(state, model, masses=masses, dt=options.dt, surface_at=states.surface_at)
    propagation = states.propagate(state, nuclei, model, masses, dt=options.dt, by=options.propagation)
    if propagation.eigenvectors is not None:
        nuclei = replace(nuclei, eigenvectors=propagation.eigenvectors)
    probabilities = options.probabilities(
        state.coefficients, propagation.coefficients, propagation.propagator, state.active_state
    )
    zeta = uniform(options.seed, nuclei.trajectory, nuclei.step, Stream.HOP, (options.part + 1,))[:, -1]
    target = choose_target(probabilities, state.active_state, zeta)
    probability = probabilities.gather(1, target[:, None])[:, 0]
    coefficients = propagation.coefficients
    if propagation.follows is not None:
        # A state that became another one takes its trajectories along, paid for like any hop.
        probability = torch.where(target == state.active_state, 1.0, probability)
        target = propagation.follows.gather(1, target[:, None])[:, 0]
        coefficients = torch.zeros_like(coefficients).scatter(1, propagation.follows, coefficients)
    moved = replace(nuclei, coefficients=coefficients, extra={**nuclei.extra, **propagation.memory})
    rows = torch.nonzero(target != moved.active_state)[:, 0]
    hops = no_hops()
    if len(rows):
        target = target[rows]
        force, coupling = states.couplings(moved, model, rows, target)
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
            probability=probability[rows],
            paid_by_field=states.paid_by_field(moved, rows, target),
        )
        moved = after_attempts(moved, rows)
    if not states.driven(moved):
        # What light has made has not moved apart yet; a correction would undo it while it is being made.
        moved = options.decoherence.act(
            Moment(state, moved, hops, propagation, model, masses, options.dt, options.seed, options.part)
        )
    total = conserved_energy(moved.energies, moved.active_state, moved.momenta, masses, moved.heat)
    moved = replace(moved, total_energy=total, energy_error_max=larger_error(state, total))
    # A surplus level that meets a state far above, where no amplitude is, changes nothing yet.
    last = state.energies.shape[1] - 1
    all_in_use = torch.maximum(highest_in_use(state), highest_in_use(moved)) == last
    lost = (propagation.smallest_overlap < SMALLEST_OVERLAP) & all_in_use
    return Step(replace(moved, surplus_gap=surplus_gap_above_states_in_use(moved)), hops, lost)


def motion(
    config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"], *, probabilities: Probabilities
) -> Motion:
    """Return surface hopping as a run file asks for it, by a rule of hopping.

    Raises:
        InputError: Options that exclude each other.
    """
    options = Fssh(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        rescale=config.rescale,
        frustrated=config.frustrated,
        propagation=config.propagation,
        decoherence=decoherence_of(config.decoherence),
        probabilities=probabilities,
        states=representation_of(config, model, masses),
    )

    def begin(state: State, model: Model) -> State:
        return fssh_begin(state, model, options)

    if config.adaptive is not None and config.propagation == "curvature":
        raise InputError(
            "`adaptive` must be left out with `propagation: curvature`, which needs steps of one length, "
            "but is given. Try propagation: local_diabatisation."
        )

    def part(state: State, model: Model, dt: float, number: int) -> Step:
        return fssh_step(state, model, replace(options, dt=dt, part=number))

    return Motion(divided_where_asked(config, part), begin, options.states.diabatic)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    return motion(config, model, masses, probabilities=hopping_probabilities)


FSSH = Method(
    _build,
    keys=HOPPING_KEYS,
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=MIXED,
    moves_coefficients=True,
    needs_two_states=True,
    mixes_spins=True,
    amplitudes_are_populations=True,
)
