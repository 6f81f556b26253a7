"""From data and configuration to an untrained network."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.contacts import shortest_contacts
from nadyn.models.encoders.table import choose_settings
from nadyn.models.heads.charges import ChargesSettings
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.heads.polarisability import PolarisabilitySettings
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.molecules import Molecule
from nadyn.models.potential import Potential, PotentialSettings, atomic_sum
from nadyn.models.starting_weights import starting_weights
from nadyn.models.surroundings import Surroundings
from nadyn.models.terms.dispersion import DispersionSettings
from nadyn.models.terms.electrostatics import electrostatic_energy, width_of
from nadyn.structures.distances import closest_approach
from nadyn.training.assignments import Assignment, assignments, given_assignment
from nadyn.training.configuration import ModelSection, TrainingConfiguration
from nadyn.training.long_range import first_differences, formal_charges, start_charges
from nadyn.training.samples import Samples
from nadyn.units import BOHR_PER_ANGSTROM

# Periodic images farther away are nobody's shortest distance.
_IMAGES_WITHIN = 6.0 * BOHR_PER_ANGSTROM


def build_network(
    configuration: TrainingConfiguration,
    samples: tuple[Samples, ...],
    shortest: np.ndarray,
    elements: tuple[int, ...],
    assignment: Assignment | None = None,
    closest: float | None = None,
) -> Potential:
    """Return a network with reference energies and standardised descriptors, ready to be trained.

    Args:
        configuration: What to build.
        samples: The training set.
        shortest: Shortest distance of each pair of elements [bohr], from `shortest_distances`.
        elements: Atomic numbers that occur.
        assignment: Latent basis and start of a diabatic model; None for that of the configuration, and
            where that leaves it open, the first of `assignments`.
        closest: Where the innermost radial functions lie [bohr]; None for the shortest distance in the data.

    Raises:
        InputError: The basis or the kind does not fit the number of states.
    """
    section = configuration.model
    n_states = samples[0].energies.shape[1]
    cutoff = configuration.encoder.cutoff_angstrom * BOHR_PER_ANGSTROM
    closest = float(shortest.min()) if closest is None else closest
    closest = min(closest if np.isfinite(closest) else 1.5, 0.5 * cutoff)
    encoder = choose_settings(configuration.encoder, elements, cutoff, closest)
    network_settings = NetworkSettings(encoder, section.hidden, section.activation, section.networks)
    with starting_weights(configuration.seed):
        settings = _settings(section, network_settings, shortest, n_states, assignment)
        more = {"heads": _heads(samples), **_long_range(section, cutoff)}
        more["numbers"] = _numbers(settings.basis, samples)
        potential = Potential(replace(settings, **more))
    if potential.charges is not None:
        potential.charges.formal.copy_(formal_charges(samples, elements, section, cutoff))
    if potential.dispersion is not None:
        potential.dispersion.set_functional(section.dispersion.functional)
    _initialise(potential, samples, elements)
    return potential


def is_atomic_sum(section: ModelSection, n_states: int) -> bool:
    """Tell whether a training file asks for a ground-state potential; `kind: auto` does for one state."""
    if section.kind == "auto":
        return n_states == 1 and section.basis == "auto"
    return section.kind == "atomic_sum"


def elements_of(dataset: Dataset) -> tuple[int, ...]:
    """Return the atomic numbers that occur, ascending."""
    return tuple(sorted({int(number) for group in dataset.groups for number in group.atomic_numbers}))


def molecules_of(dataset: Dataset) -> tuple[Molecule, ...]:
    """Return the molecule of each group: number of frames, lowest frame, contacts of its composition."""
    contacts = _contacts(dataset)
    return tuple(_molecule(group, contacts[_composition(group)]) for group in dataset.groups)


def _composition(group: Group) -> tuple[int, ...]:
    return tuple(sorted(int(number) for number in group.atomic_numbers))


def _molecule(group: Group, contacts: np.ndarray | None) -> Molecule:
    lowest = int(np.nanargmin(group.energies[:, 0]))
    return Molecule(
        group.name,
        tuple(int(number) for number in group.atomic_numbers),
        group.n_frames,
        torch.from_numpy(group.positions[lowest].copy()),
        torch.from_numpy(group.cell[lowest].copy()) if group.pbc.any() else None,
        tuple(bool(periodic) for periodic in group.pbc),
        None if contacts is None else torch.from_numpy(contacts.copy()),
    )


def shortest_distances(dataset: Dataset, elements: tuple[int, ...]) -> np.ndarray:
    """Return the shortest distance of each pair of elements [bohr], periodic images included.

    A pair of elements that never occurs has inf.
    """
    shortest = np.full((len(elements), len(elements)), np.inf)
    for group in dataset.groups:
        index = np.array([elements.index(int(number)) for number in group.atomic_numbers])
        cutoff = _IMAGES_WITHIN if group.pbc.any() else np.inf
        closest = closest_approach(group.positions, cutoff=cutoff, cell=group.cell, pbc=group.pbc)
        np.minimum.at(shortest, (index[:, None], index[None, :]), closest)
    return shortest


def _contacts(dataset: Dataset) -> dict[tuple[int, ...], np.ndarray | None]:
    """Return the contacts of each composition in its frames; in a cell it has none."""
    found: dict[tuple[int, ...], np.ndarray | None] = {}
    for group in dataset.groups:
        key = _composition(group)
        if group.pbc.any():
            found[key] = None
            continue
        shortest = shortest_contacts(tuple(int(number) for number in group.atomic_numbers), group.positions)
        before = found.get(key, shortest)
        found[key] = None if before is None else np.minimum(before, shortest)
    return found


def _settings(
    section: ModelSection,
    network: NetworkSettings,
    shortest: np.ndarray,
    n_states: int,
    assignment: Assignment | None,
) -> PotentialSettings:
    ends = _repulsion_ends(shortest, network.encoder.cutoff) if section.repulsion == "zbl" else None
    if is_atomic_sum(section, n_states):
        if n_states != 1:
            raise InputError(
                f"`model.kind` atomic_sum must have data of one state, but the data have {n_states}. "
                "Try diabatic."
            )
        return atomic_sum(network, ends)
    if assignment is None and section.basis == "auto":
        assignment = assignments(n_states)[0]
    elif assignment is None:
        assignment = given_assignment(section.basis, section.start, n_states)
    return PotentialSettings(network, assignment.basis, n_states, assignment.start, ends)


def _numbers(basis: str, samples: tuple[Samples, ...]) -> tuple[int, ...] | None:
    """Return the atoms of the molecule where rows of the basis change their signs under exchanges of them."""
    if not parse_basis(basis).odd:
        return None
    if len(molecules := {group.numbers for group in samples}) > 1:
        raise InputError(
            f"`model.basis` must be of rows that keep their sign for data of {len(molecules)} molecules, but "
            f"is {basis!r}. Train one model for each."
        )
    return molecules.pop()


def _long_range(section: ModelSection, cutoff: float) -> dict[str, object]:
    """Return the settings of what acts beyond the cutoff."""
    result: dict[str, object] = {}
    if section.electrostatics is not None:
        result["electrostatics"] = ChargesSettings(width_of(cutoff))
    if section.dispersion is not None:
        result["dispersion"] = DispersionSettings(section.dispersion.functional, section.dispersion.in_labels)
    return result


def _repulsion_ends(shortest: np.ndarray, cutoff: float) -> tuple[tuple[float, ...], ...]:
    """Return where the repulsion of each pair of elements ends [bohr].

    It is zero from the shortest distance in the data on, so that no label is touched, and pushes below: above
    the 0.9 of that distance at which dynamics stops a trajectory.
    """
    reach = np.where(np.isfinite(shortest), shortest, 1.0)
    # Elements that never come closer than the cutoff repel within it only.
    return tuple(tuple(float(end) for end in row) for row in np.minimum(reach, cutoff))


def _heads(samples: tuple[Samples, ...]) -> tuple[object, ...]:
    """Return the heads that the samples have labels for.

    Raises:
        InputError: Dipoles of different total charge.
    """
    heads: list[object] = []
    if charges := {group.charge for group in samples if group.dipoles is not None}:
        if len(charges) > 1:
            raise InputError(
                "molecules whose dipoles are learned together must have one charge, but have "
                f"{' and '.join(f'{charge:+d}' for charge in sorted(charges))}. Train one model for each, or "
                "leave dipoles out with `model: {properties: []}`."
            )
        heads.append(DipoleSettings(charges.pop()))
    if any(group.polarisabilities is not None for group in samples):
        heads.append(PolarisabilitySettings())
    return tuple(heads)


def _initialise(potential: Potential, samples: tuple[Samples, ...], elements: tuple[int, ...]) -> None:
    start_charges(potential, samples)
    compositions, energies, frames = [], [], []
    for group in samples:
        counts = torch.tensor([group.numbers.count(element) for element in elements])
        compositions.append(counts.expand(len(group), -1))
        own = surroundings_of(potential, group)
        energies.append(group.energies - _of_first_charges(potential, own))
        frames += own
    potential.reference.set_from_data(torch.cat(compositions), torch.cat(energies), potential.start_rows())
    potential.standardise(frames)
    _initialise_heads(potential, samples, compositions)


def _initialise_heads(
    potential: Potential, samples: tuple[Samples, ...], compositions: list[Int[Tensor, "_ element"]]
) -> None:
    if "dipole" in potential.heads:
        dipoles = [_about_the_middle(group) for group in samples if group.dipoles is not None]
        potential.heads["dipole"].set_scale(torch.cat([one.reshape(-1, 3) for one in dipoles]))
    if "polarisability" in potential.heads:
        known = [number for number, group in enumerate(samples) if group.polarisabilities is not None]
        labels = torch.cat([samples[number].polarisabilities for number in known])
        potential.heads["polarisability"].set_scale(
            labels, torch.cat([compositions[number] for number in known])
        )


def _about_the_middle(group: Samples) -> Float[Tensor, "frame state state 3"]:
    """Return dipoles about the middle of the atoms: those of an ion do not grow with its place."""
    moved = group.charge * torch.eye(group.dipoles.shape[1], dtype=torch.float64)
    return group.dipoles - moved[:, :, None] * group.positions.mean(dim=1)[:, None, None]


@torch.no_grad()
def _of_first_charges(potential: Potential, frames: list[Surroundings]) -> Float[Tensor, "frame 1"]:
    """Return the energy of the charges that a training begins from."""
    none = torch.zeros(sum(one.n_structures for one in frames), 1, dtype=torch.float64)
    if potential.charges is None:
        return none
    differences = first_differences(potential)
    if not (differences.any() or potential.charges.formal.any()):
        return none
    width = potential.settings.electrostatics.width
    energies = []
    for one in frames:
        charges = potential.charges(potential.charges.of_elements(differences, one), one)
        energies.append(electrostatic_energy(charges, one, width).unsqueeze(1))
    return torch.cat(energies)


def surroundings_of(potential: Potential, samples: Samples, chunk: int = 64) -> list:
    """Return the surroundings of all frames in chunks of frames."""
    result = []
    for start in range(0, len(samples), chunk):
        part = samples.take(torch.arange(start, min(start + chunk, len(samples))))
        result.append(part.surroundings(part.positions, potential.network.cutoff))
    return result
