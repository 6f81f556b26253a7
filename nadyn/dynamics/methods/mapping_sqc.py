"""Symmetric quasi-classical dynamics (SQC) of the Meyer-Miller model, with triangular windows.

Source: S. J. Cotton and W. H. Miller, J. Chem. Phys. 145, 144108 (2016), two states; J. Chem. Phys. 150,
104101 (2019), any number of states; J. Chem. Phys. 150, 194110 (2019), zero point of each trajectory.
"""

import math
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.electrons.mean import MeanWeights
from nadyn.dynamics.methods.ehrenfest import mean_field_stepping
from nadyn.dynamics.methods.mapping_start import refuse_latent_basis, to_coefficients
from nadyn.dynamics.methods.mean_field import begin_on_mean
from nadyn.dynamics.methods.method import Method, Stepping
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import Estimator, squared_amplitudes, squared_coefficients
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.models.model import Model

ZeroPoint = Literal["adjusted", "third"]

# What a start in one diabatic state may lack of it.
_ALMOST_ALL = 1.0 - 1e-9


class SqcOptions(Configuration):
    """Options of method sqc: {zero_point: adjusted}.

    `adjusted` gives each trajectory the zero points with which its first force is that of the initial state,
    but for the coupling elements of W, which average to nothing; `third` is γ = 1/3 for all, the value of
    triangular windows.
    """

    zero_point: ZeroPoint = "adjusted"


def draw_actions(
    chosen: Int[Tensor, "traj"], n_states: int, *, seed: int, trajectory: Int[Tensor, "traj"]
) -> Float[Tensor, "traj state"]:
    """Return e_n = n_n + γ, drawn from the triangular window of the chosen state.

    e_i = 1 + u with density 2 (1 - u) on (0, 1) for the chosen state, and the others uniform between 0 and
    1 - u, which is the weight (2 - e_i)^(2 - N) in the region e_i > 1, e_i + e_k < 2.

    Source: Cotton and Miller, J. Chem. Phys. 150, 104101 (2019).
    """
    draws = uniform(seed, trajectory, 0, Stream.MAPPING, (n_states,))
    # 1 - √v has the density 2 (1 - u).
    rest = torch.sqrt(draws.gather(1, chosen[:, None]))
    own = torch.arange(n_states, device=chosen.device) == chosen[:, None]
    return torch.where(own, 2.0 - rest, draws * rest)


def window(actions: Float[Tensor, "traj kind"]) -> Float[Tensor, "traj kind"]:
    """Return 1 for the state with e > 1 if all others have e < 1, 0 for the others; NaN if there is no such.

    A trajectory in no window does not count: populations are the means over those that do.
    """
    above = actions > 1.0
    return torch.where(above.sum(1, keepdim=True) == 1, above.double(), torch.nan)


def begin_sqc(
    state: State, model: Model, masses: Float[Tensor, "atom"], *, seed: int, zero_point: ZeroPoint
) -> State:
    """Return a batch that starts: actions and angles drawn for the diabatic state of the start.

    In `State.coefficients` the mapping variables have length 1; `MeanWeights` keeps Σ_n e_n.

    Raises:
        InputError: The start is not in one diabatic state.
    """
    occupation, chosen = squared_amplitudes(state).max(1)
    if (occupation < _ALMOST_ALL).any():
        raise InputError(
            "`diabatic_state` must be given for method sqc, but the start is in an adiabatic state that "
            "mixes several: windows belong to diabatic states. Try initial: {…, diabatic_state: 0}."
        )
    n = state.eigenvectors.shape[1]
    actions = draw_actions(chosen, n, seed=seed, trajectory=state.trajectory)
    # The same stream at another step: angles are drawn once, beside the actions.
    angle = 2.0 * math.pi * uniform(seed, state.trajectory, 1, Stream.MAPPING, (n,))
    whole = ordered_sum(actions)
    length = torch.sqrt(actions / whole[:, None])
    real, imag = length * elementwise(torch.cos, angle), length * elementwise(torch.sin, angle)
    if zero_point == "adjusted":
        zero = torch.where(torch.arange(n, device=chosen.device) == chosen[:, None], actions - 1.0, actions)
    else:
        zero = torch.full_like(actions, 1.0 / 3.0)
    vectors = state.eigenvectors.transpose(1, 2).contiguous()
    begun = replace(
        state,
        coefficients=to_coefficients(real, imag, vectors),
    )
    return begin_on_mean(remember(begun, MeanWeights(whole, zero)), model, masses)


def adiabatic_window(state: State) -> Float[Tensor, "traj state"]:
    """Return the window function of the actions of adiabatic states."""
    return window(squared_coefficients(state) * recall(state, MeanWeights).scale[:, None])


def diabatic_window(state: State) -> Float[Tensor, "traj basis"]:
    """Return the window function of the actions of diabatic states."""
    return window(squared_amplitudes(state) * recall(state, MeanWeights).scale[:, None])


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    refuse_latent_basis(config.method, model)
    chosen = parse_configuration(config.options or {}, SqcOptions, where="`options` of method sqc")

    def begin(state: State, model: Model) -> State:
        return begin_sqc(state, model, masses, seed=config.seed, zero_point=chosen.zero_point)

    return mean_field_stepping(masses, begin)


SQC = Method(
    _build,
    keys=frozenset({"adaptive", "representation"}),
    adiabatic=Estimator("SQC: triangular windows, of the trajectories in any", adiabatic_window),
    diabatic=Estimator(
        "SQC: triangular windows of diabatic states, of the trajectories in any", diabatic_window
    ),
    moves_coefficients=True,
    needs_two_states=True,
    other_names=("mm_sqc", "mmst"),
    moves_on="mean of the states",
    needs_fixed_basis=True,
    options=SqcOptions,
)
