"""Which labels of the data the parts of a potential learn: charges, eigenvectors of the diabatic matrix."""

from dataclasses import replace

from nadyn.data.dataset import Dataset, Group
from nadyn.models.matrix.basis import parse_basis
from nadyn.training.configuration import ModelSection
from nadyn.training.samples import Samples


def with_labels_that_are_learned(samples: tuple[Samples, ...], section: ModelSection) -> tuple[Samples, ...]:
    """Return samples, without charges and eigenvectors where none are learned."""
    if section.electrostatics is None:
        samples = tuple(replace(group, charges=None) for group in samples)
    return tuple(
        group if learns_eigenvectors(section, group) else without_eigenvectors(group) for group in samples
    )


def learns_eigenvectors(section: ModelSection, labels: Samples | Group) -> bool:
    """Tell whether eigenvectors of a diabatic matrix can be learned: the basis is one of so many rows."""
    if section.basis == "auto" or section.kind == "atomic_sum":
        return False
    return parse_basis(section.basis).size == labels.energies.shape[1]


def without_eigenvectors(samples: Samples) -> Samples:
    return replace(samples, eigenvectors=None)


def also_learned(section: ModelSection, dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the labels that these settings learn beside those that every training does."""
    charges = () if section.electrostatics is None else ("charges",)
    learns = all(learns_eigenvectors(section, group) for group in dataset.groups)
    return (*charges, "eigenvectors") if learns else charges
