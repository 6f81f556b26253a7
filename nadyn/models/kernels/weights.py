"""The weights of a potential as a kernel reads them: filled up, packed, and put in one place."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.encoders.radial import decay_length
from nadyn.models.kernels.close_pairs import CHARGES, END, INVERSE_END, INVERSE_LENGTH, N_NUMBERS
from nadyn.models.kernels.compiled import Kernel, ListedKernel
from nadyn.models.kernels.latent import N_OTHERS
from nadyn.models.kernels.table import NAMES
from nadyn.models.matrix.equivariant_matrix import KINDS, EquivariantMatrix
from nadyn.models.potential import Potential
from nadyn.models.terms.repulsion import Repulsion
from nadyn.units import BOHR_PER_ANGSTROM


@dataclass(frozen=True)
class Weights:
    """What of the table is the same for all atoms, and the arrays that its addresses are of."""

    entries: dict[str, int]
    arrays: tuple[Tensor, ...]


def packed_weights(potential: Potential, kernel: Kernel | ListedKernel, dtype: torch.dtype) -> Weights:
    """Return the weights of a potential in the order of a kernel."""
    network, matrix = potential.network, potential.matrix
    encoder, settings = network.encoder, network.encoder.settings
    is_heard = type(encoder) is EquivariantMessages
    moments = encoder.moments if is_heard else encoder
    layers = [[m for m in one if isinstance(m, nn.Linear)] for one in network.networks.networks]
    n_layers, n_inputs = len(layers[0]), len(settings.elements) * settings.n_radial
    widths = [layers[0][0].in_features, *(layer.out_features for layer in layers[0])]
    filled = [_filled(width, kernel.panel) for width in widths]
    hidden = filled[1:-1]
    store = _Store(dtype)
    forward_at, backward_at, bias_at = [], [], []
    for of_element in layers:
        for number, layer in enumerate(of_element):
            weight = layer.weight.new_zeros(filled[number + 1], filled[number])
            weight[: widths[number + 1], : widths[number]] = layer.weight
            bias = layer.bias.new_zeros(filled[number + 1])
            bias[: widths[number + 1]] = layer.bias
            forward_at.append(store.add(_panels(weight, kernel.panel)))
            backward_at.append(store.add(_panels(weight.mT, kernel.panel)))
            bias_at.append(store.add(bias))
    scale = moments.inverse_width / 2.0**0.5
    first = [settings.cutoff, 1.0 / settings.cutoff, 1.0 / decay_length(settings.cutoff), scale]
    radial = torch.cat([torch.tensor(first, dtype=torch.float64), moments.centres.double() * scale])
    components, places, values = _entries(potential, matrix)
    reals = {
        "radial": radial,
        "mixing": moments.mixing,
        "mean": network.networks.mean,
        "inverse_spread": network.networks.inverse_spread,
        "lowest": network.lowest,
        "highest": network.highest,
        "intervals": network.nearest,
        "repulsion": _repulsion(potential.repulsion),
        "weights": store.joined(),
        **_directions(matrix),
        **(_messages(encoder, network) if is_heard else {}),
    }
    integers = {
        "forward_at": forward_at,
        "backward_at": backward_at,
        "bias_at": bias_at,
        "rows_of_layer": filled[1:],
        "depth_of_layer": filled[:-1],
        "hidden_at": [sum(hidden[:n]) for n in range(n_layers)],
        "entry_component": components,
        "entry_place": places,
    }
    arrays = {name: aligned(array.detach().to(dtype)) for name, array in reals.items()}
    arrays |= {name: torch.tensor(values, dtype=torch.int64) for name, values in integers.items()}
    arrays["entry_value"] = torch.tensor(values, dtype=torch.float64)
    numbers = {
        "n_elements": len(settings.elements),
        "n_inputs": n_inputs,
        "n_features": widths[0],
        "n_seen": moments.n_invariants,
        "n_padded": filled[0],
        "n_layers": n_layers,
        "n_hidden": sum(hidden),
        "n_outputs": filled[-1],
        "n_widest": max(filled[1:]),
        "n_intervals": network.nearest.shape[1],
        **{f"n_{kind}": count for kind, count in matrix.counts.items()},
        "n_components": n_components(matrix),
        "n_entries": len(values),
        "n_places": potential.n_basis**2,
        "has_in_plane": int(bool(matrix.first_vectors)),
        "has_repulsion": int(potential.repulsion is not None),
    }
    addresses = {name: array.data_ptr() for name, array in arrays.items()}
    return Weights(numbers | addresses, tuple(arrays.values()))


def n_components(matrix: EquivariantMatrix) -> int:
    """Return the number of components of all sums."""
    return sum(count * KINDS[kind] for kind, count in matrix.counts.items()) + N_OTHERS


def table_of(entries: dict[str, int]) -> ctypes.Array:
    """Return the table for a kernel; what has no entry is zero."""
    return (ctypes.c_int64 * len(NAMES))(*(entries.get(name, 0) for name in NAMES))


def aligned(array: Tensor) -> Tensor:
    """Return a contiguous copy that begins at a multiple of 64 bytes."""
    place = aligned_memory(array.numel() * array.element_size())
    result = place.view(array.dtype).view(array.shape)
    return result.copy_(array)


def aligned_memory(n_bytes: int) -> Tensor:
    """Return zeroed bytes whose address is a multiple of 64."""
    # Of numpy, whose zeros need no memory before they are used.
    memory = torch.from_numpy(np.zeros(n_bytes + 64, dtype=np.uint8))
    start = -memory.data_ptr() % 64
    return memory[start : start + n_bytes]


class _Store:
    """Arrays one after the other, each at a multiple of 64 numbers."""

    def __init__(self, dtype: torch.dtype):
        self.dtype = dtype
        self.parts: list[Tensor] = []
        self.size = 0

    def add(self, array: Tensor) -> int:
        """Append an array and return where it begins."""
        flat = array.detach().to(self.dtype).flatten()
        start, self.size = self.size, self.size + _filled(len(flat), 64)
        self.parts += [flat, flat.new_zeros(self.size - start - len(flat))]
        return start

    def joined(self) -> Tensor:
        """Return all of them."""
        return torch.cat(self.parts)


def _panels(weight: Float[Tensor, "row input"], panel: int) -> Float[Tensor, "n_panels input lane"]:
    return weight.unflatten(0, (-1, panel)).transpose(1, 2).contiguous()


def _filled(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _messages(encoder: EquivariantMessages, network: AtomicNetwork) -> dict[str, Tensor]:
    """Return the weights of messages; those of scalars go with descriptors as the networks read them."""
    n_seen = encoder.moments.n_invariants
    mean, spread = (
        one.double()[:, :n_seen] for one in (network.networks.mean, network.networks.inverse_spread)
    )
    scalars = torch.stack([one.double() for one in encoder.scalars])
    scalars = scalars * encoder.inverse_spread.double().unsqueeze(-1)
    return {
        "tell": scalars / spread.unsqueeze(-1),
        "tell_bias": ((mean - encoder.mean.double()).unsqueeze(1) @ scalars).squeeze(1),
        "tell_factors": encoder.direction_scales,
        "heard_radial": encoder.radial,
        "paths": torch.stack([torch.cat([rank[i] for rank in encoder.paths]) for i in range(len(scalars))]),
    }


def _directions(matrix: EquivariantMatrix) -> dict[str, Tensor]:
    if not matrix.directional:
        return {"vector_mixing": torch.zeros(1), "tensor_mixing": torch.zeros(1)}
    return {
        "vector_mixing": matrix.vector_mixing * matrix.vector_scale.unsqueeze(-1),
        "tensor_mixing": matrix.tensor_mixing * matrix.tensor_scale.unsqueeze(-1),
    }


def _repulsion(repulsion: Repulsion | None) -> Float[Tensor, "element element number"]:
    if repulsion is None:
        return torch.zeros(1, 1, N_NUMBERS)
    charges = torch.tensor(repulsion.elements, dtype=torch.float64)
    roots = charges**0.23
    rows = {
        END: repulsion.ends,
        INVERSE_END: 1.0 / repulsion.ends,
        CHARGES: 0.5 * charges[:, None] * charges,
        INVERSE_LENGTH: (roots[:, None] + roots) / (0.46850 * BOHR_PER_ANGSTROM),
    }
    return torch.stack([rows[number] for number in range(N_NUMBERS)], dim=-1)


def _entries(
    potential: Potential, matrix: EquivariantMatrix
) -> tuple[Sequence[int], Sequence[int], Sequence[float]]:
    """Return which sum goes with which factor [hartree] to which element of W."""
    scale = float(potential.reference.scale)
    found = matrix.assembly.nonzero().tolist()
    entries = [(s, place, scale * float(matrix.assembly[s, place])) for s, place in found]
    if matrix.first_vectors:
        row, first = matrix.first_vectors[0][0], n_components(matrix) - N_OTHERS
        for number, (x, y) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))):
            for a, b in {(x, y), (y, x)}:
                place = (row + a) * matrix.size + row + b
                entries.append((first + number, place, scale * float(matrix.in_plane)))
    if potential.repulsion is not None:
        entries += [(n_components(matrix) - 1, a * (matrix.size + 1), 1.0) for a in range(matrix.size)]
    entries.sort(key=lambda entry: (entry[1], entry[0]))
    components, places, values = zip(*entries, strict=True)
    return components, places, values
