"""What the labels of `hexafluorobutene_labels.py` say: of the level, of a model, and as data to train on."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from hexafluorobutene_queue import Answered, original, source

from nadyn import shipped
from nadyn.data import Dataset
from nadyn.data.dataset import Group
from nadyn.data.joining import join
from nadyn.data.level_shift import LevelShift, fit_shift, shifted
from nadyn.electronic.labels import Quality
from nadyn.learning.export import group_of_labels
from nadyn.models.learned import LearnedModel
from nadyn.structures import pair_distances
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import Comparison, compare, metrics
from nadyn.training.held_out import hold_out
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE

# How much a new label counts beside a frame of the shipped dataset.
WEIGHT = 10.0
# Carbon atoms of the double bond, and how much of two active orbitals is there where the bond is meant.
_DOUBLE_BOND = (0, 1)
_MOST_ELSEWHERE = 0.7
_NEIGHBOUR, _HARTREE_FOCK = "average_energy_from_neighbour", "average_energy_from_hartree_fock"
# Average energies farther apart than this are of two solutions.
_SAME_EV = 1e-3


def shift_of(labels: Sequence[Answered]) -> LevelShift:
    """Return what lays the energies of the labels on the shipped ones, from the frames that both have."""
    return fit_shift(group_of(labels, "frame"), original())


def group_of(labels: Sequence[Answered], origin: str, shift: LevelShift | None = None) -> Group:
    """Return the trusted labels of an origin, in the order of the file, shifted where a shift is given."""
    known = [one.known for one in labels if one.asked.origin == origin]
    group = group_of_labels(source(), known, original().name, licence="MIT")
    return group if shift is None else shifted(group, shift)


def parts(configuration: TrainingConfiguration) -> tuple[Group, Group]:
    """Return the frames that the shipped model was trained on, and those that were held out from it."""
    held = hold_out(Dataset((original(),)), configuration)
    return held.training.groups[0], held.validation.groups[0]


def shipped_configuration() -> TrainingConfiguration:
    """Return the settings of the shipped model."""
    text = shipped.path("hexafluorobutene/hexafluorobutene.h5").with_name("train.yaml").read_text()
    return TrainingConfiguration.model_validate(yaml.safe_load(text))


def extended(labels: Sequence[Answered], n: int | None = None) -> Dataset:
    """Return the training frames of the shipped model with the trusted labels, or the first `n` of them."""
    training, _ = parts(shipped_configuration())
    new = group_of(labels, "stop", shift_of(labels))
    new = new if n is None else new.select(range(min(n, new.n_frames)))
    new = replace(new, weight=np.full(new.n_frames, WEIGHT), tag=("stop",) * new.n_frames)
    new = replace(new, dipoles=None)
    return join([Dataset((training,)), Dataset((new,))], mix={"theory"})


def summary(labels: Sequence[Answered], models: dict[str, LearnedModel]) -> dict[str, object]:
    """Return counts, the shift, and errors of models at the stops and on the frames held out before."""
    stops = [one for one in labels if one.asked.origin == "stop"]
    shift = shift_of(labels)
    group = group_of(labels, "stop", shift)
    _, held_out = parts(shipped_configuration())
    trusted = [one for one in stops if one.label.quality is Quality.TRUSTED]
    return {
        "theory": labels[0].theory,
        "quality of stops": dict(Counter(one.label.quality.name.lower() for one in stops)),
        "by what stopped them": {
            reason: dict(
                Counter(one.label.quality.name.lower() for one in stops if one.asked.reason == reason)
            )
            for reason in sorted({one.asked.reason for one in stops})
        },
        "reasons": dict(Counter(one.label.reason for one in stops if one.label.reason)),
        "shift [hartree]": shift.energies.tolist(),
        "left of it, rms [eV]": (shift.left * ELECTRONVOLT_PER_HARTREE).tolist(),
        "shared frames": shift.n_shared,
        "processor seconds a label, median": float(np.median([one.label.seconds for one in labels])),
        "active space": _active_space(trusted),
        "models": {
            name: {
                "at stops": _errors(compare(model, group), [one.asked.name for one in trusted]),
                "held out of the shipped model": _means(compare(model, held_out)),
            }
            for name, model in models.items()
        },
    }


def _active_space(trusted: Sequence[Answered]) -> dict[str, object]:
    """Return where the active orbitals are, and the longest bonds of the places where they have moved."""
    checks = [one.label.checks for one in trusted]
    apart = {
        one.asked.name: round((check[_NEIGHBOUR] - check[_HARTREE_FOCK]) * ELECTRONVOLT_PER_HARTREE, 3)
        for one, check in zip(trusted, checks, strict=True)
        if _NEIGHBOUR in check and _HARTREE_FOCK in check
    }
    several = {name: value for name, value in apart.items() if abs(value) > _SAME_EV}
    result: dict[str, object] = {
        "converged from both beginnings": len(apart),
        "energy from the neighbour minus from Hartree-Fock, where there are two solutions [eV]": several,
    }
    moved = []
    for one in trusted:
        there = sum(one.active_by_atom[atom] for atom in _DOUBLE_BOND) / sum(one.active_by_atom)
        if there < _MOST_ELSEWHERE:
            distances = pair_distances(one.asked.positions[None])[0] * ANGSTROM_PER_BOHR
            worst = sorted(enumerate(one.active_by_atom), key=lambda item: -item[1])[:3]
            moved.append(
                {
                    "name": one.asked.name,
                    "on the double bond": round(there, 2),
                    "largest shares": [[atom, round(share / 2, 2)] for atom, share in worst],
                    "shortest distance [angstrom]": round(float(distances.min()), 2),
                    "reason": one.asked.reason,
                }
            )
    shares = [sum(one.active_by_atom[a] for a in _DOUBLE_BOND) / sum(one.active_by_atom) for one in trusted]
    result["share on the double bond, 0, 10, 50, 100 %"] = np.round(
        np.percentile(shares, [0, 10, 50, 100]), 3
    ).tolist()
    result["elsewhere"] = moved
    return result


def _means(comparison: Comparison) -> dict[str, object]:
    found = metrics(comparison)
    return {key: value for key, value in found.items() if "mae" in key or "gap" in key}


def _errors(comparison: Comparison, names: Sequence[str]) -> dict[str, object]:
    error = np.abs(comparison.energies - comparison.reference_energies)
    worst = error.max(axis=1)
    return _means(comparison) | {
        "largest error of the energies [eV], 0, 25, 50, 75, 100 %": np.round(
            np.percentile(worst, [0, 25, 50, 75, 100]), 3
        ).tolist(),
        "wrong by more than 0.3 eV": f"{int((worst > 0.3).sum())} of {len(worst)}",
        "each": {name: np.round(pair, 3).tolist() for name, pair in zip(names, error, strict=True)},
    }


def write_json(path: Path, found: dict[str, object]) -> None:
    """Write what was found, readable."""
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
