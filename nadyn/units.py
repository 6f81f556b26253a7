"""Atomic units inside, named units at the edge: CODATA 2022 constants and the parser of unit names.

Source: P. J. Mohr, D. B. Newell, B. N. Taylor and E. Tiesinga, CODATA recommended values of the
fundamental physical constants: 2022, Rev. Mod. Phys. 97, 025002 (2025).
"""

import re

from nadyn.checks.errors import InputError

ELECTRONVOLT_PER_HARTREE = 27.211386245981
ANGSTROM_PER_BOHR = 0.529177210544
FEMTOSECOND_PER_AU = 0.024188843265864
ELECTRON_MASS_PER_DALTON = 1822.888486283
KELVIN_PER_HARTREE = 315775.02480398
INVERSE_CM_PER_HARTREE = 219474.63136314
KCAL_PER_MOL_PER_HARTREE = 2625.4996394799 / 4.184
KJ_PER_MOL_PER_HARTREE = 2625.4996394799
DEBYE_PER_AU = 2.54174647147
AVOGADRO = 6.02214076e23
FINE_STRUCTURE = 7.2973525643e-3
GIGAPASCAL_PER_AU = 29421.015756393

HARTREE_PER_EV = 1.0 / ELECTRONVOLT_PER_HARTREE
BOHR_PER_ANGSTROM = 1.0 / ANGSTROM_PER_BOHR
AU_PER_FEMTOSECOND = 1.0 / FEMTOSECOND_PER_AU
HARTREE_PER_KELVIN = 1.0 / KELVIN_PER_HARTREE
HARTREE_PER_INVERSE_CM = 1.0 / INVERSE_CM_PER_HARTREE
CUBIC_ANGSTROM_PER_AU = ANGSTROM_PER_BOHR**3
EV_PER_ANGSTROM_PER_AU = ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR

# name (lower case) -> (dimension as exponents of energy, length, charge, time, mass; value in atomic units)
_BASE: dict[str, tuple[tuple[int, int, int, int, int], float]] = {
    "hartree": ((1, 0, 0, 0, 0), 1.0),
    "ev": ((1, 0, 0, 0, 0), HARTREE_PER_EV),
    "mev": ((1, 0, 0, 0, 0), 1e-3 * HARTREE_PER_EV),
    "kcal/mol": ((1, 0, 0, 0, 0), 1.0 / KCAL_PER_MOL_PER_HARTREE),
    "kj/mol": ((1, 0, 0, 0, 0), 1.0 / KJ_PER_MOL_PER_HARTREE),
    "cm-1": ((1, 0, 0, 0, 0), HARTREE_PER_INVERSE_CM),
    "bohr": ((0, 1, 0, 0, 0), 1.0),
    "angstrom": ((0, 1, 0, 0, 0), BOHR_PER_ANGSTROM),
    "nm": ((0, 1, 0, 0, 0), 10 * BOHR_PER_ANGSTROM),
    "e": ((0, 0, 1, 0, 0), 1.0),
    "debye": ((0, 1, 1, 0, 0), 1.0 / DEBYE_PER_AU),
    "au_time": ((0, 0, 0, 1, 0), 1.0),
    "fs": ((0, 0, 0, 1, 0), AU_PER_FEMTOSECOND),
    "electron_mass": ((0, 0, 0, 0, 1), 1.0),
    "dalton": ((0, 0, 0, 0, 1), ELECTRON_MASS_PER_DALTON),
    "u": ((0, 0, 0, 0, 1), ELECTRON_MASS_PER_DALTON),
    "gpa": ((1, -3, 0, 0, 0), 1.0 / GIGAPASCAL_PER_AU),
    "1": ((0, 0, 0, 0, 0), 1.0),
}

_DIMENSIONS = {
    "energy": (1, 0, 0, 0, 0),
    "length": (0, 1, 0, 0, 0),
    "force": (1, -1, 0, 0, 0),
    "dipole": (0, 1, 1, 0, 0),
    "polarisability": (0, 3, 0, 0, 0),
    "charge": (0, 0, 1, 0, 0),
    "stress": (1, -3, 0, 0, 0),
    "time": (0, 0, 0, 1, 0),
    "mass": (0, 0, 0, 0, 1),
    "momentum": (0, 1, 0, -1, 1),
    "none": (0, 0, 0, 0, 0),
}


def to_atomic_units(unit: str, dimension: str) -> float:
    """Return the number by which values in `unit` are multiplied to be in atomic units.

    A unit is a known name, or a product or quotient of known names with integer powers:
    ``eV/angstrom``, ``e*angstrom``, ``eV/angstrom^3``, ``kcal/mol/angstrom``.

    Args:
        unit: Name of the unit, case-insensitive.
        dimension: What the values are: energy, length, force, dipole, polarisability, stress, time, mass,
            momentum, none.

    Raises:
        InputError: The unit is unknown or measures something else than `dimension`.
    """
    exponents, factor = _parse(unit)
    # In atomic units energy = mass length^2 / time^2, but names are compared as written, except momenta.
    if exponents != _DIMENSIONS[dimension]:
        raise InputError(
            f"unit {unit!r} must measure {dimension}, but does not. Try one like {_example(dimension)}."
        )
    return factor


def _parse(unit: str) -> tuple[tuple[int, ...], float]:
    text = unit.strip().lower().replace("ångström", "angstrom").replace("å", "angstrom").replace(" ", "")
    text = text.replace("**", "^")
    for name, token in (("kcal/mol", "kcal_mol"), ("kj/mol", "kj_mol")):
        text = text.replace(name, token)
    exponents, factor = [0, 0, 0, 0, 0], 1.0
    pieces = re.findall(r"([*/]?)([^*/]+)", text)
    if not text or "".join(a + b for a, b in pieces) != text:
        raise InputError(
            f"unit {unit!r} must be a known unit, but cannot be read. Try eV, angstrom or eV/angstrom."
        )
    for operator, piece in pieces:
        name, _, power_text = piece.partition("^")
        name = name.replace("kcal_mol", "kcal/mol").replace("kj_mol", "kj/mol")
        if name not in _BASE or (power_text and not re.fullmatch(r"-?\d+", power_text)):
            known = ", ".join(sorted(_BASE))
            raise InputError(
                f"unit {unit!r} must be made of known units, but {name!r} is not one. Known: {known}."
            )
        power = (int(power_text) if power_text else 1) * (-1 if operator == "/" else 1)
        base_exponents, base = _BASE[name]
        exponents = [e + power * b for e, b in zip(exponents, base_exponents, strict=True)]
        factor *= base**power
    return tuple(exponents), factor


def _example(dimension: str) -> str:
    return {
        "energy": "hartree or eV",
        "length": "bohr or angstrom",
        "force": "hartree/bohr or eV/angstrom",
        "dipole": "e*bohr or debye",
        "polarisability": "bohr^3 or angstrom^3",
        "charge": "e",
        "stress": "eV/angstrom^3 or GPa",
        "time": "au_time or fs",
        "mass": "electron_mass or dalton",
        "momentum": "electron_mass*bohr/au_time",
        "none": "1",
    }[dimension]
