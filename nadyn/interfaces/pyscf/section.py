"""The section of a PySCF source in a run file: {pyscf: {method: "sa3-casscf(2,2)/6-31g*"}}."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from nadyn.checks.configuration import Configuration
from nadyn.checks.errors import InputError
from nadyn.electronic.labels import LabelSource
from nadyn.interfaces.pyscf.method import Casscf, method_of


class ActiveSection(Configuration):
    """Which orbitals are active, one of: those at the frontier (nothing given), numbers, atoms, a file.

    {orbitals: [7, 8]} are orbitals of Hartree-Fock, counted from 0. {atoms: [0, 1], labels: [pi]} are those
    that overlap most with p orbitals of these atoms: `pi` across the plane of the neighbours, `n` away from
    them, `sigma` along the bonds between these atoms, `p` all three; at least as many p orbitals as are
    active. {file: orbitals.molden} are orbitals of another calculation of the same molecule and basis, active
    behind the doubly occupied ones.
    """

    orbitals: tuple[int, ...] | None = None
    atoms: tuple[int, ...] | None = None
    labels: tuple[Literal["pi", "n", "sigma", "p"], ...] = ("pi",)
    file: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "ActiveSection":
        given = [name for name in ("orbitals", "atoms", "file") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"`active` must have one of {' and '.join(given)}, but has both. Remove one.")
        if "labels" in self.model_fields_set and self.atoms is None:
            raise ValueError("`labels` must stand beside `atoms`, but does not. Give the atoms.")
        return self


class PyscfSection(Configuration):
    """Labels by PySCF: {method: "sa3-casscf(2,2)/6-31g*"} or {method: "tda4-b3lyp/def2-svp"}.

    `method` names theory and basis; `multiplicities` 2S+1 of each state where they differ, [1, 1, 3];
    `charge`; `active` the orbitals of CASSCF; `density_fitting` is faster for ten atoms and more, at errors
    of some meV; `translation_factors` leaves away the part of couplings that is orbitals following nuclei.
    Linear response has neither couplings nor density fitting.
    """

    # Changes no number.
    WITHOUT_EFFECT: ClassVar[frozenset[str]] = frozenset({"memory_mb"})

    method: str
    charge: int = 0
    multiplicities: tuple[int, ...] | None = None
    active: ActiveSection = ActiveSection()
    density_fitting: bool = False
    couplings: bool = True
    translation_factors: bool = False
    energy_tolerance_hartree: float = Field(default=1e-9, gt=0.0, le=1e-6)
    orbital_tolerance: float = Field(default=1e-5, gt=0.0, le=1e-3)
    memory_mb: int = Field(default=4000, ge=200)

    @model_validator(mode="after")
    def _fits(self) -> "PyscfSection":
        try:
            method = method_of(self.method)
        except InputError as error:
            raise ValueError(str(error)) from None
        spins = self.multiplicities
        if spins is not None:
            if len(spins) != method.n_states or any(spin < 1 for spin in spins):
                raise ValueError(
                    f"`multiplicities` must hold 2S+1 of each of the {method.n_states} states of `method`, "
                    f"but is {list(spins)}."
                )
            if list(spins) != sorted(spins):
                raise ValueError(f"`multiplicities` must ascend, but is {list(spins)}. Sort them.")
        if not isinstance(method, Casscf) and "active" in self.model_fields_set:
            raise ValueError("`active` must stand beside a CASSCF method only, but does not. Remove it.")
        return self

    def beside(self, folder: Path) -> "PyscfSection":
        """Return the section with the file of its orbitals taken from a folder."""
        if self.active.file is None:
            return self
        active = self.active.model_copy(update={"file": str(folder / self.active.file)})
        return self.model_copy(update={"active": active})

    def source(self, atomic_numbers: Sequence[int]) -> LabelSource:
        """Return the source for these atoms.

        Raises:
            InputError: PySCF is not installed, or electrons, spins, orbitals or basis do not fit the atoms.
        """
        check_installed()
        method = method_of(self.method)
        if not isinstance(method, Casscf):
            from nadyn.interfaces.pyscf.linear_response_setup import linear_response_source

            return linear_response_source(self, method, tuple(atomic_numbers))
        from nadyn.interfaces.pyscf.casscf_setup import casscf_source

        return casscf_source(self, method, tuple(atomic_numbers))


def check_installed() -> None:
    """Refuse a PySCF source where there is no PySCF.

    Raises:
        InputError: It is not installed.
    """
    if importlib.util.find_spec("pyscf") is None:
        raise InputError(
            "PySCF must be installed for the source pyscf, but is not. Install it with "
            '`pip install "nadyn[qm]"`.'
        )
