"""Couplings of a dataset without the part that a rigid motion of the whole molecule has in them."""

from dataclasses import replace

import numpy as np

from nadyn.data.dataset import Group
from nadyn.structures.rigid import without_rigid_part


def without_rigid_couplings(group: Group) -> Group:
    """Return the group with couplings h that are orthogonal to translations and rotations of each frame.

    The states of a molecule turn and move with it, but the orbitals of a program follow their own rules, and
    what h holds along a rigid motion is an artefact of those: a molecule that tumbles would change its state.
    No masses enter, so that the labels are those of every isotope. A linear molecule has two rotations, a
    periodic one none. A coupling that is not known stays NaN.
    """
    if group.interstate_couplings is None:
        return group
    periodic = bool(group.pbc.any())
    couplings = [
        without_rigid_part(h, positions, periodic=periodic)
        for h, positions in zip(group.interstate_couplings, group.positions, strict=True)
    ]
    return replace(group, interstate_couplings=np.stack(couplings))


def rigid_fraction(group: Group) -> float | None:
    """Return ‖h along rigid motions‖ / ‖h‖ over all frames; None without couplings."""
    if group.interstate_couplings is None:
        return None
    known = np.isfinite(group.interstate_couplings).all(axis=(2, 3))
    whole = group.interstate_couplings[known]
    rest = without_rigid_couplings(group).interstate_couplings[known]
    norm = np.linalg.norm(whole)
    return float(np.linalg.norm(whole - rest) / norm) if norm > 0.0 else 0.0
