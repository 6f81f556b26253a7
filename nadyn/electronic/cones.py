"""Conical intersections of a model: where they are, the plane in which they part, the sign they leave behind.

Near an intersection of states k and l the energies are E ± sqrt((g·R)² + (h·R)²): the degeneracy is lifted to
first order along two directions, the branching plane, and along all others it stays, the seam.

Sources: G. J. Atchity, S. S. Xantheas and K. Ruedenberg, J. Chem. Phys. 95, 1862 (1991);
D. R. Yarkony, Rev. Mod. Phys. 68, 985 (1996).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import check_positions, energies_and_eigenvectors, surfaces
from nadyn.models.model import Model

# Along a fine enough loop a state hardly changes from one point to the next.
_SMALLEST_OVERLAP = 0.7
_LARGEST_STEP_BOHR = 0.3
# The search along the seam ends when the next step would be this short.
_SMALLEST_STEP_BOHR = 1e-4
# A branching vector this much shorter than the other one is none.
_RELATIVE_LENGTH = 1e-6


@dataclass(frozen=True)
class BranchingVectors:
    """The two vectors along which two states part.

    Attributes:
        gap: E_l - E_k [hartree].
        difference: g = ∇(E_l - E_k)/2 [hartree/bohr].
        coupling: h = ⟨k|∇W|l⟩ [hartree/bohr].
    """

    gap: Float[Tensor, "traj"]
    difference: Float[Tensor, "traj atom x"]
    coupling: Float[Tensor, "traj atom x"]

    def orthogonal(self) -> "BranchingVectors":
        """Return the vectors after that rotation of the two states which makes g·h = 0, and g the longer one.

        At the degeneracy any rotation of the two states by θ gives states again, and
        g' = cos 2θ g + sin 2θ h, h' = cos 2θ h - sin 2θ g; θ follows from tan 4θ = 2 g·h/(g·g - h·h).

        Source: D. R. Yarkony, J. Chem. Phys. 112, 2111 (2000).
        """
        g, h = self.difference, self.coupling
        gg, hh, gh = ((a * b).sum((-1, -2)) for a, b in ((g, g), (h, h), (g, h)))
        angle = (0.5 * torch.atan2(2.0 * gh, gg - hh))[:, None, None]
        return BranchingVectors(
            self.gap, angle.cos() * g + angle.sin() * h, angle.cos() * h - angle.sin() * g
        )

    def plane(self) -> Float[Tensor, "traj 2 atom x"]:
        """Return two orthonormal directions of the branching plane, along the vectors of `orthogonal`.

        The plane is the same for every choice of two degenerate states; a vector of length zero stays zero.
        """
        turned = self.orthogonal()
        pair = torch.stack([turned.difference, turned.coupling], dim=1)
        length = pair.flatten(2).norm(dim=-1)[..., None, None]
        return torch.where(length > 0, pair / length, 0.0)


@dataclass(frozen=True)
class Intersection:
    """Where a search for intersections ended.

    Attributes:
        positions: [bohr].
        gap: Energy between the two states there [hartree].
        found: Whether it is below the tolerance. Where it is not, the states may avoid each other.
    """

    positions: Float[Tensor, "traj atom x"]
    gap: Float[Tensor, "traj"]
    found: Bool[Tensor, "traj"]


def branching_vectors(
    model: Model, positions: Float[Tensor, "traj atom x"], k: int = 0, l: int = 1
) -> BranchingVectors:
    """Return g = ∇(E_l - E_k)/2 and h = ⟨k|∇W|l⟩.

    Args:
        model: Any model; a learned one in float64 (`model.double()`) where the gap is below 1e-6 hartree.
        positions: Nuclear positions [bohr].
        k: Lower state.
        l: Upper state.

    Raises:
        InputError: There are no such states, or positions do not fit the model.
    """
    _check_states(model, k, l)
    result = surfaces(model, positions)
    difference = 0.5 * (result.forces[:, k] - result.forces[:, l])
    gap = result.energies[:, l] - result.energies[:, k]
    return BranchingVectors(gap, difference, result.interstate_coupling[:, k, l])


def find_intersection(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    k: int = 0,
    l: int = 1,
    *,
    tolerance_hartree: float = 1e-9,
    max_steps: int = 100,
) -> Intersection:
    """Return the degeneracy of two states that lies closest to each geometry.

    Each step is the shortest one that closes the gap to first order, g·d = -gap/2 and h·d = 0, which lies in
    the branching plane, and along the seam the way back towards the start R₀:
    d = G⁺(-gap/2, 0) + (1 - G⁺G)(R₀ - R), where the rows of G are g and h.

    Source: the projection of M. J. Bearpark, M. A. Robb and H. B. Schlegel, Chem. Phys. Lett. 223, 269
    (1994), with the distance from the start in place of the energy.

    Args:
        model: Any model; a learned one in float64 (`model.double()`).
        positions: Geometries to start from [bohr].
        k: Lower state.
        l: Upper state.
        tolerance_hartree: Gap that counts as none.
        max_steps: Steps after which the search is given up.

    Raises:
        InputError: There are no such states, or positions do not fit the model.
    """
    check_positions(model, positions)
    _check_states(model, k, l)
    here = positions
    for step in range(max_steps + 1):
        vectors = branching_vectors(model, here, k, l)
        # Where two states are one level, their vectors span the plane only together, however they are turned.
        both = torch.stack([vectors.difference, vectors.coupling], dim=1).flatten(2)
        inverse = torch.linalg.pinv(both, rtol=_RELATIVE_LENGTH)
        target = torch.stack([-0.5 * vectors.gap, torch.zeros_like(vectors.gap)], dim=-1)
        close = (inverse @ target.unsqueeze(-1)).squeeze(-1)
        back = (positions - here).flatten(1)
        back = back - (inverse @ (both @ back.unsqueeze(-1))).squeeze(-1)
        move = (close + back).unflatten(-1, here.shape[1:])
        longest = move.norm(dim=-1).amax(dim=-1)
        found = vectors.gap <= tolerance_hartree
        if step == max_steps or bool((found & (longest < _SMALLEST_STEP_BOHR)).all()):
            break
        move = move * (_LARGEST_STEP_BOHR / longest.clamp(min=_LARGEST_STEP_BOHR))[:, None, None]
        finished = found & (longest < _SMALLEST_STEP_BOHR)
        here = torch.where(finished[:, None, None], here, here + move)
    return Intersection(here, vectors.gap, found)


def loop_in_plane(
    centre: Float[Tensor, "atom x"],
    plane: Float[Tensor, "2 atom x"],
    *,
    radius_bohr: float,
    n_points: int = 48,
) -> Float[Tensor, "point atom x"]:
    """Return the points of a circle R + r (cos φ e₁ + sin φ e₂), without repeating the first at the end.

    Args:
        centre: Geometry in the middle [bohr].
        plane: Two orthonormal directions, such as `BranchingVectors.plane()` of one geometry.
        radius_bohr: Radius r.
        n_points: Number of points.
    """
    angles = torch.arange(n_points, dtype=centre.dtype, device=centre.device) * (2.0 * math.pi / n_points)
    circle = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return centre + radius_bohr * (circle[:, :, None, None] * plane).sum(1)


def geometric_phase(model: Model, loop: Float[Tensor, "point atom x"]) -> Int[Tensor, "state"]:
    """Return for each state 1, or -1 if its eigenvector comes back from the loop with the other sign.

    The eigenvector is carried from point to point by the sign of ⟨k(i)|k(i+1)⟩, and from the last back to
    the first. A state changes its sign if the loop goes around an odd number of its intersections.

    Source: M. V. Berry, Proc. R. Soc. Lond. A 392, 45 (1984), section 4; G. Herzberg and
    H. C. Longuet-Higgins, Discuss. Faraday Soc. 35, 77 (1963).

    Args:
        model: Any model.
        loop: Geometries along a closed path [bohr]; the first one follows the last.

    Raises:
        InputError: An eigenvector turns too far between two points to be followed.
    """
    _, vectors = energies_and_eigenvectors(model, loop)
    overlaps = (vectors * vectors.roll(-1, dims=0)).sum(dim=1)
    smallest = float(overlaps.abs().min())
    if smallest < _SMALLEST_OVERLAP:
        raise InputError(
            f"`loop` must have overlaps of a state at neighbouring points above {_SMALLEST_OVERLAP}, but the "
            f"smallest is {smallest:.2f}. Try more points, or a loop that passes no intersection so closely."
        )
    return overlaps.sign().prod(dim=0).to(torch.int64)


def _check_states(model: Model, k: int, l: int) -> None:
    if not 0 <= k < l < model.n_states:
        raise InputError(
            f"`k` and `l` must be two states with 0 <= k < l < {model.n_states}, but are {k} and {l}."
        )
