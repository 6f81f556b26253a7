"""What the positions of frames give that no weight changes: sums over neighbours, and their derivatives.

M_i,ck = Σ_j g_k(r_ij) f_c(r_ij) Y_c(r̂_ij), for each element of the neighbours, with Y of ranks 0 to 3. They
are computed once for a training set that fits into memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.encoders.angular import unit_harmonics, unit_harmonics_slope
from nadyn.models.encoders.density_moments import DensityMoments
from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.encoders.radial import (
    cutoff_function,
    exponential_basis,
    exponential_slope,
    polynomial_cutoff,
)
from nadyn.models.matrix.numbered_atoms import pair_functions, pair_slopes
from nadyn.models.potential import Potential
from nadyn.models.surroundings import ElementSlices, Surroundings, lengths


@dataclass(frozen=True)
class PairFunctions:
    """Functions of the vectors from atoms to neighbours, with slopes.

    Attributes:
        vectors, unit: r_ij [bohr] and r̂_ij.
        radial, slope: g f_c and its derivative; derivatives are None where they are not wanted.
        harmonics, gradient: Y, with Y_0 = 1 first, and ∂Y/∂r_ij.
        pull, pull_slope: f_c/r, which weighs neighbours in the in-plane term, and its derivative.
        neighbours: Atom in each slot; None where slot j is atom j.
    """

    vectors: Float[Tensor, "frame atom 3 slot"]
    unit: Float[Tensor, "frame atom 3 slot"]
    radial: Float[Tensor, "frame atom slot radial"]
    slope: Float[Tensor, "frame atom slot radial"] | None
    harmonics: Float[Tensor, "frame atom slot 16"]
    gradient: Float[Tensor, "frame atom 3 slot 16"] | None
    pull: Float[Tensor, "frame atom slot"] | None
    pull_slope: Float[Tensor, "frame atom slot"] | None
    neighbours: Int[Tensor, "frame atom slot"] | None


@dataclass(frozen=True)
class Geometry:
    """Frames of one molecule.

    Attributes:
        moments: M, the radial functions of one element of the neighbours after the other.
        in_plane: Σ_ij f_c² r̂ r̂ᵀ, where W has that term.
        repulsion: Energy of the repulsion [hartree], where there is one.
        repulsion_slope: Its derivative in r_ij.
        pairs: What derivatives are made of, and messages; None where there are neither.
        numbered: What the network of numbered atoms reads of each pair of atoms, where there is one.
        numbered_slope: Its derivative in the distance, where derivatives are wanted.
        slots: Elements of the slots.
        elements: Those of the encoder.
    """

    moments: Float[Tensor, "frame atom 16 input"]
    in_plane: Float[Tensor, "frame 3 3"] | None
    repulsion: Float[Tensor, "frame"] | None
    repulsion_slope: Float[Tensor, "frame atom 3 slot"] | None
    pairs: PairFunctions | None
    slots: ElementSlices
    elements: tuple[int, ...]
    numbered: Float[Tensor, "frame pair function"] | None = None
    numbered_slope: Float[Tensor, "frame pair function"] | None = None

    def take(self, index: Int[Tensor, "chosen"]) -> "Geometry":
        """Return that of the chosen frames."""
        pairs = None if self.pairs is None else _taken(self.pairs, index)
        return replace(_taken(self, index), pairs=pairs)

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        own = [getattr(self, field.name) for field in fields(self)]
        own += [] if self.pairs is None else [getattr(self.pairs, field.name) for field in fields(self.pairs)]
        return sum(array.nbytes for array in own if isinstance(array, Tensor))


@dataclass(frozen=True)
class Frames:
    """Frames of one molecule: composition, ascending, and what their geometry gives."""

    numbers: tuple[int, ...]
    geometry: Geometry

    def __len__(self) -> int:
        return len(self.geometry.moments)


def sends_messages(potential: Potential) -> bool:
    """Tell whether atoms hear from their neighbours what those see."""
    return type(potential.network.encoder) is EquivariantMessages


def moments_of(potential: Potential) -> DensityMoments:
    """Return the density moments that an encoder is, or that it begins with."""
    encoder = potential.network.encoder
    return encoder.moments if sends_messages(potential) else encoder


@torch.no_grad()
def geometry(potential: Potential, surroundings: Surroundings, *, derivatives: bool) -> Geometry:
    """Return the sums for frames of one molecule and, if wanted, what their derivatives are made of."""
    matrix, elements = potential.matrix, moments_of(potential).settings.elements
    vectors = surroundings.vectors.permute(1, 0, 3, 2).contiguous()
    distances = surroundings.distances.transpose(0, 1).contiguous()
    unit = vectors / distances.unsqueeze(2)
    radial, slope = _radial(potential, distances, derivatives=derivatives)
    angular = _angular(unit)

    def weight(r: Tensor) -> Tensor:
        return polynomial_cutoff(r / matrix.cutoff) / r

    in_plane, pull, pull_slope = None, None, None
    if matrix.first_vectors:
        pull, pull_slope = _with_slope(weight, distances) if derivatives else (weight(distances), None)
        pulled = (vectors * pull.unsqueeze(2)).transpose(1, 2).flatten(2)
        in_plane = (pulled @ pulled.mT).to(torch.float64)
    energy, energy_slope = None, None
    if potential.repulsion is not None:
        energy, energy_slope = _repulsion(potential, surroundings)
    pairs = None
    if derivatives or sends_messages(potential):
        neighbours = surroundings.neighbours
        if neighbours is not None:
            neighbours = neighbours.transpose(0, 1).contiguous()
        gradient = _gradient(unit, distances) if derivatives else None
        pairs = PairFunctions(vectors, unit, radial, slope, angular, gradient, pull, pull_slope, neighbours)
    slots = surroundings.slots
    sums = _sums(radial, angular, slots, elements)
    numbered = _numbered(potential, surroundings, derivatives=derivatives)
    return Geometry(sums, in_plane, energy, energy_slope, pairs, slots, elements, *numbered)


def _numbered(
    potential: Potential, surroundings: Surroundings, *, derivatives: bool
) -> tuple[Tensor | None, Tensor | None]:
    part = potential.numbered
    if part is None:
        return None, None
    distances = part.distances(surroundings)
    values = pair_functions(distances, part.cutoff)
    return values, pair_slopes(distances, part.cutoff) if derivatives else None


def _angular(unit: Float[Tensor, "frame atom 3 slot"]) -> Float[Tensor, "frame atom slot 16"]:
    """Return Y of ranks 0 to 3."""
    first = unit.movedim(2, 0)
    return torch.cat([torch.ones_like(first[:1]), *unit_harmonics(first)]).movedim(0, -1).contiguous()


def _gradient(
    unit: Float[Tensor, "frame atom 3 slot"], distances: Float[Tensor, "frame atom slot"]
) -> Float[Tensor, "frame atom 3 slot 16"]:
    """Return ∂Y/∂r: where r moves along x, r̂ moves by (x - r̂ (r̂·x))/r."""
    first = unit.movedim(2, 0)
    constant = torch.zeros_like(first[:1])
    slopes = []
    for x in range(3):
        moved = -first * first[x]
        moved[x] += 1.0
        slopes.append(torch.cat([constant, unit_harmonics_slope(first, moved / distances)]))
    return torch.stack(slopes).permute(2, 3, 0, 4, 1).contiguous()


def _with_slope(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and derivatives of a function of one number."""
    with torch.enable_grad():
        leaf = at.detach().requires_grad_(True)
        value = function(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), slope


def _radial(
    potential: Potential, distances: Float[Tensor, "frame atom slot"], *, derivatives: bool
) -> tuple[Float[Tensor, "frame atom slot radial"], Float[Tensor, "frame atom slot radial"] | None]:
    """Return g f_c and its derivative."""
    encoder = moments_of(potential)

    def end(r: Tensor) -> Tensor:
        return cutoff_function(encoder.settings.cutoff_function, r, encoder.cutoff)

    basis = exponential_basis(distances, encoder.centres, encoder.inverse_width, encoder.cutoff)
    if not derivatives:
        return basis * end(distances).unsqueeze(-1), None
    weight, weight_slope = _with_slope(end, distances)
    slope = exponential_slope(distances, basis, encoder.centres, encoder.inverse_width, encoder.cutoff)
    return basis * weight.unsqueeze(-1), slope * weight.unsqueeze(-1) + basis * weight_slope.unsqueeze(-1)


def _sums(
    functions: Tensor, angular: Tensor, slots: ElementSlices, elements: tuple[int, ...]
) -> Float[Tensor, "frame atom 16 input"]:
    own = dict(slots)
    empty = functions.new_zeros((*functions.shape[:2], 16, functions.shape[-1]))
    sums = [
        angular[:, :, own[element]].mT @ functions[:, :, own[element]] if element in own else empty
        for element in elements
    ]
    return torch.cat(sums, dim=-1)


def _repulsion(potential: Potential, surroundings: Surroundings) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        vectors = surroundings.vectors.detach().requires_grad_(True)
        energy = potential.repulsion(replace(surroundings, vectors=vectors, distances=lengths(vectors)))
        (slope,) = torch.autograd.grad(energy.sum(), vectors)
    return energy.detach(), slope.permute(1, 0, 3, 2).contiguous()


def _taken(arrays: object, index: Tensor) -> object:
    found = {field.name: getattr(arrays, field.name) for field in fields(arrays)}
    chosen = {name: one[index] for name, one in found.items() if isinstance(one, Tensor)}
    return replace(arrays, **chosen)
