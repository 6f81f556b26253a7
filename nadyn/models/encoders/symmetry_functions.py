"""Atom-centred symmetry functions, radial and angular, resolved by element.

Radial, for each neighbour element:    G2 = Σ_j exp(-η (r_ij - r_s)²) f_c(r_ij)
Angular, for each pair of elements:    G4 = 2^(1-ζ) Σ_{j<k} (1 + λ cos θ_jik)^ζ f_c(r_ij) f_c(r_ik) f_c(r_jk)
                                            · exp(-η (r_ij² + r_ik² + r_jk²))

Source: J. Behler, J. Chem. Phys. 134, 074106 (2011), equations 6 and 8.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.angular import unit_harmonics
from nadyn.models.encoders.features import Features
from nadyn.models.encoders.kind import CommonEncoderSection, EncoderKind
from nadyn.models.encoders.radial import cutoff_function
from nadyn.models.surroundings import Surroundings

# Numbers of single precision in a cache line.
_LINE = 16


class SymmetryFunctionSection(CommonEncoderSection):
    """The section `encoder: {name: acsf}` of a training file."""

    name: Literal["acsf"] = "acsf"


@dataclass(frozen=True)
class SymmetryFunctionSettings:
    """Hyperparameters of `SymmetryFunctions`; lengths in bohr, exponents in bohr⁻².

    Attributes:
        radial_eta, radial_shift: One pair (η, r_s) a radial function.
        angular_eta: Exponents η of the angular functions.
        angular_zeta: Powers ζ; each is used with λ = +1 and λ = -1.
    """

    elements: tuple[int, ...]
    cutoff: float
    radial_eta: tuple[float, ...]
    radial_shift: tuple[float, ...]
    angular_eta: tuple[float, ...]
    angular_zeta: tuple[int, ...] = (1, 2, 4, 8)
    cutoff_function: str = "polynomial"

    @property
    def reach(self) -> float:
        return self.cutoff


def automatic_symmetry_functions(
    elements: tuple[int, ...],
    cutoff: float,
    shortest: float,
    *,
    n_radial: int = 16,
    cutoff_function: str = "polynomial",
) -> SymmetryFunctionSettings:
    """Choose parameters from the cutoff and the shortest distance of the data [bohr].

    Radial centres are equidistant from `shortest` to the cutoff, and each Gaussian falls to exp(-½·…) = 0.61
    one spacing away (η = 1/(2 Δ²)), as in M. Gastegger et al., J. Chem. Phys. 148, 241709 (2018). Angular
    exponents make exp(-η Σr²) reach 1/e for a triangle with sides of a quarter, a half and all of the cutoff.
    """
    spacing = (cutoff - shortest) / n_radial
    shifts = tuple(shortest + k * spacing for k in range(n_radial))
    etas = (0.5 / spacing**2,) * n_radial
    angular = tuple(1.0 / (3.0 * (fraction * cutoff) ** 2) for fraction in (0.25, 0.5, 1.0))
    return SymmetryFunctionSettings(elements, cutoff, etas, shifts, angular, cutoff_function=cutoff_function)


class SymmetryFunctions(nn.Module):
    """Encoder with fixed functions; build it from `SymmetryFunctionSettings`."""

    def __init__(self, settings: SymmetryFunctionSettings):
        super().__init__()
        self.settings = settings
        self.cutoff = settings.cutoff
        n_elements, n_radial = len(settings.elements), len(settings.radial_eta)
        self.register_buffer("radial_eta", torch.tensor(settings.radial_eta))
        self.register_buffer("radial_shift", torch.tensor(settings.radial_shift))
        self.register_buffer("angular_eta", torch.tensor(settings.angular_eta))
        n_angular = 2 * len(settings.angular_zeta) * len(settings.angular_eta)
        self.n_vectors = n_elements * n_radial
        self.n_invariants = n_elements * n_radial + n_elements * (n_elements + 1) // 2 * n_angular

    def forward(self, surroundings: Surroundings) -> Features:
        """Return G2 and G4, and the sums of r̂ and r̂r̂ - 1/3 weighted as G2."""
        distances = surroundings.distances
        weight = cutoff_function(self.settings.cutoff_function, distances, self.cutoff)
        radial = torch.exp(-self.radial_eta * (distances.unsqueeze(-1) - self.radial_shift) ** 2)
        unit = surroundings.vectors / distances.unsqueeze(-1)
        first, second, _ = unit_harmonics(unit.movedim(-1, 0))
        # Filled up to 16 components: small matrix products round by how each matrix is aligned in memory,
        # and matrices of whole cache lines are all aligned alike, wherever a molecule stands in the batch.
        blank = torch.zeros_like(first[:1]).expand(_LINE - 9, *first.shape[1:])
        ranks = torch.cat([torch.ones_like(first[:1]), first, second, blank]).movedim(0, -1)
        harmonics = ranks * weight.unsqueeze(-1)
        slots = dict(surroundings.slots)
        sums = []
        for element in self.settings.elements:
            if element in slots:
                part = slots[element]
                sums.append(radial[:, :, part].transpose(-1, -2) @ harmonics[:, :, part])
            else:
                sums.append(radial.new_zeros((*distances.shape[:2], radial.shape[-1], harmonics.shape[-1])))
        moments = torch.cat(sums, dim=-2)
        angular = self._angular(surroundings, unit, weight, slots)
        invariants = torch.cat([moments[..., 0], *angular], dim=-1)
        return Features(invariants, moments[..., 1:4], moments[..., 4:9])

    def _angular(
        self, surroundings: Surroundings, unit: Tensor, weight: Tensor, slots: dict[int, slice]
    ) -> list[Float[Tensor, "atom traj feature"]]:
        elements = self.settings.elements
        n_functions = 2 * len(self.settings.angular_zeta) * len(self.settings.angular_eta)
        blocks = []
        for a, first in enumerate(elements):
            for second in elements[a:]:
                pairs = _slot_pairs(slots.get(first), slots.get(second))
                if pairs is None:
                    blocks.append(weight.new_zeros((*weight.shape[:2], n_functions)))
                else:
                    blocks.append(self._triples(surroundings, unit, weight, *pairs))
        return blocks

    def _triples(
        self, surroundings: Surroundings, unit: Tensor, weight: Tensor, j: Tensor, k: Tensor
    ) -> Float[Tensor, "atom traj feature"]:
        r_j, r_k = surroundings.distances[:, :, j], surroundings.distances[:, :, k]
        across = surroundings.vectors[:, :, j] - surroundings.vectors[:, :, k]
        square = (across * across).sum(-1)
        r_jk = torch.sqrt(square)
        cosine = (unit[:, :, j] * unit[:, :, k]).sum(-1)
        weight_jk = cutoff_function(self.settings.cutoff_function, r_jk, self.cutoff)
        triple = weight[:, :, j] * weight[:, :, k] * weight_jk
        sides = r_j * r_j + r_k * r_k + square
        radial = torch.exp(-self.angular_eta * sides.unsqueeze(-1)) * triple.unsqueeze(-1)
        powers = [
            2.0 ** (1 - zeta) * (1.0 + sign * cosine) ** zeta
            for zeta in self.settings.angular_zeta
            for sign in (1.0, -1.0)
        ]
        angular = torch.stack(powers, dim=-1)
        sums = [(angular * part).sum(dim=-2) for part in radial.split(1, dim=-1)]
        return torch.cat(sums, dim=-1)


def _slot_pairs(first: slice | None, second: slice | None) -> tuple[Tensor, Tensor] | None:
    """Return the slots j and k of every pair, each unordered pair once; None if there is none."""
    if first is None or second is None:
        return None
    if first == second:
        size = first.stop - first.start
        if size < 2:
            return None
        j, k = torch.triu_indices(size, size, offset=1)
        return j + first.start, k + first.start
    grid = torch.cartesian_prod(
        torch.arange(first.start, first.stop), torch.arange(second.start, second.stop)
    )
    return grid[:, 0], grid[:, 1]


def _choose(
    section: SymmetryFunctionSection, elements: tuple[int, ...], cutoff: float, shortest: float
) -> SymmetryFunctionSettings:
    return automatic_symmetry_functions(
        elements, cutoff, shortest, n_radial=section.n_radial, cutoff_function=section.cutoff_function
    )


def _reduce(section: SymmetryFunctionSection) -> SymmetryFunctionSection:
    return section.model_copy(update={"n_radial": min(6, section.n_radial)})


ACSF = EncoderKind(SymmetryFunctionSection, SymmetryFunctionSettings, SymmetryFunctions, _choose, _reduce)
