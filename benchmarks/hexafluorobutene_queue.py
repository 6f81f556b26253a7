"""What `hexafluorobutene_labels.py` asks and was told: a queue of geometries, and labels as lines of JSON."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pyscf import lo
from pyscf.fci import direct_spin1

from nadyn import shipped
from nadyn.data import load_dataset
from nadyn.data.dataset import Group
from nadyn.data.farthest_points import farthest_first
from nadyn.electronic.labels import Known, Label, LabelSource, Quality
from nadyn.interfaces.sources import source_from
from nadyn.learning.diversity import shapes
from nadyn.learning.geometries import stopped_geometries
from nadyn.structures.rigid import without_rigid_part
from nadyn.trajectory import open_run

SOURCE = {"pyscf": {"method": "sa2-casscf(2,2)/cc-pvdz", "density_fitting": True}}
# Frames of the shipped dataset that are labelled too, for the shift between the levels.
FRAMES = (149, 282, 344, 937, 1152, 1538, 1942, 2096)
# A frame after so many stops; two frames come first.
_STOPS_A_FRAME = 6
_FIRST = 2
# Geometries are rounded before they are labelled, so that their names survive the file [bohr].
_DECIMALS = 7
_DIGITS = {"energies": 10, "forces": 8, "interstate_couplings": 8, "dipoles": 6}


@dataclass(frozen=True, eq=False)
class Asked:
    """A geometry in the queue.

    Attributes:
        origin: "frame" of the shipped dataset, or "stop" of a trajectory.
        round: 0 for frames, else which model ran.
        number: Frame, or trajectory.
        reason: Status of the trajectory.
        state: State that it was on.
        positions: [bohr].
    """

    origin: str
    round: int
    number: int
    reason: str
    state: int | None
    positions: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.origin} {self.round} {self.number}"

    def as_json(self) -> dict[str, object]:
        """Return what `asked_from` reads."""
        names = ("origin", "round", "number", "reason", "state")
        return {key: getattr(self, key) for key in names} | {"positions": _rounded(self.positions, _DECIMALS)}


@dataclass(frozen=True, eq=False)
class Answered:
    """A geometry with its label.

    Attributes:
        asked: The geometry.
        label: What the source said; the couplings hold the term of orbitals that move with their nuclei.
        theory: Level.
        active_by_atom: How much of the active orbitals is at each atom, see `active_by_atom`.
        moving: That term of the couplings over the gap, see `moving_orbitals`; None where it is not known.
    """

    asked: Asked
    label: Label
    theory: str
    active_by_atom: tuple[float, ...] = ()
    moving: np.ndarray | None = None

    @property
    def known(self) -> Known:
        """The geometry with its label; couplings as the shipped ones are, without that term."""
        if self.moving is None or self.label.interstate_couplings is None:
            return Known(self.asked.positions, replace(self.label, interstate_couplings=None))
        lower, upper = self.label.energies
        couplings = self.label.interstate_couplings - (upper - lower) * self.moving
        return Known(self.asked.positions, replace(self.label, interstate_couplings=couplings))

    def as_json(self) -> dict[str, object]:
        """Return one line of the file of labels."""
        label = self.label
        arrays = {
            key: None if getattr(label, key) is None else _rounded(getattr(label, key), digits)
            for key, digits in _DIGITS.items()
        }
        return {
            **self.asked.as_json(),
            "quality": label.quality.name.lower(),
            "why": label.reason,
            **arrays,
            "checks": {key: float(f"{value:.9g}") for key, value in label.checks.items()},
            "active_by_atom": _rounded(self.active_by_atom, 3),
            "moving_orbitals": None if self.moving is None else _rounded(self.moving, 8),
            "seconds": round(label.seconds, 1),
            "theory": self.theory,
        }


def original() -> Group:
    """Return the shipped dataset."""
    return load_dataset(shipped.path("hexafluorobutene/hexafluorobutene.h5")).groups[0]


def source() -> LabelSource:
    """Return the level of theory of all labels."""
    return source_from(SOURCE, original().atomic_numbers)


def stops(run_file: Path, number_of_round: int, known: Sequence[np.ndarray] = ()) -> list[Asked]:
    """Return where trajectories stopped, each the farthest from all frames and those before it on its state.

    States take turns in proportion to their stops: the farthest of all are hot molecules on S0, and none of
    the first forty would be on S1.
    """
    run, older = open_run(run_file), original()
    geometries = stopped_geometries(run_file)
    names = [run.status_names[int(code)] for code in run.status]
    # `stopped_geometries` keeps the order of the trajectories and tags them by their status.
    rows = np.array([row for row, name in enumerate(names) if name in set(geometries.tags)])
    numbers = older.atomic_numbers
    before = np.concatenate([older.positions, np.reshape(known, (-1, *older.positions.shape[1:]))])
    features, there = shapes(geometries.positions, numbers), shapes(before, numbers)
    states = np.asarray(run.stops["active_state"])[rows]
    turns = []
    for state in np.unique(states):
        (own,) = np.nonzero(states == state)
        order = farthest_first(features[own], there, len(own))
        turns += [((rank + 0.5) / len(own), int(own[k])) for rank, k in enumerate(order)]
    return [
        Asked(
            "stop",
            number_of_round,
            int(rows[k]),
            geometries.tags[k],
            int(states[k]),
            np.round(geometries.positions[k], _DECIMALS),
        )
        for _, k in sorted(turns)
    ]


def queue(found: Sequence[Asked]) -> list[Asked]:
    """Return what is labelled in which order: two frames, stops of the last round first, frames between."""
    older = original()
    frames = [Asked("frame", 0, k, "", None, np.round(older.positions[k], _DECIMALS)) for k in FRAMES]
    result, later = frames[:_FIRST], frames[_FIRST:]
    for k, one in enumerate(sorted(found, key=lambda one: -one.round)):
        result.append(one)
        if k % _STOPS_A_FRAME == _STOPS_A_FRAME - 1 and later:
            result.append(later.pop(0))
    return result + later


def active_by_atom(label: Label, positions: np.ndarray, asked: LabelSource) -> tuple[float, ...]:
    """Return how much of the active orbitals is at each atom, by Löwdin; the sum is their number.

    Where they have left the two carbon atoms of the double bond, another bond breaks than the one that the
    active space is made for.
    """
    if "orbitals" not in label.memory:
        return ()
    mol = asked.average.molecule(positions)
    root = lo.orth.lowdin(mol.intor("int1e_ovlp"))
    inside = np.linalg.solve(root, label.memory["orbitals"][:, asked.average.active])
    slices = mol.aoslice_by_atom()[:, 2:]
    return tuple(float((inside[begin:end] ** 2).sum()) for begin, end in slices)


def moving_orbitals(label: Label, positions: np.ndarray, asked: LabelSource) -> np.ndarray | None:
    """Return the term ⟨0|∂1⟩ of orbitals that move with their nuclei [1/bohr], without rigid motion.

    Translation factors leave (E_1 - E_0) times this away from a coupling; the shipped ones were made so.
    """
    if "orbitals" not in label.memory:
        return None
    mol = asked.average.molecule(positions)
    lower, upper = label.memory["ci_1"]
    one = direct_spin1.trans_rdm1(lower, upper, asked.average.method.n_orbitals, asked.average.electrons(1))
    active = label.memory["orbitals"][:, asked.average.active]
    density = active @ (one - one.T) @ active.T
    # -⟨∂i|j⟩, as gradients of PySCF have it.
    overlap = -mol.intor("int1e_ipovlp", comp=3)
    slices = mol.aoslice_by_atom()[:, 2:]
    term = np.stack([0.5 * np.einsum("xij,ij->x", overlap[:, b:e], density[b:e]) for b, e in slices])
    return without_rigid_part(term[None], positions)


def read_labels(path: Path) -> list[Answered]:
    """Return the labels of a file, none where there is no file."""
    if not path.exists():
        return []
    return [_answered(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def write_labels(path: Path, labels: Sequence[Answered]) -> None:
    """Write the file whole or not at all."""
    text = "".join(json.dumps(one.as_json(), separators=(",", ":")) + "\n" for one in labels)
    write_whole(path, text)


def write_whole(path: Path, text: str) -> None:
    """Replace a text file so that nobody reads half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def asked_from(line: dict[str, object]) -> Asked:
    """Return a geometry as `Asked.as_json` wrote it."""
    names = ("origin", "round", "number", "reason", "state")
    positions = np.array(line["positions"], dtype=np.float64)
    return Asked(**{key: line[key] for key in names}, positions=positions)


def _answered(line: dict[str, object]) -> Answered:
    arrays = {key: None if line[key] is None else np.array(line[key], dtype=np.float64) for key in _DIGITS}
    label = Label(
        Quality[line["quality"].upper()],
        line["why"],
        arrays.pop("energies"),
        seconds=line["seconds"],
        checks=line["checks"],
    )
    label = replace(label, **arrays)
    moving = line.get("moving_orbitals")
    return Answered(
        asked_from(line),
        label,
        line["theory"],
        tuple(line["active_by_atom"]),
        None if moving is None else np.array(moving, dtype=np.float64),
    )


def _rounded(values: object, digits: int) -> list:
    # JSON has no NaN that other programs read.
    array = np.round(np.asarray(values, dtype=np.float64), digits) + 0.0
    return json.loads(json.dumps(array.tolist()).replace("NaN", "null"))
