"""Predictions for a batch whose frames several processes share out among themselves.

Every process holds the network, the optimizer and the data. Of a batch it evaluates its own frames; what the
network says of them goes to all others, so that each has the loss of the whole batch and differentiates its
own part of it. The parts of the gradient are added. So nothing of the loss, its running noise or its bounds
knows of processes, and a step is that of one process but for rounding.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.predictions import Pairs, Prediction, predict_beside
from nadyn.training.ranks import Ranks
from nadyn.training.samples import Samples


def predict_shared(
    ranks: Ranks,
    potential: Potential,
    batch: tuple[Samples, ...],
    pairs: Pairs,
    displaced: tuple[Samples, ...],
) -> tuple[tuple[Prediction, ...], Float[Tensor, "frame"]]:
    """Return what `predict_beside` returns; the gradient of it is that of this process's frames alone."""
    if ranks.size == 1:
        return predict_beside(potential, batch, pairs, displaced)
    own, own_displaced = (_part(frames, ranks) for frames in (batch, displaced))
    if own or own_displaced:
        predictions, gaps = predict_beside(potential, own, pairs, own_displaced)
    else:
        predictions, gaps = (), torch.zeros(0, dtype=torch.float64)
    shapes = [_shapes(potential, part, pairs) for part in batch]
    widths = [sum(shape.numel() for shape in one.values()) for one in shapes]
    found = iter(predictions)
    indices = _frames(batch, ranks.rank, ranks.size)
    flat = [_flat(next(found), shape) for shape, own in zip(shapes, indices, strict=True) if len(own)]
    # How many numbers of each molecule, and of each that is displaced, are from each process.
    sizes = [
        [len(index) * width for index, width in zip(_frames(batch, rank, ranks.size), widths, strict=True)]
        + [len(index) for index in _frames(displaced, rank, ranks.size)]
        for rank in range(ranks.size)
    ]
    rows = ranks.rows(torch.cat([*flat, gaps.double()]), [sum(one) for one in sizes])
    columns = list(zip(*(row.split(one) for row, one in zip(rows, sizes, strict=True)), strict=True))
    together = tuple(
        _prediction(_in_order(columns[number], width, batch, number), shapes[number], pairs)
        for number, width in enumerate(widths)
    )
    apart = [
        _in_order(columns[len(batch) + number], 1, displaced, number)[:, 0]
        for number in range(len(displaced))
    ]
    return together, torch.cat([gaps.new_zeros(0), *apart])


def _frames(batch: Sequence[Samples], rank: int, size: int) -> list[Tensor]:
    """Return which frames of each molecule are those of a process: every `size`-th of all in a row."""
    first, found = 0, []
    for part in batch:
        found.append(torch.arange(len(part))[(rank - first) % size :: size])
        first += len(part)
    return found


def _part(batch: Sequence[Samples], ranks: Ranks) -> tuple[Samples, ...]:
    """Return the own frames of a batch; molecules of which there are none are left out."""
    indices = _frames(batch, ranks.rank, ranks.size)
    return tuple(part.take(index) for part, index in zip(batch, indices, strict=True) if len(index))


def _in_order(
    parts: Sequence[Float[Tensor, "_"]], width: int, batch: Sequence[Samples], number: int
) -> Float[Tensor, "frame _"]:
    """Return the numbers of all processes about one molecule, frame by frame in the order of the batch."""
    places = torch.cat([_frames(batch, rank, len(parts))[number] for rank in range(len(parts))])
    return torch.cat([part.view(-1, width) for part in parts])[torch.argsort(places)]


def _shapes(potential: Potential, part: Samples, pairs: Pairs) -> dict[str, torch.Size]:
    """Return the shape of each output of a frame that labels are compared with."""
    n_states, n_atoms = potential.n_states, len(part.numbers)
    shapes = {"energies": (n_states,), "gradients": (len(pairs), n_atoms, 3), "surplus_gap": ()}
    if part.stress is not None and any(k == l for k, l in pairs):
        shapes["stress"] = (n_states, 3, 3)
    if part.dipoles is not None:
        shapes["dipoles"] = (n_states, n_states, 3)
    if part.polarisabilities is not None:
        shapes["polarisabilities"] = (n_states, 3, 3)
    if part.charges is not None:
        shapes["charges"] = (n_atoms,)
    if part.eigenvectors is not None:
        shapes["eigenvectors"] = (potential.n_basis, potential.n_basis)
    return {name: torch.Size(shape) for name, shape in shapes.items()}


def _flat(prediction: Prediction, shapes: dict[str, torch.Size]) -> Float[Tensor, "_"]:
    found = (getattr(prediction, name).double() for name in shapes)
    return torch.cat([values.reshape(len(values), -1) for values in found], dim=1).flatten()


def _prediction(values: Tensor, shapes: dict[str, torch.Size], pairs: Pairs) -> Prediction:
    columns = values.split([shape.numel() for shape in shapes.values()], dim=1)
    outputs = {
        name: column.reshape(len(values), *shape)
        for (name, shape), column in zip(shapes.items(), columns, strict=True)
    }
    return Prediction(pairs=pairs, **outputs)
