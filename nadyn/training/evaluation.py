"""Errors of a model on labelled frames: `nadyn evaluate`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group, state_pairs
from nadyn.electronic.surfaces import surfaces
from nadyn.models.learned import LearnedModel
from nadyn.training.losses import coupling_signs
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

# Frames whose smallest adjacent reference gap lies below this are near an intersection.
NEAR_GAP_EV = 0.3
_CHUNK = 256


@dataclass(frozen=True)
class Comparison:
    """Predictions beside labels for one molecule, in eV and Å; couplings carry the signs that fit the labels.

    Attributes:
        couplings: One entry a pair k < l in lexicographic order.
        surplus_gap: Distance from the highest state to the lowest surplus eigenvalue; inf without one.
    """

    name: str
    energies: Float[np.ndarray, "frame state"]
    reference_energies: Float[np.ndarray, "frame state"]
    forces: Float[np.ndarray, "frame state atom 3"]
    reference_forces: Float[np.ndarray, "frame state atom 3"] | None
    couplings: Float[np.ndarray, "frame pair atom 3"]
    reference_couplings: Float[np.ndarray, "frame pair atom 3"] | None
    surplus_gap: Float[np.ndarray, "frame"]


def compare(
    model: LearnedModel, group: Group, *, report: Callable[[int], None] = lambda done: None
) -> Comparison:
    """Evaluate a model on every frame of a group.

    Raises:
        InputError: The numbers of states differ, or an element is unknown to the model.
    """
    n_states = group.energies.shape[1]
    if n_states != model.n_states:
        raise InputError(
            f"group {group.name!r} must have the model's {model.n_states} states, but has {n_states}."
        )
    numbers = tuple(int(number) for number in group.atomic_numbers)
    periodic = bool(np.any(group.pbc))
    bound = model.for_molecule(numbers)
    pairs = state_pairs(n_states)
    parts = []
    positions = torch.from_numpy(group.positions)
    # Cells differ from frame to frame, so periodic frames are evaluated one by one.
    step = 1 if periodic else _CHUNK
    for start in range(0, group.n_frames, step):
        if periodic:
            bound = model.for_molecule(
                numbers, cell=torch.from_numpy(group.cell[start]), pbc=tuple(map(bool, group.pbc))
            )
        result = surfaces(bound, positions[start : start + step])
        h = result.interstate_coupling
        couplings = torch.stack([h[:, k, l] for k, l in pairs], dim=1) if pairs else h[:, :0, 0]
        parts.append((result.energies, result.forces, couplings, result.surplus_gap))
        report(min(start + step, group.n_frames))
    energies, forces, couplings, surplus = (torch.cat(part) for part in zip(*parts, strict=True))
    reference = None
    if group.interstate_couplings is not None and pairs:
        reference = torch.from_numpy(group.interstate_couplings)
        couplings = couplings * coupling_signs(couplings, reference, tuple(pairs))[:, :, None, None]
        reference = reference.numpy() * EV_PER_ANGSTROM_PER_AU
    return Comparison(
        group.name,
        energies.numpy() * ELECTRONVOLT_PER_HARTREE,
        group.energies * ELECTRONVOLT_PER_HARTREE,
        forces.numpy() * EV_PER_ANGSTROM_PER_AU,
        None if group.forces is None else group.forces * EV_PER_ANGSTROM_PER_AU,
        couplings.numpy() * EV_PER_ANGSTROM_PER_AU,
        reference,
        surplus.numpy() * ELECTRONVOLT_PER_HARTREE,
    )


def metrics(comparison: Comparison) -> dict[str, object]:
    """Return the errors of one molecule under the names of the JSON file; NaN labels do not count."""
    result: dict[str, object] = {"n_frames": len(comparison.energies)}
    difference = comparison.energies - comparison.reference_energies
    result["energy_mae_ev"] = _columns(np.nanmean(np.abs(difference), axis=0))
    result["energy_rmse_ev"] = _columns(np.sqrt(np.nanmean(difference**2, axis=0)))
    if comparison.reference_forces is not None:
        difference = comparison.forces - comparison.reference_forces
        result["force_mae_ev_per_angstrom"] = _columns(np.nanmean(np.abs(difference), axis=(0, 2, 3)))
        result["force_rmse_ev_per_angstrom"] = _columns(np.sqrt(np.nanmean(difference**2, axis=(0, 2, 3))))
    if comparison.energies.shape[1] > 1:
        gap, reference = _smallest_gap(comparison)
        result["gap_mae_ev"] = float(np.nanmean(np.abs(gap - reference)))
    if comparison.reference_couplings is not None:
        difference = comparison.couplings - comparison.reference_couplings
        result["coupling_mae_ev_per_angstrom"] = _columns(np.nanmean(np.abs(difference), axis=(0, 2, 3)))
        result["coupling_rmse_ev_per_angstrom"] = _columns(np.sqrt(np.nanmean(difference**2, axis=(0, 2, 3))))
        known = ~np.isnan(difference)
        norm = np.sqrt((comparison.reference_couplings[known] ** 2).sum())
        result["coupling_relative_error"] = float(np.sqrt((difference[known] ** 2).sum()) / norm)
    if comparison.energies.shape[1] > 1:
        near = reference < NEAR_GAP_EV
        errors = np.abs(gap - reference)[near]
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
    """Return the mean errors of predicting nothing: the mean energy of each state, zero forces and couplings."""
    energies = comparison.reference_energies
    result = {"energy": _columns(np.nanmean(np.abs(energies - np.nanmean(energies, axis=0)), axis=0))}
    if comparison.reference_forces is not None:
        result["force"] = _columns(np.nanmean(np.abs(comparison.reference_forces), axis=(0, 2, 3)))
    if comparison.reference_couplings is not None:
        result["coupling"] = _columns(np.nanmean(np.abs(comparison.reference_couplings), axis=(0, 2, 3)))
    return result


def coupling_outlier(comparison: Comparison) -> dict[str, float] | None:
    """Return what one extreme frame does to the mean: median over frames, and the frame of the largest norm."""
    if comparison.reference_couplings is None:
        return None
    frame_errors = np.nanmean(np.abs(comparison.couplings - comparison.reference_couplings), axis=(1, 2, 3))
    norms = np.sqrt(np.nansum(comparison.reference_couplings**2, axis=(1, 2, 3)))
    largest = int(np.argmax(norms))
    return {
        "median": float(np.nanmedian(frame_errors)),
        "largest_norm": float(norms[largest]),
        "largest_frame": float(largest),
        "mean_without_it": float(np.nanmean(np.delete(frame_errors, largest)))
        if len(norms) > 1
        else float("nan"),
    }


def evaluate(model: LearnedModel, dataset: Dataset) -> dict[str, dict[str, object]]:
    """Return the errors of a model for each group of a dataset."""
    return {group.name: metrics(compare(model, group)) for group in dataset.groups}


def _smallest_gap(comparison: Comparison) -> tuple[Float[np.ndarray, "frame"], Float[np.ndarray, "frame"]]:
    """Return predicted and reference gap between the pair of neighbours that lies closest in the reference."""
    reference = np.diff(comparison.reference_energies, axis=1)
    predicted = np.diff(comparison.energies, axis=1)
    pair = np.argmin(np.where(np.isnan(reference), np.inf, reference), axis=1)
    rows = np.arange(len(pair))
    return predicted[rows, pair], reference[rows, pair]


def _columns(values: Float[np.ndarray, "column"]) -> list[float]:
    return [float(value) for value in values]
