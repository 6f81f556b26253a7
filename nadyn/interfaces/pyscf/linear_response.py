"""Labels of TDA and TDDFT: energies, forces and dipoles, and overlaps of states; PySCF has no couplings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from pyscf import gto
from pyscf.scf.hf import RHF

from nadyn.electronic.labels import Known, Label, Quality
from nadyn.interfaces.pyscf.molecule import turned
from nadyn.interfaces.pyscf.orbital_hessian import lowest_curvature, rotated
from nadyn.interfaces.pyscf.orbitals import Orbitals, orthonormal
from nadyn.interfaces.pyscf.response import Response, Roots, second_order
from nadyn.interfaces.pyscf.response_overlaps import (
    orthonormal_amplitudes,
    response_dipoles,
    response_overlaps,
)
from nadyn.structures.alignment import rotation_onto
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# The nearest that an excited singlet may come to the ground state, whose crossing linear response does not
# know: B. G. Levine et al., Mol. Phys. 104, 1039 (2006).
_SMALLEST_GAP = 0.2 * HARTREE_PER_EV
# A curvature of the energy with its orbitals under this [hartree] is negative.
_UNSTABLE = -1e-4


@dataclass(frozen=True)
class LinearResponseSource:
    """TDA or TDDFT by PySCF; `linear_response_source` builds it.

    The ground state begins with the orbitals of the nearest known geometry and with atoms; the solution of
    lower energy is the label.
    """

    response: Response
    theory: str
    name: ClassVar[str] = "pyscf"
    gives: ClassVar[frozenset[str]] = frozenset({"forces", "dipoles", "overlaps"})

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        """Those of the molecule."""
        return self.response.atomic_numbers

    @property
    def charge(self) -> int:
        """Total charge [e]."""
        return self.response.section.charge

    @property
    def multiplicities(self) -> tuple[int, ...]:
        """2S + 1 of each state."""
        return self.response.multiplicities

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label | None:
        """Return the label of a geometry [bohr], see `LabelSource`.

        `checks` holds the energy of the ground state from both beginnings [hartree], which of them won, the
        lowest curvature of its energy with its orbitals [hartree], and the gaps of the lowest excited singlet
        and of the lowest triplet to it [eV], the latter in the Tamm-Dancoff approximation.
        """
        return self.label_parts(positions, near, forces=range(len(self.multiplicities)), pairs=())

    def label_parts(
        self,
        positions: Float[np.ndarray, "atom 3"],
        near: Sequence[Known] = (),
        *,
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
    ) -> Label | None:
        """Return the label with the forces of some states, see `LabelsInParts`; there are no couplings.

        From a label of this very geometry all but the forces is taken.
        """
        start = time.process_time()
        checks: dict[str, float] = {}
        try:
            label = self._label(np.asarray(positions, dtype=np.float64), near, checks, forces)
        except (np.linalg.LinAlgError, RuntimeError) as error:
            label = self._failed(f"linear response in PySCF failed: {str(error).rstrip('.')}.", checks)
        return replace(label, seconds=time.process_time() - start)

    def overlaps(self, first: Known, second: Known) -> Float[np.ndarray, "state state"]:
        """Return S_kl = ⟨k at the first geometry|l at the second⟩; zero between multiplicities."""
        molecules = [self.response.molecule(known.positions) for known in (first, second)]
        orbitals = [known.label.memory["orbitals"] for known in (first, second)]
        between = orbitals[0].T @ gto.intor_cross("int1e_ovlp", *molecules) @ orbitals[1]
        result = np.zeros((len(self.multiplicities),) * 2)
        for spin in sorted(set(self.multiplicities)):
            states = self._states(spin)
            amplitudes = [self._amplitudes(known.label, spin) for known in (first, second)]
            block = response_overlaps(between, *amplitudes, singlet=spin == 1)
            if spin == 1:
                orders = [known.label.memory["order"] for known in (first, second)]
                block = block[np.ix_(*orders)]
            result[np.ix_(states, states)] = block[-len(states) :, -len(states) :]
        return result

    def _label(
        self, positions: np.ndarray, near: Sequence[Known], checks: dict[str, float], forces: Sequence[int]
    ) -> Label:
        mol = self.response.molecule(positions)
        if near and near[0].label.memory and np.array_equal(near[0].positions, positions):
            known = near[0].label
            return replace(known, forces=self._forces(*self._remembered(mol, known), known, forces))
        mf = self._ground_state(mol, near, positions, checks)
        if mf is None:
            return self._failed("the ground state did not converge, from any beginning.", checks)
        problem = self._instability(mf, checks)
        if not self.response.method.tamm_dancoff and (imaginary := self._imaginary(mf, checks)):
            return self._failed(imaginary, checks)
        roots = {spin: self.response.roots(mf, spin) for spin in self.response.blocks()}
        for spin, found in roots.items():
            if not found.converged:
                kind = "singlets" if spin == 1 else "triplets"
                return self._failed(f"the roots of excited {kind} did not converge.", checks)
        energies, order = self._energies(mf, roots)
        memory = {"orbitals": mf.mo_coeff, "levels": mf.mo_energy, "order": order}
        memory |= {f"amplitudes_{spin}": found.amplitudes for spin, found in roots.items()}
        label = Label(Quality.TRUSTED, "", energies, checks=checks, memory=memory)
        reason = self._doubt(roots, checks) or problem
        return replace(
            label,
            quality=Quality.DOUBTFUL if reason else Quality.TRUSTED,
            reason=reason,
            forces=self._forces(mf, roots, label, forces),
            dipoles=self._dipoles(mol, label),
        )

    def _ground_state(
        self, mol: gto.Mole, near: Sequence[Known], positions: np.ndarray, checks: dict[str, float]
    ) -> RHF | None:
        beginnings: dict[str, Orbitals | None] = {"atoms": None}
        if near and near[0].label.memory:
            n, rotation = self.response.n_occupied, rotation_onto(near[0].positions, positions)
            occupied = turned(mol, near[0].label.memory["orbitals"][:, :n], rotation)
            beginnings["neighbour"] = orthonormal(occupied, mol.intor("int1e_ovlp"))[:, :n]
        solutions = {}
        for name, occupied in beginnings.items():
            mf = self.response.ground_state(mol, occupied)
            if mf.converged:
                solutions[name] = mf
                checks[f"ground_state_energy_from_{name}"] = float(mf.e_tot)
        if not solutions:
            return None
        winner = min(solutions, key=lambda name: solutions[name].e_tot)
        checks["began_with_neighbour"] = float(winner == "neighbour")
        return solutions[winner]

    def _instability(self, mf: RHF, checks: dict[str, float]) -> str:
        """Leave a saddle point of the energy, and return why the ground state is to be doubted."""
        lowest = lowest_curvature(mf, singlet=True)
        if lowest.value < _UNSTABLE:
            second_order(mf, rotated(mf, lowest.rotation))
            lowest = lowest_curvature(mf, singlet=True)
        checks["lowest_curvature_hartree"] = lowest.value
        checks["triplet_gap_ev"] = self.response.triplet_gap(mf) * ELECTRONVOLT_PER_HARTREE
        if not mf.converged or lowest.value < _UNSTABLE:
            return "the ground state is a saddle point of the energy, and no lower solution was found."
        if checks["triplet_gap_ev"] < 0.0:
            return (
                f"the ground state is unstable: a triplet lies {-checks['triplet_gap_ev']:.2f} eV under it, "
                "and one determinant does not describe it."
            )
        return ""

    def _imaginary(self, mf: RHF, checks: dict[str, float]) -> str:
        """Return why full linear response has a root that is not real, which PySCF would leave out."""
        for spin in self.response.blocks():
            if spin == 3:
                checks["triplet_curvature_hartree"] = lowest_curvature(mf, singlet=False).value
            name = "lowest_curvature_hartree" if spin == 1 else "triplet_curvature_hartree"
            if checks[name] < 0.0:
                kind = "singlet" if spin == 1 else "triplet"
                return (
                    f"an excitation energy of a {kind} is imaginary, because the ground state is unstable. "
                    "Try the Tamm-Dancoff approximation."
                )
        return ""

    def _doubt(self, roots: dict[int, Roots], checks: dict[str, float]) -> str:
        if 1 not in roots:
            return ""
        gap = roots[1].excitations[0]
        checks["singlet_gap_ev"] = float(gap * ELECTRONVOLT_PER_HARTREE)
        if gap >= _SMALLEST_GAP:
            return ""
        return (
            f"the lowest excited singlet is {checks['singlet_gap_ev']:.2f} eV from the ground state; under "
            f"{_SMALLEST_GAP * ELECTRONVOLT_PER_HARTREE:.1f} eV linear response does not know how they cross."
        )

    def _energies(self, mf: RHF, roots: dict[int, Roots]) -> tuple[np.ndarray, np.ndarray]:
        """Return ascending energies, and which singlet stands where; 0 is the closed shell."""
        empty = np.zeros(0)
        singlets = np.append(0.0, roots[1].excitations if 1 in roots else empty)
        order = np.argsort(singlets, kind="stable")
        triplets = roots[3].excitations if 3 in roots else empty
        return mf.e_tot + np.concatenate([singlets[order], triplets]), order

    def _remembered(self, mol: gto.Mole, label: Label) -> tuple[RHF, dict[int, Roots]]:
        memory, roots = label.memory, {}
        energy = float(label.energies[np.flatnonzero(memory["order"] == 0)[0]])
        mf = self.response.remembered(mol, energy, memory["orbitals"], memory["levels"])
        for spin in self.response.blocks():
            amplitudes = memory[f"amplitudes_{spin}"]
            roots[spin] = Roots(np.zeros(len(amplitudes)), amplitudes, True)
        return mf, roots

    def _forces(
        self, mf: RHF, roots: dict[int, Roots], label: Label, wanted: Sequence[int]
    ) -> Float[np.ndarray, "state atom 3"]:
        n_singlets = self.multiplicities.count(1)
        where = [
            (1, int(label.memory["order"][k]) - 1) if k < n_singlets else (3, k - n_singlets) for k in wanted
        ]
        result = np.full((len(self.multiplicities), len(self.atomic_numbers), 3), np.nan)
        result[list(wanted)] = -self.response.gradients(mf, roots, where)
        return result

    def _dipoles(self, mol: gto.Mole, label: Label) -> Float[np.ndarray, "state state 3"]:
        result = np.zeros((len(self.multiplicities),) * 2 + (3,))
        for spin in sorted(set(self.multiplicities)):
            states = self._states(spin)
            amplitudes = self._amplitudes(label, spin)
            block = response_dipoles(mol, label.memory["orbitals"], amplitudes, singlet=spin == 1)
            if spin == 1:
                block = block[np.ix_(label.memory["order"], label.memory["order"])]
            result[np.ix_(states, states)] = block[-len(states) :, -len(states) :]
        return result

    def _amplitudes(self, label: Label, spin: int) -> Float[np.ndarray, "root occupied empty"]:
        found = label.memory.get(f"amplitudes_{spin}")
        if found is None:
            n, n_orbitals = self.response.n_occupied, label.memory["orbitals"].shape[1]
            return np.zeros((0, n, n_orbitals - n))
        return orthonormal_amplitudes(found)

    def _states(self, spin: int) -> list[int]:
        return [k for k, other in enumerate(self.multiplicities) if other == spin]

    def _failed(self, reason: str, checks: dict[str, float]) -> Label:
        return Label(Quality.FAILED, reason, np.full(len(self.multiplicities), np.nan), checks=checks)
