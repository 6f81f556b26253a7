"""A kernel with its weights, bound to the atoms of one molecule: positions in, W out, and the way back."""

import ctypes
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.kernels.clebsch_gordan import N_PRODUCTS, N_TOLD
from nadyn.models.kernels.compiled import Kernel
from nadyn.models.kernels.latent import N_SOURCES
from nadyn.models.kernels.moments import N_SUMS
from nadyn.models.kernels.pairs import N_COMPONENTS, record_size
from nadyn.models.kernels.table import PLACES
from nadyn.models.kernels.weights import Weights, aligned_memory, table_of
from nadyn.models.surroundings import ElementSlices

_BYTES = {torch.float32: 4, torch.float64: 8}
# Tapes that are kept for the next evaluation: memory that the system hands out anew costs more than its use.
_KEPT_TAPES = 2


class Tape:
    """What the way forwards leaves for the way back."""

    def __init__(self, memory: Tensor, entries: dict[str, int], n_rows: int):
        self.memory = memory
        self.entries = entries
        self.n_rows = n_rows


@dataclass
class Bound:
    """See the module; `evaluate` and `gradient` may be called by several threads."""

    kernel: Kernel
    weights: Weights
    entries: dict[str, int]
    table: ctypes.Array
    arrays: tuple[Tensor, ...]
    tape_bytes: dict[str, int]
    reference: Float[Tensor, "basis basis"]
    _free: list[Tensor] = field(default_factory=list)
    # The garbage collector may release a tape while this very thread holds the lock.
    _lock: AbstractContextManager = field(default_factory=threading.RLock)

    def evaluate(
        self, positions: Float[Tensor, "traj atom 3"]
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"], Tape]:
        """Return W [hartree], the novelty, and the tape."""
        n_rows = len(positions)
        hamiltonian = positions.new_empty(n_rows, *self.reference.shape)
        novelty = positions.new_empty(n_rows)
        with self._lock:
            tape = self._tape(n_rows)
            arrays = {"positions": positions, "hamiltonian": hamiltonian, "novelty": novelty}
            self._call(self.kernel.forward, tape, arrays)
        return hamiltonian, novelty, tape

    def gradient(
        self, tape: Tape, cotangent: Float[Tensor, "traj basis basis"]
    ) -> Float[Tensor, "traj atom 3"]:
        """Return the derivative of Σ_ab C_ab W_ab in the positions."""
        n_atoms = self.entries["n_atoms"]
        gradient = cotangent.new_empty(tape.n_rows, n_atoms, 3)
        with self._lock:
            self._call(self.kernel.backward, tape, {"cotangent": cotangent, "gradient": gradient})
        return gradient

    def release(self, tape: Tape) -> None:
        """Take back the memory of a tape that nobody needs any more."""
        with self._lock:
            self._free.append(tape.memory)
            self._free.sort(key=len)
            # The largest serve smaller batches too.
            del self._free[:-_KEPT_TAPES]

    def _call(self, function: object, tape: Tape, arrays: dict[str, Tensor]) -> None:
        table = type(self.table).from_buffer_copy(self.table)
        table[PLACES["n_rows"]] = tape.n_rows
        for name, address in tape.entries.items():
            table[PLACES[name]] = address
        for name, array in arrays.items():
            table[PLACES[name]] = array.data_ptr()
        function(table)

    def _tape(self, n_rows: int) -> Tape:
        n_groups = -(-n_rows // self.kernel.lanes)
        size = n_groups * sum(self.tape_bytes.values())
        large = [number for number, memory in enumerate(self._free) if len(memory) >= size]
        memory = self._free.pop(large[0]) if large else aligned_memory(size)
        entries, address = {}, memory.data_ptr()
        for name, n_bytes in self.tape_bytes.items():
            entries[name] = address
            address += n_bytes * n_groups
        return Tape(memory, entries, n_rows)


def bind(
    kernel: Kernel,
    weights: Weights,
    *,
    order: Tensor,
    slices: ElementSlices,
    elements: tuple[int, ...],
    reference: Float[Tensor, "basis"],
    n_radial: int,
    n_channels: int,
    heard: bool,
    dtype: torch.dtype,
) -> Bound:
    """Return a kernel for some atoms.

    Args:
        kernel: For an encoder of this size.
        weights: Of the potential.
        order: From sorted atoms to those of the positions.
        slices: Element and slice of the sorted atoms.
        elements: Of the potential.
        reference: Energy of each basis state for these atoms [hartree].
        n_radial: Of the encoder.
        n_channels: Of the encoder.
        heard: Whether it has messages.
        dtype: Precision of the network.
    """
    n_atoms, vector = len(order), kernel.lanes * _BYTES[dtype]
    numbers = weights.entries
    integers = {
        "order": order.tolist(),
        "element": [elements.index(z) for z, part in slices for _ in range(part.stop - part.start)],
        "run_element": [elements.index(z) for z, _ in slices],
        "run_start": [part.start for _, part in slices],
        "run_stop": [part.stop for _, part in slices],
    }
    arrays = {name: torch.tensor(values, dtype=torch.int64) for name, values in integers.items()}
    arrays["reference"] = torch.diag(reference).contiguous()
    n_pairs, n_some = n_atoms * (n_atoms - 1), kernel.columns
    # Before anything is heard all atoms have seen what they tell.
    n_at_once = n_atoms if heard else n_some
    tape_bytes = {
        "pairs": n_pairs * record_size(n_radial) * vector,
        "mixed": n_atoms * n_channels * N_COMPONENTS * vector,
        "slopes": n_atoms * numbers["n_hidden"] * vector,
        "outputs": n_atoms * numbers["n_outputs"] * vector,
        "neighbours": n_pairs * 8,
        "counts": n_atoms * len(slices) * 8,
    }
    if heard:
        tape_bytes["told"] = tape_bytes["heard"] = n_atoms * N_TOLD * n_channels * vector
        tape_bytes["told_slopes"] = n_atoms * n_channels * vector
    doubles = 8 * kernel.lanes
    scratch = {
        "place": n_atoms * 3 * doubles,
        "sums": numbers["n_inputs"] * N_SUMS * vector,
        "inputs": n_at_once * numbers["n_padded"] * vector,
        "layer": 2 * kernel.columns * numbers["n_widest"] * _BYTES[dtype],
        "results": n_some * numbers["n_outputs"] * vector,
        "dinputs": n_at_once * numbers["n_padded"] * vector,
        "dmixed": n_at_once * n_channels * N_COMPONENTS * vector,
        "sources": N_SOURCES * vector,
        "dsources": N_SOURCES * vector,
        "totals": numbers["n_components"] * doubles,
        "dtotals": numbers["n_components"] * vector,
        "doutputs": numbers["n_outputs"] * vector,
        "matrix": (numbers["n_places"] + 1) * doubles,
        "dplace": n_atoms * 3 * doubles,
    }
    if heard:
        scratch |= {
            "strange": 2 * n_atoms * vector,
            "heard_sums": N_TOLD**2 * n_channels * vector,
            "heard_products": N_PRODUCTS * n_channels * vector,
            "pair_weights": 3 * n_channels * vector,
            "dpair_weights": 3 * n_channels * vector,
            "dheard": n_some * N_TOLD * n_channels * vector,
            "dtold": n_atoms * N_TOLD * n_channels * vector,
        }
    arrays |= {name: aligned_memory(n_bytes) for name, n_bytes in scratch.items()}
    entries = numbers | {name: array.data_ptr() for name, array in arrays.items()}
    entries |= {"n_atoms": n_atoms, "n_runs": len(slices)}
    kept = {name: -(-n_bytes // 64) * 64 for name, n_bytes in tape_bytes.items()}
    held, table = tuple(arrays.values()), table_of(entries)
    return Bound(kernel, weights, entries, table, held, kept, arrays["reference"])
