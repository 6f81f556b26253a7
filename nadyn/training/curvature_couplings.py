"""Couplings h from energies and forces alone: the curvature of the squared gap around an intersection.

Two surfaces that were fitted to energies and forces know how long h is and along which line it points,
because the gap rises along it: E_l - E_k = 2 √(Δ² + V²), with half the difference Δ and the coupling V of
two diabatic states.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.units import HARTREE_PER_EV

# Energies and their gradients of all states; called with the frames in `index`, several times each.
Gradients = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Farther from the intersection the curvature of Δ and V themselves, and other states, come in.
LARGEST_GAP = 2.2 * HARTREE_PER_EV
# One direction must stand out, or the remainder is not the coupling of two states.
_STANDS_OUT = 2.0
# Central differences in float64: an error of about 1e-5 of the curvature, rounding far below.
_DISPLACEMENT = 5e-3


def close_pairs(energies: Float[Tensor, "frame state"]) -> Bool[Tensor, "frame step"]:
    """Return which pairs of neighbouring states (k, k+1) are close: the gap is below `LARGEST_GAP`.

    A pair beside which another gap is smaller does not count: there it is a third state that curves the gap.
    Neither does one without energies.
    """
    gap = energies[:, 1:] - energies[:, :-1]
    padded = torch.nn.functional.pad(gap, (1, 1), value=torch.inf).nan_to_num(torch.inf)
    return (gap < LARGEST_GAP) & (gap <= padded[:, :-2]) & (gap <= padded[:, 2:])


def coupling_from_curvature(
    curvature: Float[Tensor, "frame coordinate coordinate"],
    half_difference: Float[Tensor, "frame coordinate"],
) -> Float[Tensor, "frame coordinate"]:
    """Return the coupling h of two states, its sign left open; NaN where no direction stands out.

    With D = ((E_l - E_k)/2)² = Δ² + V²,

        ½∇∇D = g gᵀ + h hᵀ + Δ∇∇Δ + V∇∇V,    g = ∇(E_l - E_k)/2,    h = ⟨k|∇W|l⟩,

    exactly, for two states that no third one disturbs; the last two terms vanish at the intersection, and
    everywhere around a linear one. So h = √λ v, with the largest eigenvalue λ of ½∇∇D - g gᵀ and its vector.
    Kept where λ is more than twice the next eigenvalue.

    Source: the two vectors from the Hessian of the squared gap as in J. Sanz García, R. Maskri,
    A. Mitrushchenkov and L. Joubert-Doriol, arXiv:2403.08574 (2024); couplings in time from the curvature
    of the gap as in K. K. Baeck and H. An, J. Chem. Phys. 146, 064107 (2017) and Y. Shu et al., J. Chem.
    Theory Comput. 18, 1320 (2022).

    Args:
        curvature: ½∇∇D [hartree²/bohr²].
        half_difference: g [hartree/bohr].
    """
    rest = curvature - half_difference.unsqueeze(2) * half_difference.unsqueeze(1)
    values, vectors = torch.linalg.eigh(rest)
    largest, next_largest = values[:, -1], values[:, -2].clamp(min=0.0)
    coupling = vectors[:, :, -1] * largest.clamp(min=0.0).sqrt().unsqueeze(1)
    stands_out = (largest > 0.0) & (largest > _STANDS_OUT * next_largest)
    return torch.where(stands_out.unsqueeze(1), coupling, torch.nan)


def curvature_couplings(
    gradients: Gradients, positions: Float[Tensor, "frame atom x"]
) -> Float[Tensor, "frame step atom x"]:
    """Return h of the neighbouring states (k, k+1) at every frame, NaN where none stands out.

    The Hessian of D is the central difference of its analytic gradient, ∇D = ½ (E_l - E_k) ∇(E_l - E_k).

    Args:
        gradients: Gives energies (frame, state) and their gradients (frame, state, atom, x) at positions
            of the frames whose numbers come with them, in float64.
        positions: Where [bohr].
    """
    n_frames, shape = len(positions), positions.shape[1:]
    size = shape[0] * shape[1]
    frames = torch.arange(n_frames)

    def of_the_gap(at: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        energies, slopes = gradients(at, index)
        gap = energies[:, 1:] - energies[:, :-1]
        slope = (slopes[:, 1:] - slopes[:, :-1]).flatten(2)
        return 0.5 * gap.unsqueeze(2) * slope, 0.5 * slope

    columns = []
    for step in _DISPLACEMENT * torch.eye(size, dtype=torch.float64).reshape(size, *shape):
        both, _ = of_the_gap(torch.cat([positions + step, positions - step]), torch.cat([frames, frames]))
        columns.append((both[:n_frames] - both[n_frames:]) / (2.0 * _DISPLACEMENT))
    hessian = torch.stack(columns, dim=3)
    _, half_difference = of_the_gap(positions, frames)
    found = [
        coupling_from_curvature(0.25 * (hessian[:, step] + hessian[:, step].mT), half_difference[:, step])
        for step in range(hessian.shape[1])
    ]
    return torch.stack(found, dim=1).reshape(n_frames, len(found), *shape)
