"""Restricted ground state and excited states by linear response of a molecule at any geometry."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pyscf import dft, gto, scf, tdscf
from pyscf.scf.hf import RHF

from nadyn.interfaces.pyscf.method import LinearResponse
from nadyn.interfaces.pyscf.molecule import molecule as molecule_at
from nadyn.interfaces.pyscf.orbital_hessian import LARGEST_WHOLE, n_singles
from nadyn.interfaces.pyscf.orbitals import Orbitals
from nadyn.interfaces.pyscf.section import PyscfSection
from nadyn.interfaces.pyscf.whole_response import whole_response

# Beside the wanted roots so many more are looked for, lest one of another symmetry is missed.
_MORE_ROOTS = 2
# Residual of a root that is looked at for its sign.
_GAP_TOLERANCE = 1e-3
_MOST_CYCLES = 100
_RESPONSE_CYCLES = 60
# Of what depends on the amplitudes to first order.
_RESPONSE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Roots:
    """Excited states of one multiplicity, ascending.

    Attributes:
        excitations: Above the ground state [hartree].
        amplitudes: X and Y as PySCF has them, X² - Y² = ½.
        converged: Whether all of them are.
    """

    excitations: Float[np.ndarray, "root"]
    amplitudes: Float[np.ndarray, "root 2 occupied empty"]
    converged: bool


@dataclass(frozen=True)
class Response:
    """What is solved: method, states and settings.

    Attributes:
        section: Settings.
        method: Functional, basis, number of states.
        atomic_numbers: One number an atom.
        multiplicities: 2S + 1 of each state, ascending; the first is the ground state.
    """

    section: PyscfSection
    method: LinearResponse
    atomic_numbers: tuple[int, ...]
    multiplicities: tuple[int, ...]

    @property
    def n_occupied(self) -> int:
        """Doubly occupied orbitals."""
        return (sum(self.atomic_numbers) - self.section.charge) // 2

    def n_roots(self, multiplicity: int) -> int:
        """Return the excited states of a multiplicity."""
        return self.multiplicities.count(multiplicity) - (multiplicity == 1)

    def blocks(self) -> list[int]:
        """Return the multiplicities that have excited states."""
        return [spin for spin in sorted(set(self.multiplicities)) if self.n_roots(spin)]

    def molecule(self, positions: Float[np.ndarray, "atom 3"]) -> gto.Mole:
        """Return the molecule at a geometry [bohr]."""
        section = self.section
        return molecule_at(
            self.atomic_numbers, positions, basis=self.method.basis, charge=section.charge, spin=0
        )

    def mean_field(self, mol: gto.Mole) -> RHF:
        """Return Hartree-Fock or Kohn-Sham, not yet converged."""
        hartree_fock = self.method.functional == "hf"
        mf = scf.RHF(mol) if hartree_fock else dft.RKS(mol, xc=self.method.functional)
        mf.conv_tol, mf.conv_tol_grad = self.section.energy_tolerance_hartree, self.section.orbital_tolerance
        mf.max_cycle, mf.max_memory = _MOST_CYCLES, self.section.memory_mb
        mf.chkfile = None
        # Its file is closed now, and not whenever garbage is collected.
        mf._chkfile = None
        return mf

    def ground_state(self, mol: gto.Mole, occupied: Orbitals | None) -> RHF:
        """Return the ground state begun with orbitals, or with atoms if None; `converged` says if it is."""
        mf = self.mean_field(mol)
        mf.kernel(None if occupied is None else 2.0 * occupied @ occupied.T)
        return mf if mf.converged else second_order(mf, mf.mo_coeff)

    def remembered(self, mol: gto.Mole, energy: float, orbitals: Orbitals, levels: np.ndarray) -> RHF:
        """Return the ground state of this very geometry as it was left."""
        mf = self.mean_field(mol)
        mf.mo_coeff, mf.mo_energy, mf.e_tot, mf.converged = orbitals, levels, energy, True
        mf.mo_occ = np.zeros(len(levels))
        mf.mo_occ[: self.n_occupied] = 2.0
        # Builds the grid as a calculation from the start does.
        mf.get_veff(mol, mf.make_rdm1())
        return mf

    def roots(self, mf: RHF, multiplicity: int) -> Roots:
        """Return the excited states of one multiplicity: all matrices at once if small, else by iteration.

        Raises:
            numpy.linalg.LinAlgError, RuntimeError: The ground state is unstable, and no root is real.
        """
        n, tolerance = self.n_roots(multiplicity), self.section.orbital_tolerance
        return self._lowest(
            mf, multiplicity, n, self.method.tamm_dancoff, more=_MORE_ROOTS, tolerance=tolerance
        )

    def triplet_gap(self, mf: RHF) -> float:
        """Return the energy of the lowest triplet above the ground state, in the Tamm-Dancoff approximation.

        Where it is negative, the ground state has two electrons that want to be apart.
        """
        return float(self._lowest(mf, 3, 1, True, more=1, tolerance=_GAP_TOLERANCE).excitations[0])

    def _lowest(
        self, mf: RHF, multiplicity: int, n: int, tamm_dancoff: bool, *, more: int, tolerance: float
    ) -> Roots:
        if n_singles(mf) <= LARGEST_WHOLE:
            found = whole_response(mf, singlet=multiplicity == 1, tamm_dancoff=tamm_dancoff)
            return Roots(found[0][:n], found[1][:n], bool(np.isfinite(found[0][:n]).all()))
        td = self._solver(mf, multiplicity, tamm_dancoff)
        td.conv_tol = tolerance
        td.kernel(nstates=min(n + more, n_singles(mf)))
        found = min(n, len(td.e))
        shape = (self.n_occupied, mf.mo_coeff.shape[1] - self.n_occupied)
        amplitudes = [[np.broadcast_to(part, shape) for part in pair] for pair in td.xy[:found]]
        return Roots(
            excitations=np.asarray(td.e[:found], dtype=np.float64),
            amplitudes=np.array(amplitudes, dtype=np.float64).reshape(found, 2, *shape),
            converged=found == n and bool(np.all(td.converged[:n])),
        )

    def _solver(self, mf: RHF, multiplicity: int, tamm_dancoff: bool) -> tdscf.rhf.TDBase:
        if tamm_dancoff:
            td = mf.TDA()
        else:
            td = mf.TDHF() if self.method.functional == "hf" else mf.TDDFT()
        # PySCF leaves out low roots and those under the ground state, and others would take their places.
        td.positive_eig_threshold = -np.inf
        td.singlet, td.max_cycle, td.chkfile = multiplicity == 1, _MOST_CYCLES, None
        return td

    def gradients(
        self, mf: RHF, roots: dict[int, Roots], wanted: Sequence[tuple[int, int]]
    ) -> Float[np.ndarray, "wanted atom 3"]:
        """Return ∂E/∂R [hartree/bohr] of states (multiplicity, root); root -1 is the ground state."""
        result = np.empty((len(wanted), len(self.atomic_numbers), 3))
        for place, (multiplicity, root) in enumerate(wanted):
            if root < 0:
                result[place] = mf.nuc_grad_method().kernel()
                continue
            method = self._solver(mf, multiplicity, self.method.tamm_dancoff).nuc_grad_method()
            method.cphf_max_cycle, method.cphf_conv_tol = _RESPONSE_CYCLES, _RESPONSE_TOLERANCE
            result[place] = method.kernel(xy=tuple(roots[multiplicity].amplitudes[root]))
        return result


def second_order(mf: RHF, orbitals: Orbitals) -> RHF:
    """Return the solution that the second-order method finds from orbitals."""
    second = mf.newton()
    second.kernel(orbitals, mf.mo_occ)
    names = ("mo_coeff", "mo_energy", "mo_occ", "e_tot", "converged")
    for name in names:
        setattr(mf, name, getattr(second, name))
    return mf
