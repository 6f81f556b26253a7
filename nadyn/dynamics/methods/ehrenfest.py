"""Ehrenfest dynamics: the nuclei feel the mean force of the electronic state.

Source: J. C. Tully, Faraday Discuss. 110, 407 (1998); X. Li, J. C. Tully, H. B. Schlegel and
M. J. Frisch, J. Chem. Phys. 123, 084106 (2005).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.electrons.mean import total_mean_energy
from nadyn.dynamics.electrons.ways import SMALLEST_OVERLAP
from nadyn.dynamics.methods.adaptive import divided_where_asked, smallest_gap_of_neighbours
from nadyn.dynamics.methods.mean_field import begin_on_mean, mean_field_verlet
from nadyn.dynamics.methods.method import Method, Motion
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import larger_error
from nadyn.dynamics.state.populations import MEAN_SQUARED_AMPLITUDES, MEAN_SQUARED_COEFFICIENTS
from nadyn.dynamics.state.step import Step, no_hops
from nadyn.models.model import Model


@dataclass(frozen=True)
class Ehrenfest:
    """Time step [au] and masses [electron mass]."""

    dt: float
    masses: Float[Tensor, "atom"]


def ehrenfest_step(state: State, model: Model, options: Ehrenfest) -> Step:
    """Advance a batch by one time step on the mean of its states.

    F = -Re(a† ∂W/∂R a) with the amplitudes a = U c, coefficients by local diabatisation. Conserved is
    P^2/2M + Σ_k |c_k|^2 E_k. The force of the start must be that of `mean_field.begin_on_mean`.

    Args:
        state: The batch.
        model: Any model.
        options: Time step and masses.
    """
    moved, made = mean_field_verlet(state, model, masses=options.masses, dt=options.dt)
    total = total_mean_energy(moved, options.masses)
    moved = replace(moved, total_energy=total, energy_error_max=larger_error(state, total))
    return Step(moved, no_hops(), made.smallest_overlap < SMALLEST_OVERLAP)


def mean_field_step(
    config: RunConfiguration, masses: Float[Tensor, "atom"]
) -> Callable[[State, Model], Step]:
    """Return the time step of a run of Ehrenfest dynamics or of a mapping method, divided where asked."""

    def part(state: State, model: Model, dt: float, number: int) -> Step:
        return ehrenfest_step(state, model, Ehrenfest(dt=dt, masses=masses))

    return divided_where_asked(config, part, gap_of=smallest_gap_of_neighbours)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    return Motion(
        step=mean_field_step(config, masses),
        begin=lambda state, model: begin_on_mean(state, model, masses),
    )


EHRENFEST = Method(
    _build,
    keys=frozenset({"adaptive", "representation"}),
    adiabatic=MEAN_SQUARED_COEFFICIENTS,
    diabatic=MEAN_SQUARED_AMPLITUDES,
    moves_coefficients=True,
    needs_two_states=True,
    moves_on="mean of the states",
)
