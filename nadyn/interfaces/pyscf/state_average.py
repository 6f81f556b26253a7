"""State-averaged CASSCF of a molecule at any geometry: where it begins, and its solution from there."""

from dataclasses import dataclass

import numpy as np
from pyscf import fci, gto, mcscf, scf
from pyscf.fci import direct_spin1
from pyscf.scf.hf import SCF

from nadyn.electronic.labels import Known
from nadyn.interfaces.pyscf.active_space import overlapping_with_atoms, read_orbitals, with_active_orbitals
from nadyn.interfaces.pyscf.fitted_response import answer_fast
from nadyn.interfaces.pyscf.method import Casscf
from nadyn.interfaces.pyscf.molecule import molecule as molecule_at
from nadyn.interfaces.pyscf.molecule import turned
from nadyn.interfaces.pyscf.orbitals import Orbitals, orthonormal
from nadyn.interfaces.pyscf.section import PyscfSection
from nadyn.interfaces.pyscf.spin_matrix import apply_spin_fast
from nadyn.structures.alignment import rotation_onto

MOST_CYCLES = 100
_MOST_SECOND_ORDER_CYCLES = 50
# What a state of another spin is raised by [hartree] for S² wrong by 1: beyond all states of a valence space.
_SPIN_PENALTY = 1.0


@dataclass(frozen=True)
class StateAverage:
    """What is solved: active space, states and settings.

    Attributes:
        section: Settings.
        method: Active space, basis, number of states.
        atomic_numbers: One number an atom.
        multiplicities: 2S + 1 of each state, ascending.
        n_core: Doubly occupied orbitals.
    """

    section: PyscfSection
    method: Casscf
    atomic_numbers: tuple[int, ...]
    multiplicities: tuple[int, ...]
    n_core: int

    @property
    def n_occupied(self) -> int:
        """Doubly occupied and active orbitals."""
        return self.n_core + self.method.n_orbitals

    @property
    def active(self) -> slice:
        """Where the active orbitals stand."""
        return slice(self.n_core, self.n_occupied)

    def molecule(self, positions: np.ndarray) -> gto.Mole:
        """Return the molecule at a geometry [bohr]."""
        electrons = sum(self.atomic_numbers) - self.section.charge
        return molecule_at(
            self.atomic_numbers,
            positions,
            basis=self.method.basis,
            charge=self.section.charge,
            spin=electrons % 2,
        )

    def mean_field(self, mol: gto.Mole) -> SCF:
        """Return Hartree-Fock, not yet converged."""
        mf = scf.RHF(mol) if mol.spin == 0 else scf.ROHF(mol)
        if self.section.density_fitting:
            mf = mf.density_fit()
        mf.conv_tol, mf.max_memory = 1e-9, self.section.memory_mb
        mf.chkfile = None
        # Its file is closed now, and not whenever garbage is collected.
        mf._chkfile = None
        return mf

    def from_hartree_fock(self, mf: SCF, overlap: np.ndarray) -> Orbitals | None:
        """Return orbitals with the active ones behind the core; None where Hartree-Fock does not converge."""
        section = self.section.active
        if section.file is not None:
            return read_orbitals(section.file, mf.mol, overlap, self.n_occupied)
        mf.kernel()
        if not mf.converged:
            second = mf.newton()
            second.kernel(mf.mo_coeff, mf.mo_occ)
            if not second.converged:
                return None
            mf.mo_coeff, mf.mo_occ = second.mo_coeff, second.mo_occ
        if section.orbitals is not None:
            return with_active_orbitals(mf.mo_coeff, section.orbitals, self.n_core)
        if section.atoms is not None:
            return overlapping_with_atoms(mf, section.atoms, section.labels, self.method.n_orbitals)
        return mf.mo_coeff

    def carried(self, mol: gto.Mole, overlap: np.ndarray, known: Known, positions: np.ndarray) -> Orbitals:
        """Return the orbitals of another geometry, turned and moved to this one."""
        rotation = rotation_onto(known.positions, positions)
        return orthonormal(turned(mol, known.label.memory["orbitals"], rotation), overlap)

    def solve(self, mf: SCF, orbitals: Orbitals, vectors: list[np.ndarray] | None) -> mcscf.mc1step.CASSCF:
        """Return CASSCF begun with orbitals and vectors; `converged` says whether it has been solved."""
        blocks, n_orbitals = self.blocks(), self.method.n_orbitals
        weights = [1.0 / self.method.n_states] * self.method.n_states
        mc = mcscf.CASSCF(mf, n_orbitals, self.electrons(blocks[0]))
        if len(blocks) == 1:
            mc = mc.state_average(weights)
            spin = 0.5 * (blocks[0] - 1)
            mc.fix_spin_(ss=spin * (spin + 1.0), shift=_SPIN_PENALTY)
            apply_spin_fast(mc.fcisolver)
        else:
            mc = mcscf.state_average_mix(mc, [self._solver(mf.mol, block) for block in blocks], weights)
        mc.conv_tol = self.section.energy_tolerance_hartree
        mc.conv_tol_grad = self.section.orbital_tolerance
        mc.max_cycle_macro, mc.max_memory = MOST_CYCLES, self.section.memory_mb
        mc.chkfile = None
        if self.section.density_fitting:
            answer_fast(mc)
        mc.kernel(orbitals, ci0=vectors)
        if not mc.converged:
            second = mc.newton()
            second.max_cycle_macro = _MOST_SECOND_ORDER_CYCLES
            second.kernel(mc.mo_coeff, ci0=mc.ci)
            mc.mo_coeff, mc.ci, mc.e_tot, mc.converged = (
                second.mo_coeff,
                second.ci,
                second.e_tot,
                second.converged,
            )
            mc.fcisolver.e_states = second.fcisolver.e_states
        return mc

    def _solver(self, mol: gto.Mole, multiplicity: int) -> direct_spin1.FCISolver:
        spin = 0.5 * (multiplicity - 1)
        solver = fci.addons.fix_spin_(
            direct_spin1.FCISolver(mol), ss=spin * (spin + 1.0), shift=_SPIN_PENALTY
        )
        solver.spin, solver.nroots = multiplicity - 1, self.multiplicities.count(multiplicity)
        apply_spin_fast(solver)
        return solver

    def ordered(self, mc: mcscf.mc1step.CASSCF) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return energies and vectors, ascending within each multiplicity."""
        energies = np.array(mc.e_states, dtype=np.float64)
        order: list[int] = []
        for multiplicity in self.blocks():
            states = [k for k, spin in enumerate(self.multiplicities) if spin == multiplicity]
            order += sorted(states, key=lambda k: energies[k])
        return energies[order], [np.asarray(mc.ci[k]) for k in order]

    def blocks(self) -> list[int]:
        """Return the different multiplicities."""
        return sorted(set(self.multiplicities))

    def electrons(self, multiplicity: int) -> tuple[int, int]:
        """Return the active electrons with spin up and down."""
        n, unpaired = self.method.n_electrons, multiplicity - 1
        return (n + unpaired) // 2, (n - unpaired) // 2
