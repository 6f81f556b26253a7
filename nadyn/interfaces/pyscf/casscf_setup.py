"""A CASSCF source from its section, if electrons, spins and orbitals fit the molecule."""

import math
from pathlib import Path

import numpy as np
from pyscf import gto

from nadyn.checks.errors import InputError
from nadyn.interfaces.pyscf.casscf import CasscfSource
from nadyn.interfaces.pyscf.method import Casscf
from nadyn.interfaces.pyscf.section import PyscfSection
from nadyn.interfaces.pyscf.state_average import StateAverage


def casscf_source(section: PyscfSection, method: Casscf, atomic_numbers: tuple[int, ...]) -> CasscfSource:
    """Return the source of a section.

    Raises:
        InputError: Electrons, spins, active orbitals or basis do not fit the molecule, or there is one state.
    """
    if method.n_states < 2:
        raise InputError(
            "`method` must average two states or more, but has one: PySCF gives the derivatives of a single "
            f"state in another form. Try sa2-casscf({method.n_electrons},{method.n_orbitals})/"
            f"{method.basis}, and use state 0."
        )
    n_electrons = sum(atomic_numbers) - section.charge
    if n_electrons < 1:
        raise InputError(
            f"`charge` must leave the molecule an electron, but is {section.charge} of "
            f"{sum(atomic_numbers)} nuclear charges. Lower it."
        )
    inactive = n_electrons - method.n_electrons
    if inactive < 0:
        raise InputError(
            f"`method` must have at most the {n_electrons} electrons of the molecule in its active space, "
            f"but has {method.n_electrons}. Change the active electrons or the `charge`."
        )
    if inactive % 2:
        raise InputError(
            f"`method` must leave an even number of electrons outside of the active space, but of "
            f"{n_electrons} it leaves {inactive}. Change the active electrons or the `charge`."
        )
    spins = section.multiplicities or (1 + n_electrons % 2,) * method.n_states
    for spin in set(spins):
        unpaired = spin - 1
        most = min(method.n_electrons, 2 * method.n_orbitals - method.n_electrons)
        if unpaired % 2 != n_electrons % 2 or unpaired > most:
            raise InputError(
                f"`multiplicities` must fit {method.n_electrons} active electrons in {method.n_orbitals} "
                f"orbitals, but {spin} does not."
            )
        _check_number_of_states(spins.count(spin), spin, method)
    average = StateAverage(
        section=section,
        method=method,
        atomic_numbers=atomic_numbers,
        multiplicities=tuple(spins),
        n_core=inactive // 2,
    )
    apart = np.zeros((len(atomic_numbers), 3))
    apart[:, 0] = 5.0 * np.arange(len(atomic_numbers))
    _check_active(section, method, average.molecule(apart), average.n_core)
    return CasscfSource(
        average=average,
        theory=_theory(section, method, tuple(spins)),
        gives=frozenset({"forces", "dipoles", "overlaps"} | _couplings(section)),
    )


def _couplings(section: PyscfSection) -> set[str]:
    return {"interstate_couplings"} if section.couplings else set()


def _check_number_of_states(wanted: int, multiplicity: int, method: Casscf) -> None:
    """Refuse more states of a spin than the active space has, by Weyl's formula."""
    m, n, spins = method.n_orbitals, method.n_electrons, multiplicity
    low, high = (n - spins + 1) // 2, (n + spins + 1) // 2
    there = spins * math.comb(m + 1, low) * math.comb(m + 1, high) // (m + 1)
    if wanted > there:
        raise InputError(
            f"`method` must average at most the {there} states of multiplicity {multiplicity} of "
            f"casscf({n},{m}), but averages {wanted}. Take a larger active space."
        )


def _check_active(section: PyscfSection, method: Casscf, mol: gto.Mole, n_core: int) -> None:
    if n_core + method.n_orbitals > mol.nao:
        raise InputError(
            f"`method` must have at most the {mol.nao} orbitals of its basis, but has "
            f"{n_core + method.n_orbitals}. Take a larger basis or fewer active orbitals."
        )
    chosen = section.active.orbitals
    if chosen is not None:
        if len(set(chosen)) != method.n_orbitals or not all(0 <= p < mol.nao for p in chosen):
            raise InputError(
                f"`orbitals` of `active` must be {method.n_orbitals} different ones from 0 to {mol.nao - 1}, "
                f"but are {list(chosen)}."
            )
    atoms = section.active.atoms
    if atoms is not None and not all(0 <= atom < mol.natm for atom in atoms):
        raise InputError(f"`atoms` of `active` must be from 0 to {mol.natm - 1}, but are {list(atoms)}.")


def _theory(section: PyscfSection, method: Casscf, spins: tuple[int, ...]) -> str:
    words = [
        f"SA{method.n_states}-CASSCF({method.n_electrons},{method.n_orbitals})/{method.basis}"
        if method.n_states > 1
        else f"CASSCF({method.n_electrons},{method.n_orbitals})/{method.basis}"
    ]
    if len(set(spins)) > 1:
        words.append("states of multiplicity " + " ".join(map(str, spins)))
    active = section.active
    if active.orbitals is not None:
        words.append("active orbitals " + " ".join(map(str, active.orbitals)))
    if active.atoms is not None:
        words.append(f"active {'+'.join(active.labels)} of atoms " + " ".join(map(str, active.atoms)))
    if active.file is not None:
        words.append(f"active orbitals of {Path(active.file).name}")
    if section.density_fitting:
        words.append("density fitting")
    if section.couplings:
        factors = " with translation factors" if section.translation_factors else ""
        words.append(f"couplings{factors} free of translation and rotation")
    return ", ".join([*words, "PySCF"])
