"""Ehrenfest dynamics: the nuclei feel the mean force of the electronic state.

Source: J. C. Tully, Faraday Discuss. 110, 407 (1998); X. Li, J. C. Tully, H. B. Schlegel and
M. J. Frisch, J. Chem. Phys. 123, 084106 (2005).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.electrons.mean import total_mean_energy
from nadyn.dynamics.electrons.ways import SMALLEST_OVERLAP
from nadyn.dynamics.methods.mean_field import begin_on_mean, mean_field_verlet
from nadyn.dynamics.methods.method import (
    Drift,
    Method,
    NoOptions,
    Stepping,
    as_it_is,
    smallest_gap_of_neighbours,
)
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.populations import MEAN_SQUARED_AMPLITUDES, MEAN_SQUARED_COEFFICIENTS
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Step
from nadyn.models.model import Model
from nadyn.trajectory import MovesOn


@dataclass(frozen=True)
class Ehrenfest:
    """Time step [au] and masses [electron mass]."""

    dt: float
    masses: Float[Tensor, "atom"]


def ehrenfest_drift(state: State, model: Model, dt: float, *, masses: Float[Tensor, "atom"]) -> Drift:
    """Return one time step on the mean of the states, which is all: nothing is drawn.

    F = -Re(a† ∂W/∂R a) with the amplitudes a = U c, coefficients by local diabatisation. Conserved is
    P^2/2M + Σ_k |c_k|^2 E_k. The force of the start must be that of `mean_field.begin_on_mean`.

    Args:
        state: The batch.
        model: Any model.
        dt: Time step [au].
        masses: [electron mass].
    """
    moved, made = mean_field_verlet(state, model, masses=masses, dt=dt)
    moved = replace(moved, total_energy=total_mean_energy(moved, masses))
    return Drift(state, moved, dt, made, intruder=made.smallest_overlap < SMALLEST_OVERLAP)


def ehrenfest_step(state: State, model: Model, options: Ehrenfest) -> Step:
    """Advance a batch by one undivided time step on the mean of its states, see `ehrenfest_drift`."""
    stepping = mean_field_stepping(options.masses, as_it_is)
    return stepping.whole(state, model, options.dt, Draws(0))


def mean_field_stepping(masses: Float[Tensor, "atom"], begin: Callable[[State, Model], State]) -> Stepping:
    """Return the time step of Ehrenfest dynamics or of a mapping method, whose starts differ."""
    return Stepping(partial(ehrenfest_drift, masses=masses), begin=begin, gap=smallest_gap_of_neighbours)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    return mean_field_stepping(masses, lambda state, model: begin_on_mean(state, model, masses))


def motion_on_the_mean(
    build: Callable[[RunConfiguration, Model, Float[Tensor, "atom"]], Stepping],
    *,
    other_names: tuple[str, ...] = (),
    options: type[Configuration] = NoOptions,
    moves_on: MovesOn = "mean of the states",
) -> Method:
    """Return a method whose populations are the squares of its amplitudes."""
    return Method(
        build,
        keys=frozenset({"adaptive", "representation"}),
        adiabatic=MEAN_SQUARED_COEFFICIENTS,
        diabatic=MEAN_SQUARED_AMPLITUDES,
        moves_coefficients=True,
        needs_two_states=True,
        options=options,
        other_names=other_names,
        moves_on=moves_on,
    )


EHRENFEST = motion_on_the_mean(_build, other_names=("eh", "mean_field", "mtef"))
