"""Labelled frames as tensors, atoms sorted by element, ready to be cut into batches."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.data.dataset import Group
from nadyn.data.dipole_origin import dipoles_of_coordinates
from nadyn.data.neighbors import LARGEST_DENSE_MOLECULE, listed_neighbors
from nadyn.models.surroundings import Surroundings, all_pairs, listed_pairs
from nadyn.training.second_order.geometry import Geometry

ALL_PROPERTIES = ("dipole", "polarisability")


@dataclass(frozen=True)
class Samples:
    """Frames of one molecule in atomic units; labels that a frame lacks are NaN, a whole array is None.

    Attributes:
        name: Name of the group they came from.
        numbers: Atomic numbers, ascending.
        order: Position of each sorted atom in the group.
        couplings: h_kl for the pairs k < l in lexicographic order.
        stress: Stress of each state [hartree/bohr³], ASE's sign.
        dipoles: ⟨k|μ|l⟩ [e bohr] about the origin of the positions.
        polarisabilities: Of each state [bohr³].
        eigenvectors: U of a diabatic matrix U E Uᵀ with the energies E.
        charge: Total charge [e].
        charges: Of each atom [e].
        weight: How much each frame counts in the loss; None where all count the same.
        size: Number of atoms relative to the mean of the frames that are learned together.
        geometry: What the positions give that no weight changes, where it has been computed before.
    """

    name: str
    numbers: tuple[int, ...]
    order: Int[Tensor, "atom"]
    positions: Float[Tensor, "frame atom 3"]
    energies: Float[Tensor, "frame state"]
    forces: Float[Tensor, "frame state atom 3"] | None
    couplings: Float[Tensor, "frame pair atom 3"] | None
    cell: Float[Tensor, "frame 3 3"] | None
    pbc: tuple[bool, bool, bool]
    stress: Float[Tensor, "frame state 3 3"] | None = None
    weight: Float[Tensor, "frame"] | None = None
    size: float = 1.0
    geometry: Geometry | None = None
    dipoles: Float[Tensor, "frame state state 3"] | None = None
    polarisabilities: Float[Tensor, "frame state 3 3"] | None = None
    charge: int = 0
    charges: Float[Tensor, "frame atom"] | None = None
    eigenvectors: Float[Tensor, "frame diabat state"] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, index: Int[Tensor, "chosen"]) -> "Samples":
        """Return the chosen frames."""

        def rows(array: Tensor | None) -> Tensor | None:
            return None if array is None else array[index]

        return Samples(
            self.name,
            self.numbers,
            self.order,
            self.positions[index],
            self.energies[index],
            rows(self.forces),
            rows(self.couplings),
            rows(self.cell),
            self.pbc,
            rows(self.stress),
            rows(self.weight),
            self.size,
            None if self.geometry is None else self.geometry.take(index),
            rows(self.dipoles),
            rows(self.polarisabilities),
            self.charge,
            rows(self.charges),
            rows(self.eigenvectors),
        )

    def surroundings(
        self,
        positions: Float[Tensor, "frame atom 3"],
        cutoff: float,
        dtype: torch.dtype = torch.float32,
        *,
        cell: Float[Tensor, "frame 3 3"] | None = None,
    ) -> Surroundings:
        """Return the surroundings of every atom at `positions`, which belong to these frames.

        Args:
            positions: [bohr]
            cutoff: [bohr]
            dtype: Precision of the result.
            cell: Another one than that of the frames, such as one that can be differentiated.
        """
        cell = self.cell if cell is None else cell
        if self.cell is None and len(self.numbers) <= LARGEST_DENSE_MOLECULE:
            return all_pairs(positions, self.numbers, cutoff, dtype)
        neighbors = listed_neighbors(
            torch.tensor(self.numbers), positions.detach(), cutoff=cutoff, cell=cell, pbc=self.pbc
        )
        return listed_pairs(positions, cell, neighbors, self.numbers, cutoff, dtype, self.pbc)


def samples_from_group(group: Group, properties: Collection[str] = ALL_PROPERTIES) -> Samples:
    """Return a group's frames with atoms sorted by element."""
    order = np.argsort(group.atomic_numbers, kind="stable")

    def tensor(array: np.ndarray | None, atom_axis: int | None = None) -> Tensor | None:
        if array is None:
            return None
        return torch.from_numpy(
            np.ascontiguousarray(array if atom_axis is None else array.take(order, atom_axis))
        )

    periodic = bool(np.any(group.pbc))
    return Samples(
        group.name,
        tuple(int(group.atomic_numbers[i]) for i in order),
        torch.from_numpy(order),
        tensor(group.positions, 1),
        tensor(group.energies),
        tensor(group.forces, 2),
        tensor(group.interstate_couplings, 2),
        tensor(group.cell) if periodic else None,
        tuple(bool(flag) for flag in group.pbc),
        tensor(group.stress) if bool(np.all(group.pbc)) else None,
        tensor(group.weight),
        dipoles=tensor(dipoles_of_coordinates(group)) if "dipole" in properties else None,
        polarisabilities=tensor(group.polarisabilities) if "polarisability" in properties else None,
        charge=int(group.charge),
        charges=tensor(group.charges, 1),
        eigenvectors=tensor(group.eigenvectors),
    )


def samples_together(
    groups: Sequence[Group], properties: Collection[str] = ALL_PROPERTIES
) -> tuple[Samples, ...]:
    """Return the frames of groups that are learned together, each with its relative number of atoms.

    Args:
        groups: Of one training.
        properties: Which of dipole and polarisability are learned where there are labels.
    """
    mean = sum(group.n_frames * group.n_atoms for group in groups) / sum(group.n_frames for group in groups)
    return tuple(
        replace(samples_from_group(group, properties), size=group.n_atoms / mean) for group in groups
    )


def has_eigenvectors(batch: tuple[Samples, ...]) -> bool:
    """Tell whether there are labels of eigenvectors in some part of a batch."""
    return any(part.eigenvectors is not None for part in batch)


def knows_eigenvectors(samples: Samples) -> Bool[Tensor, "frame"]:
    """Tell at which frames there are labels of eigenvectors."""
    return torch.isfinite(samples.eigenvectors).flatten(1).all(dim=1)


def labelled_matrices(samples: Samples) -> Float[Tensor, "frame diabat diabat"]:
    """Return U E Uᵀ [hartree] of the labelled eigenvectors, NaN where there are none.

    Energies count from the mean of their frame: UᵀU that is not quite 1 does not move them by their size.
    """
    vectors, middle = samples.eigenvectors, samples.energies.mean(dim=1)[:, None, None]
    unit = torch.eye(vectors.shape[1], dtype=vectors.dtype)
    return (vectors * (samples.energies[:, None, :] - middle)) @ vectors.mT + middle * unit


class Stream(IntEnum):
    """What random numbers are for; each purpose has numbers of its own."""

    ORDER = 0
    DISPLACEMENTS = 1


def random_stream(stream: Stream, seed: int, number: int) -> np.random.Generator:
    """Return the generator of an epoch or step, which depends on the purpose, the seed and this number only.

    All three are hashed into 128 bits, so that no two seeds come to the same numbers, however long they run.
    """
    return np.random.default_rng((int(stream), seed, number))


def batches(
    samples: tuple[Samples, ...], batch_size: int, *, seed: int, epoch: int
) -> Iterator[tuple[Samples, ...]]:
    """Yield an epoch's batches in an order that depends on the seed and the epoch only.

    Frames of all molecules are drawn alike: a batch has a part for each molecule that it holds frames of. A
    last, smaller batch is dropped where there is a full one.
    """
    generator = random_stream(Stream.ORDER, seed, epoch)
    whose = np.concatenate([np.full(len(group), number) for number, group in enumerate(samples)])
    frame = np.concatenate([np.arange(len(group)) for group in samples])
    order = generator.permutation(len(frame))
    size = min(batch_size, len(frame))
    plan = [order[start : start + size] for start in range(0, len(frame) - size + 1, size)]
    for choice in generator.permutation(len(plan)).tolist():
        chosen = plan[choice]
        yield tuple(
            group.take(torch.from_numpy(frame[chosen[whose[chosen] == number]]))
            for number, group in enumerate(samples)
            if np.any(whose[chosen] == number)
        )


def displaced_frames(
    batch: tuple[Samples, ...], largest: float, *, seed: int, step: int
) -> tuple[Samples, ...]:
    """Return frames whose coordinates are moved at random, each frame by its own amplitude up to `largest`.

    Labels no longer belong to the geometries. The numbers depend on the seed and the step only.
    """
    generator = random_stream(Stream.DISPLACEMENTS, seed, step)
    moved = []
    for part in batch:
        amplitude = largest * generator.random((len(part), 1, 1))
        noise = generator.standard_normal(tuple(part.positions.shape))
        positions = part.positions + torch.from_numpy(amplitude * noise).to(part.positions.device)
        moved.append(replace(part, positions=positions, geometry=None))
    return tuple(moved)


def batches_per_epoch(samples: tuple[Samples, ...], batch_size: int) -> int:
    """Return how many batches `batches` yields."""
    n_frames = sum(map(len, samples))
    return n_frames // min(batch_size, n_frames)
