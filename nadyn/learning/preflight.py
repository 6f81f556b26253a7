"""Before anything is learnt: does a level of theory hold where the molecule starts, and where bonds break?

A level is a patchwork where the solution of lowest energy has other active orbitals at one geometry than at
the next: its energies jump in between, and no model can learn them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.checks.counts import counted
from nadyn.electronic.label_judgement import trapezoid_error
from nadyn.electronic.labels import HasActiveSpace, Known, Label, Quality
from nadyn.learning.desk import Desk
from nadyn.learning.stretching import bond_types, stretched
from nadyn.structures.alignment import aligned_displacements
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

TAG = "preflight"
# Under this singular value active orbitals are others.
SAME_SPACE = 0.7
# Energies that miss by more what forces predict over a tenth of an angstrom are not smooth.
LARGEST_ERROR_EV = 0.1
# A larger part of the geometries with another active space, without an answer or with a jump is a patchwork.
_MOST_BAD = 0.1
# How far the farthest atom of a geometry is moved to see whether energies are smooth.
_NEAR_BOHR = 0.08 * BOHR_PER_ANGSTROM
# Average energies of two beginnings that differ by more [hartree] are two solutions.
_TWO_SOLUTIONS = 1e-5
# More doubts about the minimum leave too little to train.
_MOST_DOUBTFUL = 0.5
_ADVICE = (
    "Average more states (sa3 instead of sa2), take another active space (`active`), or force it if the "
    "molecule will never go there."
)
_ADVICE_WITHOUT_ORBITALS = "Try another method, or force it if the molecule will never go there."


@dataclass(frozen=True)
class Preflight:
    """What was found.

    Attributes:
        sentences: For people, in order.
        refused: Why the level is no good and what to try, in one sentence; empty where it may be used.
        record: The numbers, as JSON can hold them.
    """

    sentences: tuple[str, ...]
    refused: str
    record: Mapping[str, object]


def preflight(
    desk: Desk,
    minimum: Float[np.ndarray, "atom 3"],
    geometries: Float[np.ndarray, "frame atom 3"],
    *,
    n_near: int = 6,
    stretch: bool = True,
    forced: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Preflight:
    """Look at a source about a minimum, and along its bonds.

    All labels go into the store of the desk: they train later, and a second call costs nothing. A source that
    has no active orbitals is judged by the smoothness of its energies alone.

    Args:
        desk: Labels by the source.
        minimum: Geometry of the lowest energy [bohr].
        geometries: A sample about it, twenty or so of a Wigner sample [bohr].
        n_near: How many of them are labelled once more, 0.08 angstrom away, for the smoothness.
        stretch: Whether bonds are stretched to 2.5 times their length.
        forced: Do not refuse.
        tell: Called with what is done next.

    Raises:
        InputError: The source refuses.
    """
    (first,) = desk.label(minimum[None], tag=TAG)
    if first is None or first.quality is Quality.FAILED:
        why = "it is not there yet" if first is None else first.reason
        refused = f"the source must give a label at the minimum, but does not: {why}"
        return Preflight((refused,), "" if forced else refused, {"minimum": "failed", "reason": why})
    middle = Known(minimum, first)
    tell(f"labelling {counted(len(geometries), 'geometry')} about the minimum")
    sample = _sample(desk, middle, geometries)
    tell("labelling geometries next to them")
    smooth = _smoothness(desk, middle, geometries[:n_near])
    scans = []
    if stretch:
        tell("stretching bonds")
        scans = stretched(desk, middle, bond_types(desk.source.atomic_numbers, minimum), tag=TAG)
    seconds = _seconds(desk)
    sentences = [*_about(sample, desk.source.theory), *_about_smoothness(smooth), *_about_cost(seconds)]
    sentences += [scan.sentence for scan in scans]
    refused = _refused(sample, smooth, desk.source.theory)
    if refused:
        sentences.append(f"It is used all the same: {refused}" if forced else refused)
    record = {
        "theory": desk.source.theory,
        "sample": sample,
        "smoothness": smooth,
        "seconds_a_label": seconds,
        "bonds": [scan.record for scan in scans],
        "refused": bool(refused),
        "forced": forced,
    }
    return Preflight(tuple(sentences), "" if forced else refused, record)


def _sample(desk: Desk, middle: Known, geometries: np.ndarray) -> dict[str, object]:
    labels = desk.label(geometries, tag=TAG)
    has_space = isinstance(desk.source, HasActiveSpace)
    overlaps = [
        desk.source.active_overlap(middle, Known(positions, label)) if has_space else None
        for positions, label in zip(geometries, labels, strict=True)
        if _answered(label)
    ]
    two = [label for label in labels if _answered(label) and _has_two_solutions(label)]
    doubts = [label.reason for label in labels if _answered(label) and label.quality is Quality.DOUBTFUL]
    return {
        "n": len(labels),
        "n_failed": sum(not _answered(label) for label in labels),
        "n_doubtful": len(doubts),
        "doubt": doubts[0] if doubts else "",
        "n_other_active_space": sum(o < SAME_SPACE for o in overlaps) if has_space else None,
        "n_two_solutions": len(two) if has_space else None,
        "active_overlaps": [round(float(o), 4) for o in overlaps] if has_space else None,
    }


def _smoothness(desk: Desk, middle: Known, geometries: np.ndarray) -> dict[str, object]:
    """Compare energies a short way towards the minimum with those that forces predict."""
    beside = np.array([_towards(positions, middle.positions) for positions in geometries])
    here = desk.label(geometries, tag=TAG)
    there = desk.label(beside, tag=TAG) if len(beside) else []
    errors = []
    for positions, label, other, answer in zip(geometries, here, beside, there, strict=True):
        if _answered(label) and _answered(answer):
            error = trapezoid_error(answer, other, Known(positions, label))
            if error is not None:
                errors.append(error * ELECTRONVOLT_PER_HARTREE)
    return {
        "n": len(errors),
        "n_jumps": sum(error > LARGEST_ERROR_EV for error in errors),
        "errors_ev": [round(float(error), 5) for error in errors],
    }


def _towards(positions: np.ndarray, minimum: np.ndarray) -> np.ndarray:
    way = aligned_displacements(minimum, positions)
    farthest = np.linalg.norm(way, axis=1).max()
    return positions + way * min(1.0, _NEAR_BOHR / farthest) if farthest > 0.0 else positions


def _seconds(desk: Desk) -> float | None:
    """Return the median processor time of the labels of this kind."""
    times = [record.seconds for record in desk.store.records if record.tag == TAG and record.seconds > 0.0]
    return float(np.median(times)) if times else None


def _answered(label: Label | None) -> bool:
    return label is not None and label.quality is not Quality.FAILED


def _has_two_solutions(label: Label) -> bool:
    names = ("average_energy_from_neighbour", "average_energy_from_hartree_fock")
    found = [label.checks[name] for name in names if name in label.checks]
    return len(found) == 2 and abs(found[0] - found[1]) > _TWO_SOLUTIONS


def _about(sample: Mapping[str, object], theory: str) -> list[str]:
    n, changed = sample["n"], sample["n_other_active_space"]
    sentences = []
    if changed is None:
        sentences.append(
            f"{theory}: {n - sample['n_failed']} of {n} geometries about the minimum have labels."
        )
    else:
        sentences.append(
            f"{theory}: {changed} of {n} geometries about the minimum have another active space than it "
            f"(smallest singular value under {SAME_SPACE}), and at {sample['n_two_solutions']} the orbitals "
            "of a neighbour and of Hartree-Fock lead to two solutions."
        )
    if sample["n_failed"]:
        sentences.append(f"{counted(sample['n_failed'], 'label')} of {n} failed.")
    if sample["n_doubtful"]:
        sentences.append(
            f"{counted(sample['n_doubtful'], 'label')} of {n} may not be trusted, the first because "
            f"{sample['doubt']}"
        )
    return sentences


def _about_smoothness(smooth: Mapping[str, object]) -> list[str]:
    if not smooth["n"]:
        return ["Whether energies are smooth is not known: the source gives no forces."]
    largest = max(smooth["errors_ev"])
    return [
        f"Energies {_NEAR_BOHR * ANGSTROM_PER_BOHR:g} Å apart miss those that forces predict by at most "
        f"{largest:.3f} eV in {counted(smooth['n'], 'pair')}, {smooth['n_jumps']} by more than "
        f"{LARGEST_ERROR_EV:g} eV."
    ]


def _about_cost(seconds: float | None) -> list[str]:
    return [] if seconds is None else [f"A label costs {seconds:.2g} s of a processor."]


def _refused(sample: Mapping[str, object], smooth: Mapping[str, object], theory: str) -> str:
    changed, n = sample["n_other_active_space"], sample["n"]
    advice = _ADVICE_WITHOUT_ORBITALS if changed is None else _ADVICE
    if changed and changed > _MOST_BAD * n:
        what = f"has another one at {changed} of {n} geometries about the minimum"
        return f"{theory} must keep one active space, but {what}: its energies are a patchwork. {advice}"
    if sample["n_failed"] > _MOST_BAD * n:
        return (
            f"{theory} must give labels about the minimum, but {sample['n_failed']} of {n} failed. {advice}"
        )
    if sample["n_doubtful"] > _MOST_DOUBTFUL * n:
        return (
            f"{theory} must give labels about the minimum that it trusts, but doubts {sample['n_doubtful']} "
            f"of {n}. {advice}"
        )
    if smooth["n_jumps"] > max(1.0, _MOST_BAD * smooth["n"]):
        what = f"jump at {smooth['n_jumps']} of {smooth['n']} places about the minimum"
        return f"{theory} must have smooth energies, but they {what}: they are a patchwork. {advice}"
    return ""
