"""Labels of state-averaged CASSCF: energies, forces, couplings, dipoles, and overlaps of its states."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from pyscf import fci, gto

from nadyn.electronic.diabatic.links import Links
from nadyn.electronic.diabatic.states import Overlaps
from nadyn.electronic.label_judgement import trapezoid_errors
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.interfaces.pyscf.active_space import TooFewOrbitals
from nadyn.interfaces.pyscf.dipoles import dipole_moments
from nadyn.interfaces.pyscf.gradients import gradients_and_couplings
from nadyn.interfaces.pyscf.linked_overlaps import linked_overlaps
from nadyn.interfaces.pyscf.orbitals import active_overlap
from nadyn.interfaces.pyscf.overlaps import state_overlaps
from nadyn.interfaces.pyscf.state_average import MOST_CYCLES, StateAverage
from nadyn.structures.alignment import aligned_displacements
from nadyn.structures.rigid import without_rigid_part
from nadyn.units import ANGSTROM_PER_BOHR, HARTREE_PER_EV

# Another active space than that of a neighbour, and how near a neighbour must be to be asked.
_SAME_SPACE = 0.7
_NEAR_BOHR = 0.3 / ANGSTROM_PER_BOHR
_ASKED = 2
_SPIN_ERROR = 1e-2
# What a state must have in common with those of the geometry before, and how far its energy may be from where
# its forces lead, to go on through a change of the active space.
_SAME_STATE = 0.9
_LARGEST_JUMP = 0.05 * HARTREE_PER_EV


@dataclass(frozen=True)
class CasscfSource:
    """SA-CASSCF by PySCF; `casscf_source` builds it.

    It begins with the orbitals of the nearest known geometry and with those of Hartree-Fock; the solution of
    lower average energy is the label. Along a trajectory it begins with those of the step before alone.
    """

    average: StateAverage
    theory: str
    name: ClassVar[str] = "pyscf"
    gives: frozenset[str] = field(default=frozenset())

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        """Those of the molecule."""
        return self.average.atomic_numbers

    @property
    def charge(self) -> int:
        """Total charge [e]."""
        return self.average.section.charge

    @property
    def multiplicities(self) -> tuple[int, ...]:
        """2S + 1 of each state."""
        return self.average.multiplicities

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label | None:
        """Return the label of a geometry [bohr], see `LabelSource`.

        `checks` holds the average energy from both beginnings [hartree], which of them won, the smallest
        singular value of the overlap of active orbitals with those of up to two near geometries, and the
        largest error of S².
        """
        states = range(len(self.multiplicities))
        pairs = list(combinations(states, 2)) if self.average.section.couplings else []
        return self.label_parts(positions, near, forces=states, pairs=pairs)

    def label_parts(
        self,
        positions: Float[np.ndarray, "atom 3"],
        near: Sequence[Known] = (),
        *,
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
    ) -> Label | None:
        """Return the label with forces and couplings of some states, see `LabelsInParts`.

        From a label of this very geometry nothing else is begun with.
        """
        return self._timed(positions, near, forces, pairs, keep=False)

    def label_along(
        self,
        positions: Float[np.ndarray, "atom 3"],
        before: Known,
        *,
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
    ) -> Label | None:
        """Return the label of the solution that the one before goes over into, see `FollowsSolutions`.

        Orbitals of Hartree-Fock are begun with only where the others do not converge.
        """
        return self._timed(positions, [before], forces, pairs, keep=True)

    def _timed(
        self,
        positions: np.ndarray,
        near: Sequence[Known],
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
        *,
        keep: bool,
    ) -> Label:
        start = time.process_time()
        checks: dict[str, float] = {}
        geometry = np.asarray(positions, dtype=np.float64)
        try:
            label = self._label(geometry, near, checks, forces, pairs, keep=keep)
        except np.linalg.LinAlgError as error:
            label = self._failed(f"the linear algebra of PySCF failed: {error}.", checks)
        return replace(label, seconds=time.process_time() - start)

    def overlaps(self, first: Known, second: Known) -> Float[np.ndarray, "state state"]:
        """Return S_kl = ⟨k at the first geometry|l at the second⟩; zero between multiplicities."""
        molecules = [self.average.molecule(known.positions) for known in (first, second)]
        occupied = [known.label.memory["orbitals"] for known in (first, second)]
        between = occupied[0].T @ gto.intor_cross("int1e_ovlp", *molecules) @ occupied[1]
        result = np.zeros((len(self.multiplicities),) * 2)
        for multiplicity in sorted(set(self.multiplicities)):
            states = [k for k, spin in enumerate(self.multiplicities) if spin == multiplicity]
            vectors = [known.label.memory[f"ci_{multiplicity}"] for known in (first, second)]
            electrons = self.average.electrons(multiplicity)
            result[np.ix_(states, states)] = state_overlaps(between, self.average.n_core, *vectors, electrons)
        return result

    def linked_overlaps(
        self, known: Sequence[Known], links: Links, order: Sequence[int] | None = None
    ) -> Overlaps:
        """Return the overlaps of states along links, see `HasLinkedOverlaps`."""
        return linked_overlaps(self.average, known, links, order)

    def active_overlap(self, first: Known, second: Known) -> float:
        """Return the smallest singular value of the overlap of active orbitals, see `HasActiveSpace`."""
        mol = self.average.molecule(second.positions)
        overlap = mol.intor("int1e_ovlp")
        carried = self.average.carried(mol, overlap, first, second.positions)
        in_space = self.average.active
        return active_overlap(carried[:, in_space], second.label.memory["orbitals"][:, in_space], overlap)

    def _label(
        self,
        positions: np.ndarray,
        near: Sequence[Known],
        checks: dict[str, float],
        forces: Sequence[int],
        pairs: Sequence[tuple[int, int]],
        *,
        keep: bool,
    ) -> Label:
        mol = self.average.molecule(positions)
        overlap = mol.intor("int1e_ovlp")
        mf = self.average.mean_field(mol)
        n_occupied, in_space = self.average.n_occupied, self.average.active
        solutions = []
        carried = [
            self.average.carried(mol, overlap, known, positions) for known in near[:1] if known.label.memory
        ]
        for orbitals in carried:
            vectors = [v for m in self.average.blocks() for v in near[0].label.memory[f"ci_{m}"]]
            solutions.append(("neighbour", self.average.solve(mf, orbitals, vectors)))
        again = bool(carried) and np.array_equal(near[0].positions, positions)
        goes_on = keep and any(mc.converged for _, mc in solutions)
        try:
            beginning = None if again or goes_on else self.average.from_hartree_fock(mf, overlap)
        except TooFewOrbitals as error:
            # A neighbour's orbitals serve at such a place; a source that is wrong has none.
            if not carried:
                return self._failed(str(error), checks)
            beginning = None
        if beginning is not None:
            solutions.append(("hartree_fock", self.average.solve(mf, beginning, None)))
        converged = []
        for name, mc in solutions:
            if mc.converged:
                converged.append((name, mc))
                checks[f"average_energy_from_{name}"] = float(mc.e_tot)
        if not converged:
            return self._failed(
                f"CASSCF did not converge in {MOST_CYCLES} cycles, from "
                f"{' nor from '.join(name for name, _ in solutions) or 'any orbitals'}.",
                checks,
            )
        winner, mc = min(converged, key=lambda solution: solution[1].e_tot)
        checks["began_with_neighbour"] = float(winner == "neighbour")
        energies, vectors = self.average.ordered(mc)
        mc.ci = vectors
        electrons = tuple(self.average.electrons(m) for m in self.multiplicities)
        checks["spin_error"] = max(
            abs(float(fci.spin_op.spin_square(v, mc.ncas, e)[0]) - 0.25 * (m * m - 1))
            for v, e, m in zip(vectors, electrons, self.multiplicities, strict=True)
        )
        active = mc.mo_coeff[:, in_space]
        others = [
            self.average.carried(mol, overlap, known, positions)
            for known in self._to_compare(near, positions)
        ]
        kept = [active_overlap(one[:, in_space], active, overlap) for one in carried + others]
        if kept:
            checks["active_overlap_min"] = min(kept)
        answer = gradients_and_couplings(
            mc,
            electrons,
            energies=energies,
            couplings=self.average.section.couplings,
            translation_factors=self.average.section.translation_factors,
            states=forces,
            pairs=pairs,
        )
        couplings = None
        if self.average.section.couplings:
            couplings = without_rigid_part(answer.couplings, positions)
            checks["rigid_part_of_couplings"] = _rigid_fraction(
                np.nan_to_num(answer.couplings), np.nan_to_num(couplings)
            )
        memory = {"orbitals": mc.mo_coeff[:, :n_occupied].copy()}
        for multiplicity in self.average.blocks():
            memory[f"ci_{multiplicity}"] = np.stack(
                [v for v, m in zip(vectors, self.multiplicities, strict=True) if m == multiplicity]
            )
        quality, reason = self._judged(checks, bool(carried), near, positions)
        if not answer.converged:
            quality, reason = Quality.FAILED, "the response of the orbitals did not converge."
        label = Label(
            quality=quality,
            reason=reason,
            energies=energies,
            forces=-answer.gradients,
            interstate_couplings=couplings,
            dipoles=dipole_moments(mc, vectors, electrons),
            checks=checks,
            memory=memory,
        )
        return self._with_doubted_states(label, positions, near[0]) if quality is Quality.DOUBTFUL else label

    def _with_doubted_states(self, label: Label, positions: np.ndarray, before: Known) -> Label:
        """Return a doubtful label that says which of its states are not those of the geometry before.

        A state goes on where 0.9 of it lies in the states before and its energy follows its forces.
        """
        overlap = self.overlaps(before, Known(positions, label))
        kept = np.linalg.norm(overlap, axis=0)
        errors = trapezoid_errors(label, positions, before)
        jumps = np.zeros(len(kept)) if errors is None else np.nan_to_num(np.abs(errors))
        bad = (kept < _SAME_STATE) | (jumps > _LARGEST_JUMP)
        checks = {**label.checks, **{f"kept_of_state_{k}": float(norm) for k, norm in enumerate(kept)}}
        doubted = tuple(int(k) for k in np.flatnonzero(bad)) if bad.any() else None
        return replace(label, checks=checks, doubted=doubted)

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

    def _failed(self, reason: str, checks: dict[str, float]) -> Label:
        return Label(Quality.FAILED, reason, np.full(len(self.multiplicities), np.nan), checks=checks)


def _distance(known: Known, positions: np.ndarray) -> float:
    return float(np.sqrt((aligned_displacements(known.positions, positions) ** 2).sum(axis=1).mean()))


def _rigid_fraction(raw: np.ndarray, free: np.ndarray) -> float:
    size = float(np.linalg.norm(raw))
    return float(np.linalg.norm(raw - free)) / size if size > 0.0 else 0.0
