"""A kernel with its weights for atoms with lists: positions and a list in, W and derivatives out."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.data.kept_neighbors import Candidates
from nadyn.models.kernels.compiled import ListedKernel
from nadyn.models.kernels.latent import N_OTHERS, N_SOURCES
from nadyn.models.kernels.listed_program import N_GROUPS
from nadyn.models.kernels.moments import N_SUMS
from nadyn.models.kernels.pairs import N_COMPONENTS, record_size
from nadyn.models.kernels.weights import Weights, aligned_memory, table_of
from nadyn.models.surroundings import element_slices

_BYTES = {torch.float32: 4, torch.float64: 8}


@dataclass(frozen=True)
class ListedAnswer:
    """What the kernel says of one structure.

    Attributes:
        hamiltonian: W [hartree].
        novelty: Of the worst of the centres.
        gradient: Derivative of Σ_ab C_ab W_ab in the positions; None where it was not asked for.
        of_cell: The same in the cell, at fixed positions; None where there is no cell.
    """

    hamiltonian: Float[Tensor, "basis basis"]
    novelty: Float[Tensor, ""]
    gradient: Float[Tensor, "atom 3"] | None
    of_cell: Float[Tensor, "3 3"] | None


@dataclass
class ListedBound:
    """See the module; `evaluate` may be called by several threads.

    Attributes:
        kernel: For an encoder of this size.
        weights: Of the potential.
        element: Number of the element of each atom among those of the potential, which ascend.
        kinds: Numbers of the elements that occur.
        n_radial: Of the encoder.
        n_channels: Of the encoder.
        reference: Energy of each row of W [hartree] that these atoms have alone.
        dtype: Precision of the network.
    """

    kernel: ListedKernel
    weights: Weights
    element: Int[Tensor, "atom"]
    kinds: Int[Tensor, "kind"]
    reference: Float[Tensor, "basis basis"]
    n_radial: int
    n_channels: int
    dtype: torch.dtype
    _memory: dict[str, Tensor] = field(default_factory=dict)
    _room: int = -1
    _lock: AbstractContextManager = field(default_factory=threading.Lock)

    def evaluate(
        self,
        positions: Float[Tensor, "atom 3"],
        cell: Float[Tensor, "3 3"] | None,
        pairs: Candidates,
        *,
        reference: Float[Tensor, "basis basis"] | None = None,
        cotangent: Float[Tensor, "basis basis"] | None = None,
        centres: Int[Tensor, "centre"] | None = None,
    ) -> ListedAnswer:
        """Return W and, for a C, the derivative of Σ_ab C_ab W_ab.

        Args:
            positions: Of all atoms, sorted by element [bohr].
            cell: Cell vectors as rows [bohr], or None.
            pairs: All pairs within the cutoff, and maybe others, of these atoms in this order.
            reference: What W has beside the sums over the networks of the centres; of the structure if None.
            cotangent: C, or None where no derivative is asked for.
            centres: Atoms whose shares are asked for, ascending; all if None.
        """
        positions = positions.contiguous()
        reference = self.reference if reference is None else reference.contiguous()
        centres = torch.arange(len(positions)) if centres is None else centres.contiguous()
        elements = self.element[centres]
        of_kinds = (
            torch.searchsorted(elements, self.kinds),
            torch.searchsorted(elements, self.kinds, right=True),
        )
        offsets = pairs.offsets.to(torch.float64)
        moved = torch.zeros_like(offsets) if cell is None else _moved(offsets, cell)
        arrays = {
            "element": self.element,
            "run_element": self.kinds,
            "run_start": of_kinds[0],
            "run_stop": of_kinds[1],
            "kind_element": self.kinds,
            "reference": reference,
            "positions": positions,
            "centres": centres,
            "first": pairs.first,
            "others": pairs.other,
            "shift": pairs.shift,
            "moved": moved,
            "hamiltonian": torch.empty_like(reference),
            "novelty": positions.new_empty(()),
        }
        if cotangent is not None:
            arrays |= {
                "cotangent": cotangent.contiguous(),
                "gradient": torch.zeros_like(positions),
                "of_shift": torch.zeros_like(offsets),
            }
        with self._lock:
            entries = self._scratch(pairs.n_most)
            entries |= {name: array.data_ptr() for name, array in arrays.items()}
            entries |= {"has_gradient": int(cotangent is not None)}
            self.kernel.listed(table_of(entries))
        of_cell = None
        if cotangent is not None and cell is not None:
            of_cell = offsets.T @ arrays["of_shift"]
        return ListedAnswer(arrays["hamiltonian"], arrays["novelty"], arrays.get("gradient"), of_cell)

    def _scratch(self, n_most: int) -> dict[str, int]:
        """Return sizes and addresses, with room for so many neighbours of an atom and one more."""
        if n_most > self._room:
            self._memory = {name: aligned_memory(n) for name, n in self._sizes(n_most + 1).items()}
            self._room = n_most
        entries = self.weights.entries | {name: one.data_ptr() for name, one in self._memory.items()}
        return entries | {
            "n_runs": len(self.kinds),
            "n_kinds": len(self.kinds),
            "n_most": self._room + 1,
        }

    def _sizes(self, n_most: int) -> dict[str, int]:
        """Return the bytes of each array of a few groups of atoms."""
        numbers, lanes = self.weights.entries, self.kernel.lanes
        vector, of_pairs, of_kinds = lanes * _BYTES[self.dtype], N_GROUPS * n_most, N_GROUPS * len(self.kinds)
        return {
            "pairs": of_pairs * record_size(self.n_radial) * vector,
            "neighbours": of_pairs * lanes * 8,
            "shifts": of_pairs * lanes * 8,
            "ends": of_kinds * lanes * 8,
            "counts": of_kinds * 8,
            "difference": 3 * n_most * vector,
            "mixed": N_GROUPS * self.n_channels * N_COMPONENTS * vector,
            "dmixed": N_GROUPS * self.n_channels * N_COMPONENTS * vector,
            "slopes": N_GROUPS * numbers["n_hidden"] * vector,
            "outputs": N_GROUPS * numbers["n_outputs"] * vector,
            "beside": N_GROUPS * N_OTHERS * vector,
            "sums": numbers["n_inputs"] * N_SUMS * vector,
            "inputs": N_GROUPS * numbers["n_padded"] * vector,
            "dinputs": N_GROUPS * numbers["n_padded"] * vector,
            "layer": 2 * self.kernel.columns * numbers["n_widest"] * _BYTES[self.dtype],
            "results": N_GROUPS * numbers["n_outputs"] * vector,
            "sources": N_SOURCES * vector,
            "dsources": N_SOURCES * vector,
            "totals": numbers["n_components"] * lanes * 8,
            "sum": numbers["n_components"] * 8,
            "dtotals": numbers["n_components"] * vector,
            "doutputs": numbers["n_outputs"] * vector,
            "matrix": (numbers["n_places"] + 1) * lanes * 8,
        }


def _moved(offsets: Float[Tensor, "offset 3"], cell: Float[Tensor, "3 3"]) -> Float[Tensor, "offset 3"]:
    """Return how far images are moved, added up as `Candidates` does."""
    return offsets[:, :1] * cell[0] + offsets[:, 1:2] * cell[1] + offsets[:, 2:] * cell[2]


def bind_listed(
    kernel: ListedKernel,
    weights: Weights,
    *,
    numbers: tuple[int, ...],
    elements: tuple[int, ...],
    reference: Float[Tensor, "basis"],
    n_radial: int,
    n_channels: int,
    dtype: torch.dtype,
) -> ListedBound:
    """Return a kernel for some atoms.

    Args:
        kernel: For an encoder of this size.
        weights: Of the potential.
        numbers: Atomic numbers, ascending.
        elements: Of the potential.
        reference: Energy of each basis state for these atoms [hartree].
        n_radial: Of the encoder.
        n_channels: Of the encoder.
        dtype: Precision of the network.
    """
    slices = element_slices(numbers)
    kinds = torch.tensor([elements.index(z) for z, _ in slices])
    sizes = torch.tensor([part.stop - part.start for _, part in slices])
    element = torch.repeat_interleave(kinds, sizes)
    return ListedBound(
        kernel, weights, element, kinds, torch.diag(reference).contiguous(), n_radial, n_channels, dtype
    )
