"""What a force field says of atoms that a model has: all of it that is between them is taken away."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from nadyn.checks.errors import InputError

if TYPE_CHECKING:
    from openmm import CustomNonbondedForce, Force, NonbondedForce, System


@dataclass(frozen=True)
class _Bonded:
    """How terms of a force are read, and rewritten with nothing in them.

    Attributes:
        count, read, write: Names of methods.
        n_atoms: In a term; they come first.
        empty: What follows them, made of what followed them.
    """

    count: str
    read: str
    write: str
    n_atoms: int
    empty: Callable[[list[object]], list[object]]


# The last of the parameters of a bond, an angle and a torsion is its strength.
_BONDED = {
    "HarmonicBondForce": _Bonded(
        "getNumBonds", "getBondParameters", "setBondParameters", 2, lambda rest: [rest[0], 0.0]
    ),
    "HarmonicAngleForce": _Bonded(
        "getNumAngles", "getAngleParameters", "setAngleParameters", 3, lambda rest: [rest[0], 0.0]
    ),
    "PeriodicTorsionForce": _Bonded(
        "getNumTorsions", "getTorsionParameters", "setTorsionParameters", 4, lambda rest: [*rest[:2], 0.0]
    ),
    "RBTorsionForce": _Bonded(
        "getNumTorsions", "getTorsionParameters", "setTorsionParameters", 4, lambda rest: [0.0] * len(rest)
    ),
}
# They are between no atoms.
_HARMLESS = {
    "AndersenThermostat",
    "CMMotionRemover",
    "CustomExternalForce",
    "MonteCarloAnisotropicBarostat",
    "MonteCarloBarostat",
    "MonteCarloFlexibleBarostat",
    "MonteCarloMembraneBarostat",
}


def take_away(system: "System", particles: Sequence[int]) -> None:
    """Remove what a force field has between some particles from a system: terms, pairs and constraints.

    Charges and Lennard-Jones parameters stay: they are what the particles have with all others. Images of
    them in other cells count as others.

    Raises:
        InputError: The particles are bonded to others or depend on them, or a force is of an unknown kind.
            Nothing was changed then.
    """
    inside = frozenset(particles)
    for force in system.getForces():
        _check(force, inside)
    constraints = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
    for one, two, _ in constraints:
        _check_term("constraint", (one, two), inside)
    for index in inside:
        if system.isVirtualSite(index):
            raise InputError(f"`particles` must be atoms, but {index} is a virtual site of OpenMM.")
    for number in reversed(range(len(constraints))):
        if {constraints[number][0], constraints[number][1]} <= inside:
            system.removeConstraint(number)
    for force in system.getForces():
        kind = type(force).__name__
        if kind in _BONDED:
            _empty(force, _BONDED[kind], inside)
        elif kind == "NonbondedForce":
            for one, two in combinations(sorted(inside), 2):
                force.addException(one, two, 0.0, 1.0, 0.0, True)
        elif kind == "CustomNonbondedForce":
            _exclude(force, inside)


def _check(force: "Force", inside: frozenset[int]) -> None:
    kind = type(force).__name__
    if kind in _BONDED:
        terms = _BONDED[kind]
        for number in range(getattr(force, terms.count)()):
            _check_term(kind, getattr(force, terms.read)(number)[: terms.n_atoms], inside)
    elif kind == "NonbondedForce":
        _check_exceptions(force, inside)
    elif kind != "CustomNonbondedForce" and kind not in _HARMLESS:
        known = ", ".join([*_BONDED, "NonbondedForce", "CustomNonbondedForce"])
        raise InputError(
            f"forces of a system must be such of which it is known what they have between some atoms "
            f"({known}), but one is {kind}. Add it after the model if it is between others only."
        )


def _check_term(kind: str, atoms: Sequence[int], inside: frozenset[int]) -> None:
    if inside & set(atoms) and not set(atoms) <= inside:
        raise InputError(
            f"`particles` must be whole molecules, but a {kind} of OpenMM is between {sorted(atoms)}, not "
            "all of which are among them."
        )


def _check_exceptions(force: "NonbondedForce", inside: frozenset[int]) -> None:
    for number in range(force.getNumExceptions()):
        _check_term("exception", force.getExceptionParameters(number)[:2], inside)


def _empty(force: "Force", terms: _Bonded, inside: frozenset[int]) -> None:
    for number in range(getattr(force, terms.count)()):
        values = getattr(force, terms.read)(number)
        atoms, rest = values[: terms.n_atoms], values[terms.n_atoms :]
        if set(atoms) <= inside:
            getattr(force, terms.write)(number, *atoms, *terms.empty(rest))


def _exclude(force: "CustomNonbondedForce", inside: frozenset[int]) -> None:
    known = {frozenset(force.getExclusionParticles(i)) for i in range(force.getNumExclusions())}
    for pair in combinations(sorted(inside), 2):
        if frozenset(pair) not in known:
            force.addExclusion(*pair)
