"""What the positions of a training set give once and for all, where that fits into memory."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from nadyn.data.neighbors import LARGEST_DENSE_MOLECULE
from nadyn.models.potential import Potential
from nadyn.training.samples import Samples
from nadyn.training.second_order.evaluation import fits
from nadyn.training.second_order.geometry import Geometry, PairFunctions, geometry

# 83 kB a frame of 12 atoms in single precision: 6,500 frames.
_MOST_BYTES = 2**29
_CHUNK = 64

Part = TypeVar("Part", Geometry, PairFunctions)


def prepared(potential: Potential, samples: tuple[Samples, ...]) -> tuple[Samples, ...]:
    """Return the samples with the geometry of their frames, or as they are where it does not fit.

    Crystals are not: the slots of neighbor lists depend on which frames are looked at together.
    """
    if not fits(potential) or not all(map(_is_dense, samples)):
        return samples
    size = sum(len(part) * _geometry(potential, part.take(torch.arange(1))).n_bytes for part in samples)
    if size > _MOST_BYTES:
        return samples
    return tuple(replace(part, geometry=_whole(potential, part)) for part in samples)


def _is_dense(samples: Samples) -> bool:
    return samples.cell is None and 0 < len(samples.numbers) <= LARGEST_DENSE_MOLECULE


def _geometry(potential: Potential, samples: Samples) -> Geometry:
    precision = next(potential.parameters()).dtype
    surroundings = samples.surroundings(samples.positions, potential.network.cutoff, precision)
    return geometry(potential, surroundings, derivatives=True)


def _whole(potential: Potential, samples: Samples) -> Geometry:
    chunks = torch.arange(len(samples)).split(_CHUNK)
    found = [_geometry(potential, samples.take(index)) for index in chunks]
    pairs = _joined([one.pairs for one in found])
    return replace(_joined(found), pairs=pairs)


def _joined(parts: Sequence[Part]) -> Part:
    names = [field.name for field in fields(parts[0]) if isinstance(getattr(parts[0], field.name), Tensor)]
    whole = {name: torch.cat([getattr(one, name) for one in parts]) for name in names}
    return replace(parts[0], **whole)
