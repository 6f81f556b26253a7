"""Smooth overlap of atomic positions: the power spectrum of a density of Gaussians around each atom.

Each neighbour is a Gaussian of width σ, weighted by the cutoff function of its distance; the atom itself is
one too. The density of each element is expanded in orthonormal radial functions and real harmonics,

    c_enlm = ∫ g_nl(r) Y_lm(r̂) Σ_j∈e f_c(r_ij) exp(-|r - r_ij|²/2σ²) d³r,
    g_nl(r) = Σ_k β_nk r^l exp(-α_kl r²),

which has a closed form for these Gaussian radial functions. The invariants are

    p_ene'n'l = π √(8/(2l+1)) Σ_m c_enlm c_e'n'lm.

Nothing here is learned, unless elements are mixed. The coefficients of ranks 1 and 2 are the directions.

Sources: A. P. Bartók, R. Kondor and G. Csányi, Phys. Rev. B 87, 184115 (2013); radial functions as in
L. Himanen et al., Comput. Phys. Commun. 247, 106949 (2020).
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from nadyn.models.encoders.element_channels import ElementChannels, NumberOfMixtures
from nadyn.models.encoders.features import Features
from nadyn.models.encoders.harmonics import harmonics
from nadyn.models.encoders.kind import CommonEncoderSection, EncoderKind
from nadyn.models.encoders.radial import cutoff_function
from nadyn.models.surroundings import Surroundings, split_elements
from nadyn.units import BOHR_PER_ANGSTROM

# What the radial functions have fallen to where they end.
_END = 1e-3


class SoapSection(CommonEncoderSection):
    """The section `encoder: {name: soap}` of a training file."""

    name: Literal["soap"] = "soap"
    # Products of narrower matrices round by the place of a row; more functions are nearly dependent.
    n_radial: Annotated[int, Field(ge=4, le=12, multiple_of=4)] = 8
    highest_rank: Annotated[int, Field(ge=2, le=10)] = 4
    smear_angstrom: Annotated[float, Field(ge=0.1, le=2.0, allow_inf_nan=False)] = 0.5
    element_channels: NumberOfMixtures = None


@dataclass(frozen=True)
class SoapSettings:
    """Hyperparameters of `Soap`; lengths in bohr.

    Attributes:
        shortest: Where the innermost radial function ends; that of the outermost is the cutoff.
        highest_rank: The largest l.
        smear: Width σ of the Gaussians.
        element_channels: See `ElementChannels`.
    """

    elements: tuple[int, ...]
    cutoff: float
    shortest: float
    n_radial: int = 8
    highest_rank: int = 4
    smear: float = 0.5 * BOHR_PER_ANGSTROM
    cutoff_function: str = "polynomial"
    element_channels: int | None = None

    @property
    def reach(self) -> float:
        return self.cutoff


class Soap(nn.Module):
    """Encoder with fixed functions; build it from `SoapSettings`."""

    def __init__(self, settings: SoapSettings):
        super().__init__()
        self.settings = settings
        self.cutoff = settings.cutoff
        self.channels = ElementChannels(settings.elements, settings.element_channels)
        exponents, mixing, own = _radial_functions(settings)
        # In double precision: the radial functions are differences of large numbers.
        self.register_buffer("exponents", exponents, persistent=False)
        self.register_buffer("mixing", mixing, persistent=False)
        self.register_buffer("own", own, persistent=False)
        n = self.channels.n_channels * settings.n_radial
        upper = torch.triu_indices(n, n)
        self.register_buffer("upper_triangle", upper[0] * n + upper[1], persistent=False)
        self.n_vectors = n
        self.n_invariants = (settings.highest_rank + 1) * upper.shape[1]

    def forward(self, surroundings: Surroundings) -> Features:
        """Return the power spectrum, and the coefficients of ranks 1 and 2."""
        ranks = self.coefficients(surroundings)
        spectrum = []
        for l, rank in enumerate(ranks):
            grams = (rank.transpose(-1, -2) @ rank).flatten(-2).index_select(-1, self.upper_triangle)
            spectrum.append(math.pi * (8.0 / (2 * l + 1)) ** 0.5 * grams)
        vectors, tensors = (rank.transpose(-1, -2) for rank in ranks[1:3])
        return Features(torch.cat(spectrum, dim=-1), vectors, tensors)

    def coefficients(self, surroundings: Surroundings) -> list[Float[Tensor, "atom traj component channel"]]:
        """Return c of each rank; a channel is an element, or a mixture, and a radial function."""
        distances = surroundings.distances
        weight = cutoff_function(self.settings.cutoff_function, distances, self.cutoff)
        unit = surroundings.vectors.movedim(-1, 0) / distances
        # Beyond the cutoff powers of the distance would only be large.
        near = distances.clamp(max=self.cutoff)
        ranks = [torch.ones_like(distances).unsqueeze(0), *harmonics(unit, self.settings.highest_rank)]
        square, power, found = (near * near).unsqueeze(-1), weight.unsqueeze(-1), []
        for l, rank in enumerate(ranks):
            radial = power * torch.exp(-square * self.exponents[l].to(square.dtype))
            directions = rank.movedim(0, 2)
            by_element = split_elements(radial, surroundings.slots, 2)
            sums = {
                element: part @ by_element[element]
                for element, part in split_elements(directions, surroundings.slots, 3).items()
            }
            missing = radial.new_zeros((*directions.shape[:3], radial.shape[-1]))
            mixing = self.mixing[l].to(radial.dtype)
            mixed = [channel @ mixing for channel in self.channels.merge(sums, missing)]
            found.append(torch.cat(mixed, dim=-1))
            power = power * near.unsqueeze(-1)
        found[0] = found[0] + self._of_the_atom_itself(surroundings)
        return found

    def _of_the_atom_itself(self, surroundings: Surroundings) -> Float[Tensor, "atom 1 1 channel"]:
        rows, kind = [], surroundings.distances
        for element, part in surroundings.atoms:
            own = (self.channels.of(element).to(kind).unsqueeze(-1) * self.own.to(kind)).flatten()
            rows.append(own.expand(part.stop - part.start, 1, 1, -1))
        return torch.cat(rows)


def _radial_functions(
    settings: SoapSettings,
) -> tuple[Float[Tensor, "rank radial"], Float[Tensor, "rank radial radial"], Float[Tensor, "radial"]]:
    """Return what a Gaussian at distance r adds to c_nl0, as r^l Σ_k exp(-γ_kl r²) M_kn, and to c_n00 at 0.

    The radial function k falls to `_END` at radius a_k, in units of what it would be at `shortest`: α_kl =
    (l ln(a_k/shortest) - ln END)/a_k². They are made orthonormal symmetrically, β = S^(-1/2).
    """
    radii = np.linspace(settings.shortest, settings.cutoff, settings.n_radial)
    sharpness = 0.5 / settings.smear**2
    exponents, mixing = [], []
    for l in range(settings.highest_rank + 1):
        alpha = (l * np.log(radii / settings.shortest) - np.log(_END)) / radii**2
        overlap = 0.5 * math.gamma(l + 1.5) * (alpha[:, None] + alpha) ** (-l - 1.5)
        values, vectors = np.linalg.eigh(overlap)
        beta = (vectors / np.sqrt(values)) @ vectors.T
        total = sharpness + alpha
        size = (math.pi / total) ** 1.5 * (sharpness / total) ** l * ((2 * l + 1) / (4 * math.pi)) ** 0.5
        exponents.append(sharpness * alpha / total)
        mixing.append(size[:, None] * beta)
    matrices = torch.from_numpy(np.stack(mixing))
    return torch.from_numpy(np.stack(exponents)), matrices, matrices[0].sum(dim=0)


def _choose(section: SoapSection, elements: tuple[int, ...], cutoff: float, shortest: float) -> SoapSettings:
    return SoapSettings(
        elements,
        cutoff,
        shortest,
        section.n_radial,
        section.highest_rank,
        section.smear_angstrom * BOHR_PER_ANGSTROM,
        section.cutoff_function,
        section.element_channels,
    )


def _reduce(section: SoapSection) -> SoapSection:
    return section.model_copy(
        update={"n_radial": min(4, section.n_radial), "highest_rank": min(3, section.highest_rank)}
    )


SOAP = EncoderKind(SoapSection, SoapSettings, Soap, _choose, _reduce)
