"""Errors of a model on labelled frames: `nadyn evaluate`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group, state_pairs
from nadyn.data.rigid_couplings import rigid_fraction
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import in_blocks_of, surfaces
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.training.compared_properties import Properties, signed
from nadyn.training.long_range import with_what_is_added
from nadyn.training.quantities import QUANTITIES
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU, GIGAPASCAL_PER_AU

# Frames whose smallest adjacent reference gap lies below this are near an intersection.
NEAR_GAP_EV = 0.3
# Labels whose couplings have less of rigid motion were made free of it, or are by symmetry.
FREE_OF_RIGID_MOTION = 1e-3
_CHUNK = 256
# The unit in the names of errors, such as dipole_mae_debye.
_UNITS = {quantity.name: quantity.noise_key.removeprefix(f"{quantity.name}_") for quantity in QUANTITIES}

BoundModel = TypeVar("BoundModel", LearnedModel, Committee)


@dataclass(frozen=True)
class Comparison:
    """Predictions beside labels for one molecule, in eV and Å; couplings carry the signs that fit the labels.

    Attributes:
        couplings: One entry a pair k < l in lexicographic order.
        rigid_part: ‖h along rigid motions‖ / ‖h‖ of the predicted couplings over all frames, where the labels
            are free of it; None where they are not, or there are none.
        surplus_gap: Distance from the highest state to the lowest surplus eigenvalue; inf without one.
        stress: [GPa]; None where there are no labels of it.
        properties: Predictions and labels of dipoles and polarisabilities, see `compared_properties`, and of
            charges.
        multiplicities: 2S + 1 of each state, for their names.
    """

    name: str
    energies: Float[np.ndarray, "frame state"]
    reference_energies: Float[np.ndarray, "frame state"]
    forces: Float[np.ndarray, "frame state atom 3"]
    reference_forces: Float[np.ndarray, "frame state atom 3"] | None
    couplings: Float[np.ndarray, "frame pair atom 3"]
    reference_couplings: Float[np.ndarray, "frame pair atom 3"] | None
    surplus_gap: Float[np.ndarray, "frame"]
    rigid_part: float | None = None
    stress: Float[np.ndarray, "frame state 3 3"] | None = None
    reference_stress: Float[np.ndarray, "frame state 3 3"] | None = None
    properties: Properties = field(default_factory=dict)
    multiplicities: tuple[int, ...] = ()


def compare(
    model: LearnedModel | Committee, group: Group, *, report: Callable[[int], None] = lambda done: None
) -> Comparison:
    """Evaluate a model, of a committee one member, on every frame of a group.

    Raises:
        InputError: The numbers of states differ, or an element is unknown to the model.
    """
    n_states = group.energies.shape[1]
    if n_states != model.n_states:
        several = len(set(group.multiplicities or ())) > 1
        advice = "Take those of one spin with `--multiplicity`." if several else "Take data of these states."
        raise InputError(
            f"group {group.name!r} must have the model's {counted(model.n_states, 'state')}, but has "
            f"{n_states}. {advice}"
        )
    group = with_what_is_added(model, group)
    pairs = state_pairs(n_states)
    parts, surfaces_of_parts, done = [], [], 0
    positions = torch.from_numpy(group.positions)
    for bound, frames in bound_to_frames(model, group):
        result = surfaces(bound, positions[frames])
        h = result.interstate_coupling
        couplings = torch.stack([h[:, k, l] for k, l in pairs], dim=1) if pairs else h[:, :0, 0]
        parts.append((result.energies, result.forces, couplings, result.surplus_gap))
        surfaces_of_parts.append(result)
        done += len(frames)
        report(done)
    energies, forces, couplings, surplus = (torch.cat(part) for part in zip(*parts, strict=True))
    has_couplings = _has_labels(group.interstate_couplings) and bool(pairs)
    found = signed(couplings, surfaces_of_parts, group, has_couplings=has_couplings)
    couplings, properties = found.couplings, dict(found.properties)
    if _has_labels(group.charges) and _knows_charges(model):
        properties["charge"] = _charges(model, group)[:, None], group.charges[:, None]
    reference = group.interstate_couplings * EV_PER_ANGSTROM_PER_AU if has_couplings else None
    stress = _stress(model, group) if _has_labels(group.stress) and all(group.pbc) else None
    return Comparison(
        group.name,
        energies.numpy() * ELECTRONVOLT_PER_HARTREE,
        group.energies * ELECTRONVOLT_PER_HARTREE,
        forces.numpy() * EV_PER_ANGSTROM_PER_AU,
        group.forces * EV_PER_ANGSTROM_PER_AU if _has_labels(group.forces) else None,
        couplings.numpy() * EV_PER_ANGSTROM_PER_AU,
        reference,
        surplus.numpy() * ELECTRONVOLT_PER_HARTREE,
        None if reference is None else _rigid_part(group, couplings.numpy()),
        stress,
        None if stress is None else group.stress * GIGAPASCAL_PER_AU,
        properties,
        group.multiplicities,
    )


def _stress(model: LearnedModel | Committee, group: Group) -> Float[np.ndarray, "frame state 3 3"]:
    """Return the predicted stress of every state [GPa]."""
    found = np.empty_like(group.stress)
    one = model.bound if isinstance(model, Committee) else model
    positions = torch.from_numpy(group.positions)
    for bound, frames in bound_to_frames(one, group):
        for state in range(one.n_states):
            chosen = torch.full((len(frames),), state)
            found[frames, state] = strained_surface(bound, positions[frames], chosen).stress.numpy()
    return found * GIGAPASCAL_PER_AU


def _knows_charges(model: LearnedModel | Committee) -> bool:
    one = model.bound if isinstance(model, Committee) else model
    return isinstance(one, LearnedModel) and one.potential.charges is not None


def _charges(model: LearnedModel | Committee, group: Group) -> Float[np.ndarray, "frame atom"]:
    """Return the predicted charges of the atoms [e], of a committee those of one member."""
    found = np.empty_like(group.charges)
    one = model.bound if isinstance(model, Committee) else model
    positions = torch.from_numpy(group.positions)
    for bound, frames in bound_to_frames(one, group):
        found[frames] = _charges_at(bound, positions[frames]).numpy()
    return found


def _charges_at(model: LearnedModel, positions: Float[Tensor, "frame atom 3"]) -> Float[Tensor, "frame atom"]:
    with torch.no_grad():
        return in_blocks_of(model, lambda rows: (model.evaluate(rows).charges,), positions)[0]


def _rigid_part(group: Group, couplings: Float[np.ndarray, "frame pair atom 3"]) -> float | None:
    """Return how much of predicted couplings is rigid motion, None where that of the labels is as well."""
    if rigid_fraction(group) > FREE_OF_RIGID_MOTION:
        return None
    known = np.where(np.isnan(group.interstate_couplings), np.nan, couplings)
    return rigid_fraction(replace(group, interstate_couplings=known))


def bound_to_frames(
    model: BoundModel, group: Group
) -> Iterator[tuple[BoundModel, Int[np.ndarray, "chosen"]]]:
    """Yield a model bound to the atoms of a group with the numbers of frames that it can be asked for
    together.

    Cells differ from frame to frame, so that periodic frames come one by one.
    """
    numbers = tuple(int(number) for number in group.atomic_numbers)
    frames = np.arange(group.n_frames)
    if not np.any(group.pbc):
        bound = model.for_atoms(numbers)
        for start in range(0, group.n_frames, _CHUNK):
            yield bound, frames[start : start + _CHUNK]
        return
    pbc = tuple(map(bool, group.pbc))
    for frame in frames:
        cell = torch.from_numpy(group.cell[frame])
        yield model.for_atoms(numbers, cell=cell, pbc=pbc), frames[frame : frame + 1]


def metrics(comparison: Comparison) -> dict[str, object]:
    """Return the errors of one molecule under the names of the JSON file.

    Missing labels do not count; an error without any label is NaN, and one of a NaN prediction is infinite.
    """
    result: dict[str, object] = {"n_frames": len(comparison.energies)}
    error = _error(comparison.energies, comparison.reference_energies)
    result["energy_mae_ev"] = _columns(error)
    result["energy_rmse_ev"] = _columns(error, power=2)
    if comparison.reference_forces is not None:
        error = _error(comparison.forces, comparison.reference_forces)
        result["force_mae_ev_per_angstrom"] = _columns(error)
        result["force_rmse_ev_per_angstrom"] = _columns(error, power=2)
    if comparison.stress is not None:
        error = _error(comparison.stress, comparison.reference_stress)
        result["stress_mae_gpa"] = _columns(error)
        result["stress_rmse_gpa"] = _columns(error, power=2)
    for name, (predicted, label) in comparison.properties.items():
        error = _error(predicted, label)
        result[f"{name}_mae_{_UNITS[name]}"] = _columns(error)
        result[f"{name}_rmse_{_UNITS[name]}"] = _columns(error, power=2)
    if comparison.energies.shape[1] > 1:
        gap, reference = _smallest_gap(comparison)
        result["gap_mae_ev"] = float(_mean(_error(gap, reference)))
    if comparison.reference_couplings is not None:
        error = _error(comparison.couplings, comparison.reference_couplings)
        result["coupling_mae_ev_per_angstrom"] = _columns(error)
        result["coupling_rmse_ev_per_angstrom"] = _columns(error, power=2)
        norm = np.sqrt(np.nansum(comparison.reference_couplings**2))
        result["coupling_relative_error"] = float(np.sqrt(np.nansum(error**2)) / norm)
    if comparison.rigid_part is not None:
        result["coupling_rigid_part"] = comparison.rigid_part
    if comparison.energies.shape[1] > 1:
        near = reference < NEAR_GAP_EV
        errors = _error(gap, reference)[near]
        result["near"] = {
            "gap_below_ev": NEAR_GAP_EV,
            "n_frames": int(near.sum()),
            "gap_mae_ev": float(errors.mean()) if len(errors) else None,
            "gap_mae_se_ev": float(errors.std(ddof=1) / np.sqrt(len(errors))) if len(errors) > 1 else None,
        }
    finite = comparison.surplus_gap[np.isfinite(comparison.surplus_gap)]
    result["surplus_gap_min_ev"] = float(finite.min()) if len(finite) else None
    return result


def constant_errors(comparison: Comparison) -> dict[str, list[float]]:
    """Return the errors of predicting nothing: the mean energy of each state, and zero for all else."""
    energies = comparison.reference_energies
    result = {"energy": _columns(np.abs(energies - _mean(energies, axis=0)))}
    if comparison.reference_forces is not None:
        result["force"] = _columns(np.abs(comparison.reference_forces))
    if comparison.reference_stress is not None:
        result["stress"] = _columns(np.abs(comparison.reference_stress))
    if comparison.reference_couplings is not None:
        result["coupling"] = _columns(np.abs(comparison.reference_couplings))
    for name, (_, label) in comparison.properties.items():
        result[name] = _columns(np.abs(label))
    return result


def coupling_outlier(comparison: Comparison) -> dict[str, float] | None:
    """Return what one extreme frame does to the mean: the median, and the frame of the largest norm."""
    if comparison.reference_couplings is None:
        return None
    error = _error(comparison.couplings, comparison.reference_couplings)
    frame_errors = _mean(error, axis=(1, 2, 3))
    norms = np.sqrt(np.nansum(comparison.reference_couplings**2, axis=(1, 2, 3)))
    largest = int(np.argmax(norms))
    return {
        "median": float(np.nanmedian(frame_errors)),
        "largest_norm": float(norms[largest]),
        "largest_frame": float(largest),
        "mean_without_it": float(_mean(np.delete(frame_errors, largest))),
    }


def evaluate(model: LearnedModel | Committee, dataset: Dataset) -> dict[str, dict[str, object]]:
    """Return the errors of a model for each group of a dataset."""
    return {group.name: metrics(compare(model, group)) for group in dataset.groups}


def _smallest_gap(comparison: Comparison) -> tuple[Float[np.ndarray, "frame"], Float[np.ndarray, "frame"]]:
    """Return predicted and reference gap between the two neighbours that lie closest in the reference."""
    reference = np.diff(comparison.reference_energies, axis=1)
    predicted = np.diff(comparison.energies, axis=1)
    pair = np.argmin(np.where(np.isnan(reference), np.inf, reference), axis=1)
    rows = np.arange(len(pair))
    return predicted[rows, pair], reference[rows, pair]


def _has_labels(array: np.ndarray | None) -> bool:
    return array is not None and not np.isnan(array).all()


def _error(predicted: Float[np.ndarray, "..."], label: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Return absolute errors: NaN without a label, infinite where the prediction is NaN."""
    error = np.abs(predicted - label)
    return np.where(np.isnan(error) & ~np.isnan(label), np.inf, error)


def _mean(
    values: Float[np.ndarray, "..."], axis: int | tuple[int, ...] | None = None
) -> Float[np.ndarray, "..."]:
    """Return the mean over what is not NaN, and NaN where nothing is left, without a warning."""
    count = (~np.isnan(values)).sum(axis=axis)
    return np.where(count > 0, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)


def _columns(errors: Float[np.ndarray, "frame column ..."], power: int = 1) -> list[float]:
    """Return for each column the mean error (power 1) or the root of its mean square (power 2)."""
    axes = (0, *range(2, errors.ndim))
    return [float(value) for value in _mean(errors**power, axis=axes) ** (1 / power)]
