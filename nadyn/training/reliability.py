"""What the spread of a committee is worth: errors on labels that no member saw, beside the spread there."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data import Dataset, Group, state_pairs
from nadyn.electronic.committee import Spread, mixed, mixing_weights, spread_of
from nadyn.electronic.signs import coupling_signs
from nadyn.electronic.surfaces import Surfaces, surfaces
from nadyn.models.calibration import Calibration, Scale
from nadyn.models.committee import Committee
from nadyn.training.evaluation import bound_to_frames
from nadyn.training.long_range import with_what_is_added

# A normal distribution has so much within one and within two standard deviations.
WITHIN_ONE, WITHIN_TWO = 0.6827, 0.9545


@dataclass(frozen=True)
class Sample:
    """Absolute errors of all members and the raw spreads beside them, in atomic units.

    Attributes:
        errors: Of each member, label and component.
        spreads: Of the same quantity.
        force_spreads: Of the worst atom.
    """

    errors: Float[np.ndarray, "value"]
    spreads: Float[np.ndarray, "value"]
    force_spreads: Float[np.ndarray, "value"]

    def calibrated(self, scale: Scale) -> Float[np.ndarray, "value"]:
        """Return the calibrated spreads."""
        arrays = map(torch.from_numpy, (self.spreads, self.force_spreads))
        return scale.of(*arrays).numpy()


@dataclass(frozen=True)
class Coverage:
    """Which part of the errors lies within one and within two spreads, of all and of thirds by spread.

    Attributes:
        within: (one, two): of all, then of the third with the smallest, middle and largest spreads.
        n_values: Number of errors.
    """

    within: tuple[tuple[float, float], ...]
    n_values: int


def samples_of(
    committee: Committee, dataset: Dataset, *, report: Callable[[int], None] = lambda done: None
) -> dict[str, Sample]:
    """Return errors and spreads of each quantity that has labels, over all frames and members."""
    parts: dict[str, list[Sample]] = {}
    for group in dataset.groups:
        group = with_what_is_added(committee, group)
        done = 0
        for bound, frames in bound_to_frames(committee, group):
            part = group.select(frames)
            members = [surfaces(member, torch.from_numpy(part.positions)) for member in bound.members]
            for name, sample in _samples(members, part, committee.member).items():
                parts.setdefault(name, []).append(sample)
            done += part.n_frames
            report(done)
    return {name: _joined(found) for name, found in parts.items()}


def coverage(sample: Sample, scale: Scale) -> Coverage:
    """Return which part of the errors lies within one and two calibrated spreads."""
    sigma = sample.calibrated(scale)
    order = np.argsort(sigma, kind="stable")
    parts = [order, *np.array_split(order, 3)]
    within = tuple(
        tuple(float((sample.errors[part] <= times * sigma[part]).mean()) for times in (1, 2))
        for part in parts
        if len(part)
    )
    return Coverage(within, len(order))


def coverages(samples: dict[str, Sample], calibration: Calibration | None) -> dict[str, Coverage]:
    """Return the coverage of each quantity, of raw spreads where there is no calibration."""
    calibration = calibration or Calibration()
    return {name: coverage(sample, calibration.scale(name)) for name, sample in samples.items()}


def _samples(members: list[Surfaces], group: Group, reference: int) -> dict[str, Sample]:
    raw = spread_of(members, reference)
    labels = torch.from_numpy(group.energies)
    pairs = state_pairs(group.n_states)
    worst, both = raw.worst_forces, raw.worst_forces_of_pairs
    found = {"energy": _sample([one.energies - labels for one in members], raw.energies, worst)}
    if pairs:
        errors = [_gaps(one.energies) - _gaps(labels) for one in members]
        found["gap"] = _sample(errors, raw.gaps, both)
    if group.forces is not None:
        found["force"] = _force_sample(members, torch.from_numpy(group.forces), raw, reference)
    if group.interstate_couplings is not None and pairs:
        found |= _coupling_samples(members, torch.from_numpy(group.interstate_couplings), raw, pairs)
    return {name: sample for name, sample in found.items() if len(sample.errors)}


def _force_sample(members: list[Surfaces], labels: Tensor, raw: Spread, reference: int) -> Sample:
    weights = mixing_weights(members[reference].energies)
    # A state without a force is missed only where it is mixed with another one.
    missing = ((weights > 0) & labels[:, None, :, 0, 0].isnan()).any(dim=2)
    target = mixed(weights, labels.nan_to_num())
    target[missing] = torch.nan
    errors = [mixed(weights, one.forces) - target for one in members]
    return _sample(errors, raw.forces, raw.worst_forces)


def _coupling_samples(
    members: list[Surfaces], labels: Tensor, raw: Spread, pairs: tuple[tuple[int, int], ...]
) -> dict[str, Sample]:
    errors, norms = [], []
    length = torch.sqrt((labels**2).sum(dim=(2, 3)))
    for one in members:
        h = torch.stack([one.interstate_coupling[:, k, l] for k, l in pairs], dim=1)
        errors.append(h * coupling_signs(h, labels, pairs)[:, :, None, None] - labels)
        norms.append(torch.sqrt((h**2).sum(dim=(2, 3))) - length)
    both = raw.worst_forces_of_pairs
    return {
        "coupling": _sample(errors, raw.couplings, both),
        "coupling_norm": _sample(norms, raw.coupling_norms, both),
    }


def _gaps(energies: Tensor) -> Tensor:
    n = energies.shape[1]
    return torch.stack([energies[:, l] - energies[:, k] for k, l in state_pairs(n)], dim=1)


def _sample(errors: list[Tensor], spreads: Tensor, force_spreads: Tensor) -> Sample:
    """Return the labelled values side by side; spreads with fewer axes belong to all components."""
    shape = errors[0].shape

    def wide(array: Tensor) -> Tensor:
        return array.reshape(*array.shape, *[1] * (len(shape) - array.ndim)).expand(shape)

    known = ~errors[0].isnan()
    columns = [
        torch.cat([wide(array)[known] for array in arrays])
        for arrays in (
            [error.abs() for error in errors],
            [spreads] * len(errors),
            [force_spreads] * len(errors),
        )
    ]
    return Sample(*(column.numpy() for column in columns))


def _joined(parts: list[Sample]) -> Sample:
    return Sample(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sample))
    )
