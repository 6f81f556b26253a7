"""Learned models with random weights: laws hold whether or not anything was learned."""

from dataclasses import replace

import torch

from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.encoders.equivariant import EquivariantSettings
from nadyn.models.encoders.kind import EncoderSettings
from nadyn.models.encoders.messages import MessagesSettings
from nadyn.models.encoders.soap import SoapSettings
from nadyn.models.encoders.symmetry_functions import automatic_symmetry_functions
from nadyn.models.heads.charges import ChargesSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.matrix.basis import REPRESENTATIONS, parse_basis
from nadyn.models.potential import Potential, PotentialSettings, atomic_sum
from nadyn.models.terms.dispersion import DispersionSettings

ELEMENTS = (1, 6, 7, 9)
CUTOFF = 7.0


def encoder_settings(
    name: str, *, cutoff: float = CUTOFF, cutoff_function: str = "polynomial"
) -> EncoderSettings:
    """Small settings of an encoder, lengths in bohr; "NAME mixed" is one with mixtures of elements."""
    if name.endswith(" mixed"):
        settings = encoder_settings(
            name.removesuffix(" mixed"), cutoff=cutoff, cutoff_function=cutoff_function
        )
        return replace(settings, element_channels=2)
    if name == "acsf":
        return automatic_symmetry_functions(
            ELEMENTS, cutoff, 1.5, n_radial=5, cutoff_function=cutoff_function
        )
    if name == "soap":
        return SoapSettings(ELEMENTS, cutoff, 1.5, 4, 3, 0.9, cutoff_function)
    if name == "messages":
        return MessagesSettings(ELEMENTS, cutoff, 1.5, 5, 8, 2, cutoff_function)
    kind = {"moments": MomentsSettings, "equivariant": EquivariantSettings}[name]
    return kind(ELEMENTS, cutoff, 1.5, 5, 4, cutoff_function)


def _function_sizes(basis: str) -> list[int]:
    return [REPRESENTATIONS[name] for name, count in parse_basis(basis).counts for _ in range(count)]


def untrained(
    encoder: str,
    basis: str | None,
    *,
    n_states: int = 2,
    atomic_numbers: tuple[int, ...] = (7, 1, 1, 9),
    repulsion: float | None = None,
    offsets: tuple[float, ...] | None = None,
    cutoff: float = CUTOFF,
    cutoff_function: str = "polynomial",
    activation: str = "silu",
    networks: str = "per_element",
    seed: int = 3,
    heads: tuple[object, ...] = (),
    formal_charges: tuple[float, ...] | None = None,
    functional: str | None = None,
) -> LearnedModel:
    """Return a model with random weights large enough that every part of it matters.

    Args:
        encoder: One of `ENCODERS`.
        basis: Latent basis, or None for an atomic sum.
        repulsion: Distance [bohr] at which the repulsion ends, or None.
        offsets: Energy [hartree] of each function of the basis; ascending in steps of 0.02 if None.
        heads: Settings of the heads beside that of W.
        formal_charges: Of the elements, for charges that act at all distances; None for no charges.
        functional: Of the dispersion, or None.
    """
    settings = NetworkSettings(
        encoder_settings(encoder, cutoff=cutoff, cutoff_function=cutoff_function),
        (16, 8),
        activation,
        networks,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ends = None if repulsion is None else ((repulsion,) * len(ELEMENTS),) * len(ELEMENTS)
        if basis is None:
            chosen = atomic_sum(settings, ends, heads)
        else:
            numbers = tuple(sorted(atomic_numbers)) if parse_basis(basis).odd else None
            chosen = PotentialSettings(settings, basis, n_states, ("0e",), ends, heads, numbers=numbers)
        charges = None if formal_charges is None else ChargesSettings(cutoff / 5)
        dispersion = None if functional is None else DispersionSettings(functional)
        network = Potential(replace(chosen, electrostatics=charges, dispersion=dispersion))
        if formal_charges is not None:
            network.charges.formal.copy_(torch.tensor(formal_charges, dtype=torch.float64))
        if functional is not None:
            network.dispersion.set_functional(functional)
        with torch.no_grad():
            # Those of the matrix before those of the networks.
            for name, parameter in sorted(network.named_parameters(), key=lambda one: "networks" in one[0]):
                if parameter.ndim <= 1:
                    parameter.add_(0.3 * torch.randn_like(parameter))
                elif "networks" in name:
                    parameter.mul_(3.0)
        network.reference.scale.fill_(0.05)
        # One offset a representation: the rows of a vector belong together.
        kinds = [0.0]
        if basis is not None:
            sizes = _function_sizes(basis)
            chosen = offsets or [0.02 * (i + 1) for i in range(len(sizes))]
            kinds = [offset for offset, size in zip(chosen, sizes, strict=True) for _ in range(size)]
        network.reference.offsets.copy_(torch.tensor(kinds, dtype=torch.float64))
        network.reference.per_element.copy_(-torch.tensor([0.5, 37.8, 54.6, 99.7], dtype=torch.float64))
    network.requires_grad_(False)
    return LearnedModel(
        name=f"untrained-{encoder}",
        potential=network,
        atomic_numbers=atomic_numbers,
        starting_geometry=None,
        shortest_by_element=torch.full((len(ELEMENTS), len(ELEMENTS)), 1.2, dtype=torch.float64),
    )
