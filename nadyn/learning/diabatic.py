"""Eigenvectors of one diabatic matrix for the labels of a source that compares its wave functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data.dataset import Group
from nadyn.electronic.diabatic.exchanges import (
    SymmetricRows,
    exchanges_of,
    sign_of_all_rows,
    symmetric_rows,
)
from nadyn.electronic.diabatic.links import Links, links_after, links_between
from nadyn.electronic.diabatic.states import ExchangedOverlaps, diabatic_states
from nadyn.electronic.labels import HasLinkedOverlaps, Known, LabelSource
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.matrix.exchange_group import exchange_group

# Fewer geometries hang together by chance.
FEWEST = 50
# So many near geometries of each are linked for each product of exchanges.
_LINKED_AFTER = 4


@dataclass(frozen=True)
class DiabaticLabels:
    """Labels with eigenvectors, and the latent basis that they are of.

    Attributes:
        group: The labels; NaN where links contradict each other.
        basis: Rows that change sign under exchanges where the states do, otherwise scalars.
        n_known: For how many labels there are eigenvectors.
    """

    group: Group
    basis: str
    n_known: int

    def in_words(self) -> str:
        """Return a sentence for people."""
        return (
            f"diabatic states hang together at {self.n_known} of {counted(self.group.n_frames, 'label')}; "
            f"their latent basis is {self.basis}"
        )


def check_diabatic(source: LabelSource) -> None:
    """Refuse a source whose diabatic states cannot be found.

    Raises:
        InputError: Its wave functions cannot be compared, or its states are not of one multiplicity.
    """
    if not isinstance(source, HasLinkedOverlaps) or len(source.multiplicities) < 2:
        raise InputError(
            "`diabatic` must be false for a source that does not compare wave functions of several states at "
            f"two geometries, but is true for {source.name} ({source.theory}). CASSCF of PySCF does."
        )
    if len(set(source.multiplicities)) > 1:
        raise InputError(
            "`diabatic` must be false for states of several multiplicities, but is true for "
            f"{list(source.multiplicities)}."
        )


def with_eigenvectors(source: LabelSource, known: Sequence[Known], group: Group) -> DiabaticLabels:
    """Return labels with the eigenvectors of one diabatic matrix.

    Args:
        source: What the labels are from, see `check_diabatic`.
        known: Its trusted labels, in the order of the group.
        group: They as frames of a dataset.
    """
    n_states = group.n_states
    basis = f"{n_states}x0e"
    remembered = np.array([number for number, one in enumerate(known) if one.label.memory], dtype=np.int64)
    if len(remembered) < FEWEST:
        return DiabaticLabels(group, basis, 0)
    own = [known[number] for number in remembered]
    positions, energies = group.positions[remembered], group.energies[remembered]
    links = links_between(positions)
    overlaps = source.linked_overlaps(own, links)
    states = diabatic_states(links, overlaps, energies)
    lowest = int(np.argmin(energies[:, 0]))
    rows = symmetric_rows(
        states,
        positions,
        energies,
        exchanges_of(group.atomic_numbers.tolist(), positions[lowest]),
        lambda exchanged, order: source.linked_overlaps(own, exchanged, order),
    )
    vectors = states.vectors
    if rows is not None:
        basis = _basis(rows, group)
        products = _products(rows, group)
        exchanged = []
        for order, signs in products:
            after = links_after(positions, order, _LINKED_AFTER)
            moved = source.linked_overlaps(own, _far(after), order).moved
            sign = sign_of_all_rows(rows.rotation @ states.vectors, after, moved, signs)
            exchanged.append(ExchangedOverlaps(after, moved, sign * signs))
        first = rows.rotation @ states.vectors[lowest]
        states = diabatic_states(links, overlaps, energies, first=first, exchanged=exchanged)
        vectors = states.vectors
    eigenvectors = np.full((group.n_frames, n_states, n_states), np.nan)
    eigenvectors[remembered[states.known]] = vectors[states.known]
    return DiabaticLabels(replace(group, eigenvectors=eigenvectors), basis, int(states.known.sum()))


def _products(rows: SymmetricRows, group: Group) -> list[tuple[list[int], np.ndarray]]:
    """Return all products of exchanges but that which changes nothing, with the sign of each row."""
    if not rows.exchanges:
        return []
    found = exchange_group(
        parse_basis(rows.basis(group.atomic_numbers.tolist())), tuple(group.atomic_numbers.tolist())
    )
    # Elements of W do not say the sign of all rows together: that of the first is 1.
    return [
        (order.tolist(), signs[0]) for order, signs in zip(found.orders[1:], found.signs[1:], strict=True)
    ]


def _far(links: Links) -> Links:
    """Return links that are too far for basis functions as they stand: those are not wanted here."""
    return Links(links.first, links.second, np.full(len(links), np.inf))


def _basis(rows: SymmetricRows, group: Group) -> str:
    if not rows.exchanges:
        return f"{group.n_states}x0e"
    return rows.basis(group.atomic_numbers.tolist())
