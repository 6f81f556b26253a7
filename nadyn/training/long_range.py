"""What a training has to know of terms that act beyond the cutoff: formal charges, dispersion of the labels.

The energy of charges has weights and is evaluated with the network at every step; dispersion has none: where
labels contain it, it is taken out of them once, before the training, and nothing is counted twice.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.models.placement import Placement
from nadyn.models.potential import Potential
from nadyn.models.terms.dispersion import Dispersion
from nadyn.models.terms.longrange import check_cell
from nadyn.models.terms.theories import has_d3bj, has_dispersion
from nadyn.structures import formula, symbol
from nadyn.training.configuration import DispersionSection, ModelSection
from nadyn.training.learned_labels import with_labels_that_are_learned, without_eigenvectors
from nadyn.training.samples import Samples
from nadyn.units import BOHR_PER_ANGSTROM

# Fragments in data have a whole charge up to this much.
_WHOLE = 0.1
# Frames of a group whose fragments are looked at.
_FRAMES = 50
_SAME = 1e-6


def check_long_range(dataset: Dataset, section: ModelSection) -> None:
    """Refuse data for which terms beyond the cutoff have no meaning, or would be counted twice.

    Raises:
        InputError: One sentence.
    """
    if section.electrostatics is None and section.dispersion is None:
        return
    for group in dataset.groups:
        if section.dispersion is not None:
            _check_theory(group, section.dispersion)
        if section.electrostatics is not None and group.charges is not None:
            _check_sums(group)
        if not group.pbc.any():
            continue
        for cell in group.cell:
            check_cell(torch.from_numpy(cell), tuple(map(bool, group.pbc)))
        if section.electrostatics is not None and group.charge:
            raise InputError(
                f"a periodic structure must be neutral for electrostatics, but group {group.name!r} has "
                f"charge {group.charge:+d}. Leave it out."
            )


def _check_sums(group: Group) -> None:
    sums = group.charges.sum(axis=1)
    apart = np.abs(np.where(np.isnan(sums), group.charge, sums) - group.charge)
    if apart.max() > _WHOLE:
        frame = int(apart.argmax())
        advice = "; the file does not say the charge: give `--charge`" if "charge" in group.assumed else ""
        raise InputError(
            f"the charges of the atoms must add up to the total charge, but in frame {frame} of group "
            f"{group.name!r} they are {sums[frame]:+.2f} e and not {group.charge:+d} e{advice}."
        )


def _check_theory(group: Group, section: DispersionSection) -> None:
    if not group.theory:
        return
    if section.in_labels and not has_d3bj(group.theory):
        raise InputError(
            "`dispersion.in_labels` must be false for labels without D3(BJ), but the theory of group "
            f"{group.name!r} is {group.theory!r}: another dispersion cannot be taken out of them by this one."
        )
    if not section.in_labels and has_dispersion(group.theory):
        advice = (
            "Where it is this D3(BJ), say `in_labels: true`: then it is taken out of them first."
            if has_d3bj(group.theory)
            else "Leave it out."
        )
        raise InputError(
            f"`dispersion` must not be added to labels that have one, but the theory of group {group.name!r} "
            f"is {group.theory!r}. {advice}"
        )


def formal_charges(
    samples: tuple[Samples, ...], elements: tuple[int, ...], section: ModelSection, cutoff: float
) -> Float[Tensor, "element"]:
    """Return a charge for each element such that every group, and every fragment in it, has its own [e].

    Fragments are parts of a frame with no distance below the cutoff between them, and their charge is the
    sum of the labels of their atoms. Where all this leaves charges open they are as small as can be.

    Args:
        samples: The training set.
        elements: Atomic numbers that occur.
        section: Its key `electrostatics.formal_charges` fixes some.
        cutoff: Of the encoder [bohr].

    Raises:
        InputError: There are no such charges.
    """
    given = _given(section, elements)
    rows, charges, names = [], [], []
    for group in samples:
        for numbers, charge, name in (
            (group.numbers, float(group.charge), group.name),
            *_parts(group, cutoff),
        ):
            rows.append([float(numbers.count(element)) for element in elements])
            charges.append(charge)
            names.append((name, numbers))
    counts, totals = torch.tensor(rows, dtype=torch.float64), torch.tensor(charges, dtype=torch.float64)
    fixed = torch.tensor([given.get(element, 0.0) for element in elements], dtype=torch.float64)
    free = torch.tensor([element not in given for element in elements])
    left = totals - counts @ fixed
    if bool(free.any()):
        solution = torch.linalg.lstsq(counts[:, free], left.unsqueeze(1), driver="gelsd").solution
        fixed[free] = solution[:, 0]
    wrong = (counts @ fixed - totals).abs()
    if len(wrong) and float(wrong.max()) > _SAME:
        worst = int(wrong.argmax())
        name, numbers = names[worst]
        found = float(counts[worst] @ fixed)
        raise InputError(
            "the total charge must be met by a sum of one number an element, but no such numbers give every "
            f"group and fragment its charge: {formula(numbers)} of group {name!r} has {charges[worst]:+g} e, "
            f"and {'those given' if given else 'the nearest'} make {found:+.3g} e. What a model does not see "
            "must not differ: train charge states of the same atoms apart, or without `electrostatics`."
        )
    # Whole numbers are whole.
    return torch.where((fixed - fixed.round()).abs() < _SAME, fixed.round(), fixed)


def _given(section: ModelSection, elements: tuple[int, ...]) -> dict[int, float]:
    known = {symbol(element): element for element in elements}
    given = section.electrostatics.formal_charges or {}
    for name in given:
        if name not in known:
            raise InputError(
                f"`electrostatics.formal_charges` must be of elements of the data ({', '.join(known)}), but "
                f"names {name!r}."
            )
    return {known[name]: float(charge) for name, charge in given.items()}


def _parts(group: Samples, cutoff: float) -> Iterator[tuple[tuple[int, ...], float, str]]:
    """Yield atoms and charge of the fragments of some frames that are in pieces and have labels."""
    if group.charges is None or any(group.pbc):
        return
    numbers = np.array(group.numbers)
    for frame in np.unique(np.linspace(0, len(group) - 1, min(_FRAMES, len(group))).astype(int)):
        labels = group.charges[frame].numpy()
        if np.isnan(labels).any():
            continue
        near = torch.cdist(group.positions[frame], group.positions[frame]).numpy() < cutoff
        n_parts, part = connected_components(csr_array(near), directed=False)
        for number in range(n_parts if n_parts > 1 else 0):
            charge = float(labels[part == number].sum())
            atoms = tuple(numbers[part == number].tolist())
            if abs(charge - round(charge)) > _WHOLE:
                raise InputError(
                    f"fragments farther apart than the cutoff of {cutoff / BOHR_PER_ANGSTROM:.3g} angstrom "
                    f"must have whole charges, but {formula(atoms)} in frame {frame} of {group.name!r} has "
                    f"{charge:+.2f} e. Leave out frames whose charge is spread over fragments."
                )
            yield atoms, float(round(charge)), group.name


@torch.no_grad()
def start_charges(potential: Potential, samples: tuple[Samples, ...]) -> None:
    """Let a training begin from one difference an element that fits the labels of charges best.

    As with energies, what a network has to learn is then what depends on the surroundings.
    """
    labelled = [group for group in samples if group.charges is not None]
    if potential.charges is None or not labelled:
        return
    elements, rows, labels = potential.network.elements, [], []
    for group in labelled:
        chosen = group.take(torch.arange(0, len(group), max(1, len(group) // _FRAMES)))
        surroundings = chosen.surroundings(chosen.positions, potential.network.cutoff)
        formal = potential.charges.of_elements(potential.charges.formal, surroundings)
        columns = []
        for one in torch.eye(len(elements), dtype=torch.float64):
            differences = potential.charges.of_elements(one, surroundings)
            columns.append(potential.charges(differences, surroundings) - formal)
        rows.append(torch.stack(columns, dim=-1).flatten(0, 1))
        labels.append((chosen.charges.transpose(0, 1) - formal).flatten())
    response, wanted = torch.cat(rows), torch.cat(labels)
    known = ~torch.isnan(wanted)
    solution = torch.linalg.lstsq(response[known], wanted[known].unsqueeze(1), driver="gelsd").solution
    for network, difference in zip(potential.network.networks.networks, solution[:, 0], strict=True):
        network[-1].bias[potential.n_outputs] = difference


def first_differences(potential: Potential) -> Float[Tensor, "element"]:
    """Return how far the charge of each element is from its formal charge where a training begins [e]."""
    layers = [network[-1] for network in potential.network.networks.networks]
    return torch.stack([layer.bias[potential.n_outputs] for layer in layers]).to(torch.float64)


def to_be_learned(
    samples: tuple[Samples, ...], *, elements: tuple[int, ...], section: ModelSection
) -> tuple[Samples, ...]:
    """Return what weights are to learn: labels without the dispersion that they contain."""
    samples = with_labels_that_are_learned(samples, section)
    if section.dispersion is None or not section.dispersion.in_labels:
        return samples
    term = Dispersion(elements)
    term.set_functional(section.dispersion.functional)
    return without_dispersion(samples, term)


def as_learned_by(potential: Potential, samples: tuple[Samples, ...]) -> tuple[Samples, ...]:
    """Return what the weights of a potential have learned of labels: see `to_be_learned`."""
    if potential.charges is None:
        samples = tuple(replace(group, charges=None) for group in samples)
    if potential.n_basis != potential.n_states:
        samples = tuple(map(without_eigenvectors, samples))
    if potential.dispersion is None or not potential.settings.dispersion.in_labels:
        return samples
    return without_dispersion(samples, potential.dispersion)


def without_dispersion(samples: tuple[Samples, ...], term: Dispersion) -> tuple[Samples, ...]:
    """Return samples whose energies, forces and stress are those without the dispersion that they have."""
    return tuple(_shifted(group, term, -1.0) for group in samples)


def _shifted(group: Samples, term: Dispersion, sign: float) -> Samples:
    energies, forces, stress = _dispersion(
        term, group.positions, group.numbers, group.cell, group.pbc, with_stress=group.stress is not None
    )
    return replace(
        group,
        energies=group.energies + sign * energies[:, None],
        forces=None if group.forces is None else group.forces + sign * forces[:, None],
        stress=None if group.stress is None else group.stress + sign * stress[:, None],
    )


def with_what_is_added(model: LearnedModel | Committee, group: Group) -> Group:
    """Return labels to compare a model with: plus the dispersion that it adds to what it was taught."""
    # A model of several spins has a potential for each, and nothing that is added.
    potential = getattr(model.bound if isinstance(model, Committee) else model, "potential", None)
    if potential is None or potential.dispersion is None or potential.settings.dispersion.in_labels:
        return group
    numbers = tuple(int(number) for number in group.atomic_numbers)
    periodic = bool(group.pbc.any())
    energies, forces, stress = _dispersion(
        potential.dispersion,
        torch.from_numpy(group.positions),
        numbers,
        torch.from_numpy(group.cell) if periodic else None,
        tuple(map(bool, group.pbc)),
        with_stress=group.stress is not None and periodic,
    )
    return replace(
        group,
        energies=group.energies + energies.numpy()[:, None],
        forces=None if group.forces is None else group.forces + forces.numpy()[:, None],
        stress=None if stress is None else group.stress + stress.numpy()[:, None],
    )


def _dispersion(
    term: Dispersion,
    positions: Float[Tensor, "frame atom 3"],
    numbers: tuple[int, ...],
    cell: Float[Tensor, "frame 3 3"] | None,
    pbc: tuple[bool, bool, bool],
    *,
    with_stress: bool,
) -> tuple[Float[Tensor, "frame"], Float[Tensor, "frame atom 3"], Float[Tensor, "frame 3 3"] | None]:
    """Return energies, forces and stress in atomic units."""
    inputs = positions.detach().clone().requires_grad_(True)
    if not with_stress:
        energies = term.of_placement(Placement(inputs, numbers, cell, pbc))
        (gradient,) = torch.autograd.grad(energies.sum(), inputs)
        return energies.detach(), -gradient, None
    strain = torch.zeros_like(cell).requires_grad_(True)
    placement = Placement(inputs + inputs @ strain, numbers, cell + cell @ strain, pbc)
    energies = term.of_placement(placement)
    gradient, slope = torch.autograd.grad(energies.sum(), (inputs, strain))
    volume = torch.linalg.det(cell).abs()[:, None, None]
    return energies.detach(), -gradient, 0.5 * (slope + slope.mT) / volume
