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
rotation changes them: so the gap itself is learned as before. Labels count as constants in the gradient.
Pairs of states follow one another, each seeing what earlier ones have mixed; labels that are nearer to the
network without all rotations stay.

Source: X. Zhu and D. R. Yarkony, J. Chem. Phys. 132, 104101 (2010), turn close states of labels and of a fit,
each until g and h are orthogonal; here the labels alone are turned, to the network.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data.dataset import state_pairs
from nadyn.electronic.signs import coupling_signs
from nadyn.training.predictions import Prediction
from nadyn.training.samples import Samples, knows_eigenvectors
from nadyn.units import HARTREE_PER_EV

WIDTH = 0.4 * HARTREE_PER_EV
# Up to so many states all choices of signs are tried.
_FEW_STATES = 5
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
    chosen = (gaps < WIDTH).any(dim=1)
    if batch.eigenvectors is not None:
        # There the network is turned to the labels, see `labelled_states`.
        chosen = chosen & ~knows_eigenvectors(batch)
    (close,) = torch.nonzero(chosen, as_tuple=True)
    if not len(close):
        return batch
    n_states, n_components = batch.energies.shape[1], batch.forces[0, 0].numel()
    states = state_pairs(n_states)
    # What a component of each counts: a gap and a difference of gradients hold half a square of two states.
    of_forces = 2.0 * weights["force"] / (variances["force"] * n_states)
    of_couplings = weights["coupling"] / (variances["coupling"] * len(states))
    of_slopes = 0.5 * (of_forces + of_couplings) / n_components
    of_gaps = 2.0 * weights["energy"] / (variances["energy"] * n_states * batch.size**2)
    if of_slopes == 0.0:
        return batch
    diagonal = [i for i, (k, l) in enumerate(prediction.pairs) if k == l]
    others = [i for i, (k, l) in enumerate(prediction.pairs) if k != l]
    own = prediction.gradients[close]
    labels = _slopes(-batch.forces[close], batch.couplings[close], states)
    network = _slopes(own[:, diagonal], own[:, others], states)
    # Energies are one component more, so that pairs that follow see those that earlier ones have mixed.
    scale = math.sqrt(of_gaps / of_slopes)
    labels = torch.cat([labels, _energies(batch.energies[close], scale)], dim=-1)
    network = torch.cat([network, _energies(prediction.energies[close], scale)], dim=-1)
    n_compared = n_components + 1
    if batch.dipoles is not None:
        # They turn with the states, and have no say in the angle.
        labels = torch.cat([labels, batch.dipoles[close].to(labels)], dim=-1)
    start = labels * _signs(labels[..., :n_compared], network)
    found = start
    for k, l in states:
        fading = _fading(batch.energies[close, l] - batch.energies[close, k])
        if bool((fading > 0).any()):
            angles = fading * _angles(found[..., :n_compared], network, (k, l))
            found = _rotated(found, (k, l), angles)
    # Couplings to a third state turn too, and may lose more than the two win.
    found = torch.cat([found, start])
    off = (found[..., :n_compared] - network).square().sum(dim=(2, 3, 4))
    best = found[off.argmin(dim=0), torch.arange(len(close), device=off.device)]
    known = torch.isfinite(off).all(dim=0)
    return _with_labels(batch, close[known], best[known], n_components)


def _energies(energies: Float[Tensor, "frame state"], scale: float) -> Slopes:
    centred = energies - energies.mean(dim=1, keepdim=True)
    return torch.diag_embed(scale * centred).unsqueeze(-1)


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
        # Of those that are not all known no rotation is: they stay as they are.
        own = labels[..., n_components + 1 :].to(dipoles)
        own = torch.where(torch.isfinite(own).all(dim=(1, 2, 3))[:, None, None, None], own, dipoles[frames])
        dipoles = dipoles.index_put((frames,), own)
    return replace(batch, forces=forces, couplings=couplings, dipoles=dipoles)


def _signs(labels: Slopes, network: Slopes) -> Float[Tensor, "choice _ state state 1"]:
    """Return choices of one sign a state, the first of them +.

    All where states are few. Of more than five those with which the couplings fit best, and with each state
    turned round: the number of all doubles with every state.
    """
    n_states = labels.shape[1]
    ones = labels.new_ones(n_states)
    if n_states <= _FEW_STATES:
        rest = labels.new_tensor(list(itertools.product((1.0, -1.0), repeat=n_states - 1)))
        signs = torch.cat([rest.new_ones((len(rest), 1)), rest], dim=1).unsqueeze(1)
    else:
        states = tuple(state_pairs(n_states))
        k, l = zip(*states, strict=True)
        own, other = (one[:, k, l, :-1].unflatten(-1, (-1, 3)) for one in (network, labels))
        # Column l of pair (0, l) is the sign of state l beside that of state 0.
        fitting = coupling_signs(own, other, states)[:, : n_states - 1]
        fitting = torch.cat([fitting.new_ones((len(fitting), 1)), fitting], dim=1)
        flips = torch.cat([ones.unsqueeze(0), ones - 2.0 * torch.diag(ones)[1:]])
        signs = flips.unsqueeze(1) * fitting
    return (signs.unsqueeze(3) * signs.unsqueeze(2)).unsqueeze(4)


def _fading(gap: Float[Tensor, "frame"]) -> Float[Tensor, "frame"]:
    return (1.0 - (gap / WIDTH).square()).clamp(min=0.0) ** 3


def _angles(labels: Choices, network: Slopes, pair: tuple[int, int]) -> Float[Tensor, "choice frame"]:
    (k, l) = pair
    g, h = 0.5 * (labels[:, :, l, l] - labels[:, :, k, k]), labels[:, :, k, l]
    g_m, h_m = 0.5 * (network[:, l, l] - network[:, k, k]), network[:, k, l]
    return 0.5 * torch.atan2((g * h_m - h * g_m).sum(dim=2), (g * g_m + h * h_m).sum(dim=2))


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
