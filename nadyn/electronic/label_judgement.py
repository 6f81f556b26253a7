"""What a label is worth beside its neighbours: energies must follow the forces from one to the other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from nadyn.electronic.labels import Known, Label, Quality
from nadyn.structures.alignment import rotation_onto
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# Farther atoms than this prove nothing: the error grows with the third power of the way.
_NEAR_BOHR = 0.1 / ANGSTROM_PER_BOHR
_LARGEST_ERROR = 0.1 * HARTREE_PER_EV
# States nearer than this turn into each other; only their mean is smooth.
_APART = 0.5 * HARTREE_PER_EV


def judged(label: Label, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known]) -> Label:
    """Return the label, doubtful or failed where its numbers forbid to trust it.

    A label with numbers that are not finite has failed. The trapezoid rule predicts its energies from a label
    whose atoms are all within 0.1 angstrom: E' = E - ½ (F + F')·dR, with an error of third order. It is
    asked for the mean of all states, and for each state that is 0.5 eV from all others at both geometries.
    The largest error goes into `checks` as `trapezoid_ev`.
    """
    if label.quality is Quality.FAILED:
        return label
    if broken := _not_finite(label):
        return replace(label, quality=Quality.FAILED, reason=f"{broken} are not finite numbers.")
    errors = [e for known in near if (e := trapezoid_error(label, positions, known)) is not None]
    if not errors:
        return label
    worst = max(errors)
    checks = {**label.checks, "trapezoid_ev": worst * ELECTRONVOLT_PER_HARTREE}
    label = replace(label, checks=checks)
    if worst > _LARGEST_ERROR and label.quality is Quality.TRUSTED:
        return replace(
            label,
            quality=Quality.DOUBTFUL,
            reason=f"the energies miss those that forces predict from a geometry within 0.1 angstrom by "
            f"{checks['trapezoid_ev']:.2f} eV.",
        )
    return label


def trapezoid_error(label: Label, positions: Float[np.ndarray, "atom 3"], known: Known) -> float | None:
    """Return the largest error of the trapezoid rule [hartree], None where it says nothing."""
    errors = trapezoid_errors(label, positions, known)
    if errors is None:
        return None
    finite = errors[np.isfinite(errors)]
    if not finite.size:
        return None
    alone = _apart(label.energies) & _apart(known.label.energies) & np.isfinite(errors)
    return float(max([abs(finite.mean()), *np.abs(errors[alone])]))


def trapezoid_errors(
    label: Label, positions: Float[np.ndarray, "atom 3"], known: Known
) -> Float[np.ndarray, "state"] | None:
    """Return the error of the trapezoid rule for each state [hartree], NaN for one without forces.

    None where an atom is farther than 0.1 angstrom from its place in the known geometry, or no forces are.
    """
    other = known.label
    if label.forces is None or other.forces is None:
        return None
    turn = rotation_onto(known.positions, positions)
    way = (positions - positions.mean(axis=0)) - (known.positions - known.positions.mean(axis=0)) @ turn
    if np.linalg.norm(way, axis=1).max() > _NEAR_BOHR:
        return None
    forces = 0.5 * (label.forces + other.forces @ turn)
    return label.energies - other.energies + np.einsum("knx,nx->k", forces, way)


def _apart(energies: np.ndarray) -> np.ndarray:
    gaps = np.abs(energies[:, None] - energies) + np.where(np.eye(len(energies), dtype=bool), np.inf, 0.0)
    return gaps.min(axis=1) > _APART


def _not_finite(label: Label) -> str:
    if not np.isfinite(label.energies).all():
        return "its energies"
    if label.forces is not None and not np.isfinite(label.forces).all():
        # States without forces hold NaN as a whole.
        torn = ~np.isfinite(label.forces).reshape(len(label.forces), -1)
        if np.isinf(label.forces).any() or (torn.any(axis=1) & ~torn.all(axis=1)).any():
            return "some of its forces"
        if torn.all():
            return "its forces"
    return ""
