"""Labels of state-averaged CASSCF: energies, forces, couplings, dipoles, and overlaps of its states."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from pyscf import fci, gto, mcscf, scf
from pyscf.fci import direct_spin1
from pyscf.scf.hf import SCF

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.interfaces.pyscf.active_space import overlapping_with_atoms, read_orbitals, with_active_orbitals
from nadyn.interfaces.pyscf.gradients import gradients_and_couplings
from nadyn.interfaces.pyscf.method import Casscf
from nadyn.interfaces.pyscf.molecule import molecule, turned
from nadyn.interfaces.pyscf.orbitals import Orbitals, active_overlap, orthonormal
from nadyn.interfaces.pyscf.overlaps import state_overlaps
from nadyn.interfaces.pyscf.section import PyscfSection
from nadyn.structures.alignment import aligned_displacements, rotation_onto
from nadyn.structures.rigid import without_rigid_part
from nadyn.units import ANGSTROM_PER_BOHR

_MOST_CYCLES = 100
# Another active space than that of a neighbour, and how near a neighbour must be to be asked.
_SAME_SPACE = 0.7
_NEAR_BOHR = 0.3 / ANGSTROM_PER_BOHR
_ASKED = 2
_SPIN_ERROR = 1e-2
# What a state of another spin is raised by [hartree] for S² wrong by 1: beyond all states of a valence space.
_SPIN_PENALTY = 1.0


@dataclass(frozen=True)
class CasscfSource:
    """SA-CASSCF by PySCF; build it with `casscf_source`.

    It begins with the orbitals of the nearest known geometry and with those of Hartree-Fock; the solution of
    lower average energy is the label.
    """

    section: PyscfSection
    method: Casscf
    atomic_numbers: tuple[int, ...]
    multiplicities: tuple[int, ...]
    n_core: int
    theory: str
    name: ClassVar[str] = "pyscf"
    gives: frozenset[str] = field(default=frozenset())

    @property
    def charge(self) -> int:
        return self.section.charge

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label | None:
        """Return the label of a geometry [bohr], see `LabelSource`.

        `checks` holds the average energy from both beginnings [hartree], which of them won, the smallest
        singular value of the overlap of active orbitals with those of up to two near geometries, and the
        largest error of S².
        """
        start = time.process_time()
        checks: dict[str, float] = {}
        try:
            label = self._label(np.asarray(positions, dtype=np.float64), near, checks)
        except np.linalg.LinAlgError as error:
            label = self._failed(f"the linear algebra of PySCF failed: {error}.", checks)
        return replace(label, seconds=time.process_time() - start)

    def overlaps(self, first: Known, second: Known) -> Float[np.ndarray, "state state"]:
        """Return S_kl = ⟨k at the first geometry|l at the second⟩; zero between multiplicities."""
        molecules = [self._molecule(known.positions) for known in (first, second)]
        occupied = [known.label.memory["orbitals"] for known in (first, second)]
        between = gto.intor_cross("int1e_ovlp", *molecules)
        result = np.zeros((len(self.multiplicities),) * 2)
        for multiplicity in sorted(set(self.multiplicities)):
            states = [k for k, spin in enumerate(self.multiplicities) if spin == multiplicity]
            vectors = [known.label.memory[f"ci_{multiplicity}"] for known in (first, second)]
            result[np.ix_(states, states)] = state_overlaps(
                occupied[0].T @ between @ occupied[1], self.n_core, *vectors, self._electrons(multiplicity)
            )
        return result

    def _label(self, positions: np.ndarray, near: Sequence[Known], checks: dict[str, float]) -> Label:
        mol = self._molecule(positions)
        overlap = mol.intor("int1e_ovlp")
        mf = self._mean_field(mol)
        n_occupied = self.n_core + self.method.n_orbitals
        solutions = []
        carried = [self._carried(mol, overlap, known, positions) for known in near[:1] if known.label.memory]
        for orbitals in carried:
            vectors = [v for m in self._blocks() for v in near[0].label.memory[f"ci_{m}"]]
            solutions.append(("neighbour", self._solve(mf, orbitals, vectors)))
        beginning = self._from_hartree_fock(mf, overlap)
        if beginning is not None:
            solutions.append(("hartree_fock", self._solve(mf, beginning, None)))
        converged = []
        for name, mc in solutions:
            if mc.converged:
                converged.append((name, mc))
                checks[f"average_energy_from_{name}"] = float(mc.e_tot)
        if not converged:
            return self._failed(
                f"CASSCF did not converge in {_MOST_CYCLES} cycles, from "
                f"{' nor from '.join(name for name, _ in solutions) or 'any orbitals'}.",
                checks,
            )
        winner, mc = min(converged, key=lambda solution: solution[1].e_tot)
        checks["began_with_neighbour"] = float(winner == "neighbour")
        energies, vectors = self._ordered(mc)
        mc.ci = vectors
        electrons = tuple(self._electrons(m) for m in self.multiplicities)
        checks["spin_error"] = max(
            abs(float(fci.spin_op.spin_square(v, mc.ncas, e)[0]) - 0.25 * (m * m - 1))
            for v, e, m in zip(vectors, electrons, self.multiplicities, strict=True)
        )
        active = mc.mo_coeff[:, self.n_core : n_occupied]
        kept = [
            active_overlap(orbitals[:, self.n_core : n_occupied], active, overlap)
            for orbitals in carried
            + [self._carried(mol, overlap, known, positions) for known in self._to_compare(near, positions)]
        ]
        if kept:
            checks["active_overlap_min"] = min(kept)
        answer = gradients_and_couplings(
            mc,
            electrons,
            energies=energies,
            couplings=self.section.couplings,
            translation_factors=self.section.translation_factors,
        )
        couplings = None
        if self.section.couplings:
            couplings = without_rigid_part(answer.couplings, positions)
            checks["rigid_part_of_couplings"] = _rigid_fraction(answer.couplings, couplings)
        memory = {"orbitals": mc.mo_coeff[:, :n_occupied].copy()}
        for multiplicity in self._blocks():
            memory[f"ci_{multiplicity}"] = np.stack(
                [v for v, m in zip(vectors, self.multiplicities, strict=True) if m == multiplicity]
            )
        quality, reason = self._judged(checks, bool(carried), near, positions)
        if not answer.converged:
            quality, reason = Quality.FAILED, "the response of the orbitals did not converge."
        return Label(
            quality=quality,
            reason=reason,
            energies=energies,
            forces=-answer.gradients,
            interstate_couplings=couplings,
            dipoles=_dipoles(mc, vectors, electrons),
            checks=checks,
            memory=memory,
        )

    def _judged(
        self, checks: dict[str, float], carried: bool, near: Sequence[Known], positions: np.ndarray
    ) -> tuple[Quality, str]:
        if checks["spin_error"] > _SPIN_ERROR:
            return Quality.FAILED, f"a state has not its spin: S² is wrong by {checks['spin_error']:.2g}."
        kept = checks.get("active_overlap_min", 1.0)
        is_near = carried and _distance(near[0], positions) < _NEAR_BOHR
        if is_near and kept < _SAME_SPACE:
            return Quality.DOUBTFUL, (
                f"the active orbitals are others than at the nearest geometry (smallest singular value of "
                f"their overlap {kept:.2f})."
            )
        return Quality.TRUSTED, ""

    def _to_compare(self, near: Sequence[Known], positions: np.ndarray) -> list[Known]:
        return [
            known
            for known in near[1:_ASKED]
            if known.label.memory and _distance(known, positions) < _NEAR_BOHR
        ]

    def _molecule(self, positions: np.ndarray) -> gto.Mole:
        electrons = sum(self.atomic_numbers) - self.charge
        return molecule(
            self.atomic_numbers,
            positions,
            basis=self.method.basis,
            charge=self.charge,
            spin=electrons % 2,
        )

    def _mean_field(self, mol: gto.Mole) -> SCF:
        mf = scf.RHF(mol) if mol.spin == 0 else scf.ROHF(mol)
        if self.section.density_fitting:
            mf = mf.density_fit()
        mf.conv_tol, mf.max_memory = 1e-9, self.section.memory_mb
        mf.chkfile = None
        return mf

    def _from_hartree_fock(self, mf: SCF, overlap: np.ndarray) -> Orbitals | None:
        """Return orbitals with the active ones behind the core; None where Hartree-Fock does not converge."""
        section, n_orbitals = self.section.active, self.method.n_orbitals
        if section.file is not None:
            return read_orbitals(section.file, mf.mol, overlap, self.n_core + n_orbitals)
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
            return overlapping_with_atoms(mf, section.atoms, section.labels)
        return mf.mo_coeff

    def _carried(self, mol: gto.Mole, overlap: np.ndarray, known: Known, positions: np.ndarray) -> Orbitals:
        """Return the orbitals of another geometry, turned and moved to this one."""
        rotation = rotation_onto(known.positions, positions)
        return orthonormal(turned(mol, known.label.memory["orbitals"], rotation), overlap)

    def _solve(self, mf: SCF, orbitals: Orbitals, vectors: list[np.ndarray] | None) -> mcscf.mc1step.CASSCF:
        blocks, n_orbitals = self._blocks(), self.method.n_orbitals
        weights = [1.0 / self.method.n_states] * self.method.n_states
        mc = mcscf.CASSCF(mf, n_orbitals, self._electrons(blocks[0]))
        if len(blocks) == 1:
            mc = mc.state_average(weights)
            spin = 0.5 * (blocks[0] - 1)
            mc.fix_spin_(ss=spin * (spin + 1.0), shift=_SPIN_PENALTY)
        else:
            mc = mcscf.state_average_mix(mc, [self._solver(mf.mol, block) for block in blocks], weights)
        mc.conv_tol = self.section.energy_tolerance_hartree
        mc.conv_tol_grad = self.section.orbital_tolerance
        mc.max_cycle_macro, mc.max_memory = _MOST_CYCLES, self.section.memory_mb
        mc.chkfile = None
        mc.kernel(orbitals, ci0=vectors)
        if not mc.converged:
            second = mc.newton()
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
        return solver

    def _ordered(self, mc: mcscf.mc1step.CASSCF) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return energies and vectors, ascending within each multiplicity."""
        energies = np.array(mc.e_states, dtype=np.float64)
        order: list[int] = []
        for multiplicity in self._blocks():
            states = [k for k, spin in enumerate(self.multiplicities) if spin == multiplicity]
            order += sorted(states, key=lambda k: energies[k])
        return energies[order], [np.asarray(mc.ci[k]) for k in order]

    def _blocks(self) -> list[int]:
        return sorted(set(self.multiplicities))

    def _electrons(self, multiplicity: int) -> tuple[int, int]:
        n, unpaired = self.method.n_electrons, multiplicity - 1
        return (n + unpaired) // 2, (n - unpaired) // 2

    def _failed(self, reason: str, checks: dict[str, float]) -> Label:
        return Label(Quality.FAILED, reason, np.full(len(self.multiplicities), np.nan), checks=checks)


def casscf_source(section: PyscfSection, method: Casscf, atomic_numbers: tuple[int, ...]) -> CasscfSource:
    """Return the source of a section.

    Raises:
        InputError: Electrons, spins, active orbitals or basis do not fit the molecule.
    """
    n_electrons = sum(atomic_numbers) - section.charge
    inactive = n_electrons - method.n_electrons
    if inactive < 0 or inactive % 2:
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
    source = CasscfSource(
        section=section,
        method=method,
        atomic_numbers=atomic_numbers,
        multiplicities=tuple(spins),
        n_core=inactive // 2,
        theory=_theory(section, method, tuple(spins)),
        gives=frozenset({"forces", "dipoles", "overlaps"} | _couplings(section)),
    )
    apart = np.zeros((len(atomic_numbers), 3))
    apart[:, 0] = 5.0 * np.arange(len(atomic_numbers))
    _check_active(section, method, source._molecule(apart), source.n_core)
    return source


def _couplings(section: PyscfSection) -> set[str]:
    return {"interstate_couplings"} if section.couplings else set()


def _check_number_of_states(wanted: int, multiplicity: int, method: Casscf) -> None:
    """Refuse more states of a spin than the active space has, by Weyl's formula."""
    m, n, spins = method.n_orbitals, method.n_electrons, multiplicity
    low, high = (n - spins + 1) // 2, (n + spins + 1) // 2
    there = spins * math.comb(m + 1, low) * math.comb(m + 1, high) // (m + 1)
    if wanted > there:
        raise InputError(
            f"`method` must average at most {there} states of multiplicity {multiplicity} of casscf({n},{m}), "
            f"but averages {wanted}. Take a larger active space."
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
        words.append(f"active orbitals of {active.file}")
    if section.density_fitting:
        words.append("density fitting")
    if section.couplings:
        factors = " with translation factors" if section.translation_factors else ""
        words.append(f"couplings{factors} free of translation and rotation")
    return ", ".join([*words, "PySCF"])


def _dipoles(
    mc: mcscf.mc1step.CASSCF, vectors: list[np.ndarray], electrons: tuple[tuple[int, int], ...]
) -> Float[np.ndarray, "state state 3"]:
    """Return ⟨k|μ|l⟩ about the origin of the geometry, without the response of the orbitals."""
    mol, n = mc.mol, len(vectors)
    operator = mol.intor("int1e_r", comp=3)
    core = 2.0 * mc.mo_coeff[:, : mc.ncore] @ mc.mo_coeff[:, : mc.ncore].T
    active = mc.mo_coeff[:, mc.ncore : mc.ncore + mc.ncas]
    in_active = active.T @ operator @ active
    fixed = mol.atom_charges() @ mol.atom_coords() - np.einsum("xij,ij->x", operator, core)
    result = np.zeros((n, n, 3))
    for k in range(n):
        for l in range(k, n):
            if electrons[k] == electrons[l]:
                density = direct_spin1.trans_rdm1(vectors[k], vectors[l], mc.ncas, electrons[k])
                moment = -np.einsum("xuv,uv->x", in_active, 0.5 * (density + density.T))
                result[k, l] = result[l, k] = moment + (fixed if k == l else 0.0)
    return result


def _distance(known: Known, positions: np.ndarray) -> float:
    return float(np.sqrt((aligned_displacements(known.positions, positions) ** 2).sum(axis=1).mean()))


def _rigid_fraction(raw: np.ndarray, free: np.ndarray) -> float:
    size = float(np.linalg.norm(raw))
    return float(np.linalg.norm(raw - free)) / size if size > 0.0 else 0.0
