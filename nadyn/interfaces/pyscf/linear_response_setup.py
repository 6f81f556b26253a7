"""A source of linear response from its section, if electrons, spins and functional fit the molecule."""

import numpy as np
from pyscf import dft, gto

from nadyn.checks.errors import InputError
from nadyn.interfaces.pyscf.linear_response import LinearResponseSource
from nadyn.interfaces.pyscf.method import LinearResponse
from nadyn.interfaces.pyscf.response import Response
from nadyn.interfaces.pyscf.section import PyscfSection


def linear_response_source(
    section: PyscfSection, method: LinearResponse, atomic_numbers: tuple[int, ...]
) -> LinearResponseSource:
    """Return the source of a section.

    Raises:
        InputError: Electrons, spins, functional or basis do not fit the molecule.
    """
    _check_options(section)
    n_electrons = sum(atomic_numbers) - section.charge
    if n_electrons % 2 or n_electrons < 2:
        raise InputError(
            f"`method` must have an even number of electrons for linear response, but has {n_electrons}. "
            "Change the `charge`, or take CASSCF."
        )
    spins = section.multiplicities or (1,) * method.n_states
    if spins[0] != 1 or not set(spins) <= {1, 3}:
        raise InputError(
            "`multiplicities` must begin with the singlet ground state and be 1 or 3 for linear response, "
            f"but are {list(spins)}. Take CASSCF for others."
        )
    response = Response(section, method, atomic_numbers, tuple(spins))
    apart = np.zeros((len(atomic_numbers), 3))
    apart[:, 0] = 5.0 * np.arange(len(atomic_numbers))
    mol = response.molecule(apart)
    _check_functional(method.functional, mol)
    n_singles = response.n_occupied * (mol.nao - response.n_occupied)
    most = max(response.n_roots(1), response.n_roots(3))
    if most > n_singles:
        raise InputError(
            f"`method` must have at most the {n_singles} excited states of its basis, but has {most} of one "
            "multiplicity. Take a larger basis."
        )
    return LinearResponseSource(response, _theory(method, tuple(spins)))


def _check_options(section: PyscfSection) -> None:
    if section.density_fitting:
        raise InputError(
            "`density_fitting` must stand beside CASSCF only: PySCF has no gradients of linear response with "
            "it. Leave it out."
        )
    if section.translation_factors or ("couplings" in section.model_fields_set and section.couplings):
        raise InputError(
            "`couplings` must stand beside CASSCF only: PySCF has none of linear response. Leave them out, "
            "and move by overlaps or by curvature."
        )


def _check_functional(functional: str, mol: gto.Mole) -> None:
    if functional == "hf":
        return
    try:
        kind = dft.libxc.xc_type(functional)
        mf = dft.RKS(mol, xc=functional)
        more = mf.do_disp() or mf.do_nlc() or dft.libxc.is_nlc(functional)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"functional {functional!r} must be known to PySCF, but is not. Try b3lyp, pbe0 or cam-b3lyp."
        ) from error
    if more:
        raise InputError(
            f"functional {functional!r} must have no dispersion and no non-local correlation, of which PySCF "
            "has no gradients of excited states, but has. Try cam-b3lyp or wb97x."
        )
    if kind not in ("LDA", "GGA", "HF"):
        raise InputError(
            f"functional {functional!r} must be without the kinetic energy density, with which gradients of "
            "excited states in PySCF are inaccurate, but is not. Try b3lyp, pbe0 or cam-b3lyp."
        )


def _theory(method: LinearResponse, spins: tuple[int, ...]) -> str:
    kind = "TDA" if method.tamm_dancoff else "TDHF" if method.functional == "hf" else "TDDFT"
    functional = "" if kind == "TDHF" else f"-{method.functional.upper()}"
    words = [f"{kind}{functional}/{method.basis}, {len(spins)} states"]
    if len(set(spins)) > 1:
        words.append("states of multiplicity " + " ".join(map(str, spins)))
    return ", ".join([*words, "PySCF"])
