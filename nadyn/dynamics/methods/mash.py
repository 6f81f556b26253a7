"""The mapping approach to surface hopping (MASH) for two states.

The electronic state is a point S on the Bloch sphere, S_z = |c_1|^2 - |c_0|^2; the active state is the upper
one where S_z > 0 and the lower one where S_z < 0. Hops are deterministic.

Source: J. R. Mannouch and J. O. Richardson, J. Chem. Phys. 158, 104111 (2023).
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.hops.attempts import along
from nadyn.dynamics.methods.mash_crossing import mash_drift
from nadyn.dynamics.methods.method import Method, Stepping
from nadyn.dynamics.nuclei.verlet import at_new_positions
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise
from nadyn.dynamics.state.energies import conserved_energy
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import Estimator
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.models.model import Model

# A start with less than this of the product c_0 c_1 is a start in an adiabatic state.
_NO_COHERENCE = 1e-12


@dataclass(frozen=True)
class StartWeights:
    """The weights that a trajectory has from its start, in populations and in coherences."""

    populations: Float[Tensor, "traj"]
    coherences: Float[Tensor, "traj"]


def draw_spins(
    state: State, *, seed: int
) -> tuple[Float[Tensor, "traj xyz"], Float[Tensor, "traj"], Float[Tensor, "traj"]]:
    """Return points on the Bloch sphere for a start in the real pure state `coefficients`, and two weights.

    In an adiabatic state: S_z = ±√u in the hemisphere of that state, its angle uniform; weights 1 of
    populations and 1/|S_z| of coherences. In a superposition, ρ_n = c_n^2 and ρ_x = c_0 c_1: uniform on the
    whole sphere, weights 4 |S_z| ρ_n + 4 S_x ρ_x of populations and 4 ρ_n + 6 S_x ρ_x of coherences, n being
    the state of the hemisphere. Both follow from the weighting factors 2|S_z|, 2 and 3 of population with
    population, population with coherence, and coherence with coherence.

    Source: Mannouch and Richardson (2023); the weights of each trajectory as in J. E. Lawrence,
    J. R. Mannouch and J. O. Richardson, J. Chem. Phys. 160, 244112 (2024), appendix A.

    Args:
        state: A batch that starts, in a real pure state.
        seed: Of the run.
    """
    u, v = uniform(seed, state.trajectory, state.step, Stream.MAPPING, (2,)).unbind(1)
    c = state.coefficients.real
    adiabatic = (c[:, 0] * c[:, 1]).abs() < _NO_COHERENCE
    upper = c[:, 1].abs() > c[:, 0].abs()
    root = torch.sqrt(u)
    z = torch.where(adiabatic, torch.where(upper, root, -root), 2.0 * u - 1.0)
    across = torch.sqrt((1.0 - z * z).clamp(min=0.0))
    angle = 2.0 * math.pi * v
    spin = torch.stack(
        [across * elementwise(torch.cos, angle), across * elementwise(torch.sin, angle), z], dim=1
    )
    occupation = torch.where(z > 0, c[:, 1] * c[:, 1], c[:, 0] * c[:, 0])
    coherence = spin[:, 0] * c[:, 0] * c[:, 1]
    of_populations = torch.where(adiabatic, 1.0, 4.0 * (z.abs() * occupation + coherence))
    of_coherences = torch.where(adiabatic, 1.0 / z.abs(), 4.0 * occupation + 6.0 * coherence)
    return spin, of_populations, of_coherences


def begin_mash(state: State, model: Model, masses: Float[Tensor, "atom"], *, seed: int) -> State:
    """Return a batch that starts: spins drawn, active state and force those of the hemisphere.

    c_0 = √((1 - S_z)/2), c_1 = (S_x + i S_y) / 2 c_0, turned so that the larger one is real.
    """
    spin, of_populations, of_coherences = draw_spins(state, seed=seed)
    x, y, z = spin.unbind(1)
    larger = torch.sqrt(0.5 * (1.0 + z.abs()))
    half = 0.5 / larger
    upper = z > 0
    real = torch.where(upper[:, None], torch.stack([x * half, larger], 1), torch.stack([larger, x * half], 1))
    none = torch.zeros_like(y)
    # c*_0 c_1 = (S_x + i S_y)/2 with c_1 real asks for the opposite sign in c_0.
    imag = torch.where(upper[:, None], torch.stack([-y * half, none], 1), torch.stack([none, y * half], 1))
    begun = replace(
        state,
        coefficients=torch.complex(real, imag),
        active_state=upper.to(state.active_state.dtype),
    )
    return on_active_state(remember(begun, StartWeights(of_populations, of_coherences)), model, masses)


def on_active_state(state: State, model: Model, masses: Float[Tensor, "atom"]) -> State:
    """Return a batch that starts with the force and the energy of its active states, eigenvectors kept."""
    force = at_new_positions(state, model, state.positions).force
    total = conserved_energy(state.energies, state.active_state, state.momenta, masses, state.heat)
    return replace(state, force=force, total_energy=total, reference_total_energy=total.clone())


def weighted_active_states(state: State) -> Float[Tensor, "traj state"]:
    """Return the weight of the trajectory for the active state, Θ(±S_z), and 0 for the other."""
    active = torch.nn.functional.one_hot(state.active_state, state.energies.shape[1])
    return active * recall(state, StartWeights).populations[:, None]


def weighted_diabatic_populations(state: State) -> Float[Tensor, "traj basis"]:
    """Return w_P U_da^2 + w_C U_d0 U_d1 S_x: populations from the active state, coherences from the spin."""
    u, c = state.eigenvectors, torch.view_as_real(state.coefficients.resolve_conj())
    active = torch.where((state.active_state == 1)[:, None], u[:, :, 1], u[:, :, 0])
    s_x = 2.0 * (c[:, 0, 0] * c[:, 1, 0] + c[:, 0, 1] * c[:, 1, 1])
    populations = active * active * recall(state, StartWeights).populations[:, None]
    return populations + u[:, :, 0] * u[:, :, 1] * (s_x * recall(state, StartWeights).coherences)[:, None]


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    if model.n_states != 2:
        raise InputError(
            f"`method` mash must have a model of two states, but {model.name} has {model.n_states}. "
            "Use multistate_mash."
        )

    return Stepping(
        drift=partial(mash_drift, masses=masses, direction=along("nac")),
        begin=lambda state, model: begin_mash(state, model, masses, seed=config.seed),
    )


MASH = Method(
    _build,
    keys=frozenset({"adaptive", "representation"}),
    adiabatic=Estimator("MASH: weighted fraction in each hemisphere", weighted_active_states),
    diabatic=Estimator(
        "MASH: populations from the hemisphere, coherences from the spin", weighted_diabatic_populations
    ),
    moves_coefficients=True,
    needs_two_states=True,
    # Anything else would leave the trajectory on a state that no longer leads.
    only={"frustrated": "reverse"},
)
