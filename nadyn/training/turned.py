"""Labels of states that lie close to one another, turned into each other as a network has them.

At an intersection any rotation of the two states is as good. A network whose seam lies a little beside that
of the labels has turned the states by a large angle there: its forces and couplings then differ from the
labels by as much as the branching vectors are long, however well it knows these. So labels are turned before
they are compared. With half the difference g of the two gradients, half the gap Δ and the coupling h, a
rotation by θ gives

    g' = g cos 2θ - h sin 2θ,   h' = h cos 2θ + g sin 2θ,   Δ' = Δ cos 2θ,   and Δ sin 2θ beside the diagonal.

Of all angles that one is taken for which γ (|g' - g_m|² + |h' - h_m|²) + 2 ε ((Δ' - Δ_m)² + (Δ sin 2θ)²) is
least, m being the network, and γ and ε the weights of slopes and energies in the loss over their noise:

    tan 2θ = γ (g·h_m - h·g_m) / (γ (g·g_m + h·h_m) + 2 ε Δ Δ_m).

It fades out to a gap of 0.4 eV, beyond which nothing is turned. Energies are compared as they are, for no
rotation changes them: so the gap itself is learned as before.

Source: X. Zhu and D. R. Yarkony, J. Chem. Phys. 132, 104101 (2010), turn close states of labels and of a fit,
each until g and h are orthogonal; here the labels alone are turned, to the network.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data.dataset import state_pairs
from nadyn.training.predictions import Prediction
from nadyn.training.samples import Samples
from nadyn.units import HARTREE_PER_EV

WIDTH = 0.4 * HARTREE_PER_EV
_NEEDED = ("energy", "force", "coupling")

# Gradients of states on the diagonal, couplings beside it; and that for each choice of signs.
Slopes = Float[Tensor, "frame state state component"]
Choices = Float[Tensor, "choice frame state state component"]


@torch.no_grad()
def turned(
    prediction: Prediction, batch: Samples, variances: Mapping[str, float], weights: Mapping[str, float]
) -> Samples:
    """Return frames whose forces, couplings and dipoles are turned where two states are close.

    Signs of states are chosen with it. Frames in which a force or coupling is missing stay as they are, and
    all do until the noise of the labels is known.

    Args:
        prediction: Of the network.
        batch: The frames.
        variances: Squared noise of each quantity, see `nadyn.training.losses.NoiseScales`.
        weights: How much each counts.
    """
    if batch.couplings is None or batch.forces is None or any(name not in variances for name in _NEEDED):
        return batch
    gaps = batch.energies[:, 1:] - batch.energies[:, :-1]
    (close,) = torch.nonzero((gaps < WIDTH).any(dim=1), as_tuple=True)
    if not len(close):
        return batch
    states = state_pairs(batch.energies.shape[1])
    labels = _slopes(-batch.forces[close], batch.couplings[close], states)
    n_states, n_components = labels.shape[1], labels.shape[-1]
    if batch.dipoles is not None:
        # They turn with the states, and have no say in the angle.
        labels = torch.cat([labels, batch.dipoles[close].to(labels)], dim=-1)
    diagonal = [i for i, (k, l) in enumerate(prediction.pairs) if k == l]
    others = [i for i, (k, l) in enumerate(prediction.pairs) if k != l]
    own = prediction.gradients[close]
    network = _slopes(own[:, diagonal], own[:, others], states)
    # What a component of each counts: a gap and a difference of gradients hold half a square of two states.
    of_forces = 2.0 * weights["force"] / (variances["force"] * n_states)
    of_couplings = weights["coupling"] / (variances["coupling"] * len(states))
    of_slopes = 0.5 * (of_forces + of_couplings) / n_components
    of_gaps = 2.0 * weights["energy"] / (variances["energy"] * n_states)
    found = labels * _signs(labels)
    for pair in states:
        gap, other_gap = (
            0.5 * (energies[:, pair[1]] - energies[:, pair[0]])
            for energies in (batch.energies[close], prediction.energies[close])
        )
        along = of_gaps * gap * other_gap
        slopes = found[..., :n_components]
        found = _rotated(found, pair, _angles(slopes, network, pair, of_slopes, along, gap))
    off = (found[..., :n_components] - network).square().sum(dim=(2, 3, 4))
    best = found[off.argmin(dim=0), torch.arange(len(close), device=off.device)]
    known = torch.isfinite(off).all(dim=0)
    return _with_labels(batch, close[known], best[known], n_components)


def _slopes(
    diagonal: Float[Tensor, "frame state atom 3"],
    others: Float[Tensor, "frame pair atom 3"],
    states: tuple[tuple[int, int], ...],
) -> Slopes:
    n_frames, n_states = diagonal.shape[:2]
    result = diagonal.new_zeros((n_frames, n_states, n_states, diagonal[0, 0].numel()))
    for k in range(n_states):
        result[:, k, k] = diagonal[:, k].flatten(1)
    for number, (k, l) in enumerate(states):
        result[:, k, l] = result[:, l, k] = others[:, number].flatten(1)
    return result


def _with_labels(batch: Samples, frames: Tensor, labels: Slopes, n_components: int) -> Samples:
    forces, couplings, dipoles = batch.forces.clone(), batch.couplings.clone(), batch.dipoles
    slopes = labels[..., :n_components]
    for k in range(slopes.shape[1]):
        forces[frames, k] = -slopes[:, k, k].unflatten(1, forces.shape[2:]).to(forces)
    for number, (k, l) in enumerate(state_pairs(slopes.shape[1])):
        couplings[frames, number] = slopes[:, k, l].unflatten(1, couplings.shape[2:]).to(couplings)
    if dipoles is not None:
        dipoles = dipoles.index_put((frames,), labels[..., n_components:].to(dipoles))
    return replace(batch, forces=forces, couplings=couplings, dipoles=dipoles)


def _signs(labels: Slopes) -> Float[Tensor, "choice 1 state state 1"]:
    """Return all choices of one sign a state, the first of them +."""
    n_states = labels.shape[1]
    choices = labels.new_tensor(list(itertools.product((1.0, -1.0), repeat=n_states - 1)))
    signs = torch.cat([choices.new_ones((len(choices), 1)), choices], dim=1)
    return (signs[:, :, None] * signs[:, None, :])[:, None, :, :, None]


def _angles(
    labels: Choices,
    network: Slopes,
    pair: tuple[int, int],
    of_slopes: float,
    along: Float[Tensor, "frame"],
    gap: Float[Tensor, "frame"],
) -> Float[Tensor, "choice frame"]:
    (k, l) = pair
    g, h = 0.5 * (labels[:, :, l, l] - labels[:, :, k, k]), labels[:, :, k, l]
    g_m, h_m = 0.5 * (network[:, l, l] - network[:, k, k]), network[:, k, l]
    cosine = of_slopes * (g * g_m + h * h_m).sum(dim=2) + along
    sine = of_slopes * (g * h_m - h * g_m).sum(dim=2)
    fading = (1.0 - (2.0 * gap / WIDTH).square()).clamp(min=0.0) ** 3
    return 0.5 * fading * torch.atan2(sine, cosine)


def _rotated(slopes: Choices, pair: tuple[int, int], angles: Float[Tensor, "choice frame"]) -> Choices:
    """Return the slopes with u_k' = u_k cos θ + u_l sin θ and u_l' = u_l cos θ - u_k sin θ."""
    k, l = pair
    cosine, sine = (array[:, :, None, None] for array in (torch.cos(angles), torch.sin(angles)))
    result = slopes.clone()
    result[:, :, k] = cosine * slopes[:, :, k] + sine * slopes[:, :, l]
    result[:, :, l] = cosine * slopes[:, :, l] - sine * slopes[:, :, k]
    rows = result.clone()
    result[:, :, :, k] = cosine * rows[:, :, :, k] + sine * rows[:, :, :, l]
    result[:, :, :, l] = cosine * rows[:, :, :, l] - sine * rows[:, :, :, k]
    return result
