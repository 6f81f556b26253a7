"""Whether a potential is made of the parts that the kernels know, and of no other."""

import math
import os

import torch
from torch import Tensor, nn

from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.density_moments import DensityMoments
from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.kernels.compiled import host
from nadyn.models.matrix.equivariant_matrix import EquivariantMatrix
from nadyn.models.networks import ElementNetworks
from nadyn.models.potential import Potential
from nadyn.models.terms.reference_energies import ReferenceEnergies
from nadyn.models.terms.repulsion import Repulsion

# Set to 0, it turns the kernels off.
VARIABLE = "NADYN_FAST_PATH"
# The memory of pairs grows with the square of the atoms.
MOST_ATOMS = 400

# Each part and what it may hold. A part with anything else is one that the kernels do not know.
_PARTS: dict[type[nn.Module], frozenset[str]] = {
    # Heads have no part in W.
    Potential: frozenset({"network", "matrix", "reference", "repulsion", "heads"}),
    AtomicNetwork: frozenset({"encoder", "networks", "lowest", "highest", "nearest"}),
    EquivariantMessages: frozenset(
        {
            "moments",
            "mean",
            "inverse_spread",
            "direction_scales",
            "clebsch_gordan",
            "scalars",
            "radial",
            "paths",
        }
    ),
    DensityMoments: frozenset(
        {"centres", "vector_square", "tensor_square", "upper_triangle", "mixing", "channels"}
    ),
    ElementNetworks: frozenset({"networks", "mean", "inverse_spread"}),
    EquivariantMatrix: frozenset(
        {"assembly", "vector_mixing", "tensor_mixing", "vector_scale", "tensor_scale", "in_plane"}
    ),
    ReferenceEnergies: frozenset({"per_element", "offsets", "scale"}),
    Repulsion: frozenset({"ends"}),
}


def is_off() -> bool:
    """Tell whether the environment turns the kernels off."""
    return os.environ.get(VARIABLE, "1").strip().lower() in ("0", "no", "off", "false")


def refusal(potential: nn.Module, *, n_atoms: int, is_periodic: bool) -> str | None:
    """Return why the kernels in which all atoms see all do not serve a potential here, or None."""
    if takes_lists(n_atoms, is_periodic=is_periodic):
        return "each atom has a list of its neighbours"
    return _refusal(potential)


def takes_lists(n_atoms: int, *, is_periodic: bool) -> bool:
    """Tell whether the kernel for lists is the one to serve here: in a cell, and of many atoms."""
    return is_periodic or n_atoms > MOST_ATOMS


def listed_refusal(potential: nn.Module) -> str | None:
    """Return why the kernel for lists of neighbours does not serve a potential, or None where it does."""
    reason = _refusal(potential)
    if reason is None and type(potential.network.encoder) is not DensityMoments:
        return "the kernel for lists of neighbours knows no messages"
    return reason


def _refusal(potential: nn.Module) -> str | None:
    if is_off():
        return f"{VARIABLE} is set to {os.environ[VARIABLE]}"
    return _unknown_part(potential) or host().refusal


def _unknown_part(potential: nn.Module) -> str | None:
    if type(potential) is not Potential:
        return f"the kernels know no {type(potential).__name__}"
    encoder = potential.network.encoder
    if type(encoder) not in (DensityMoments, EquivariantMessages):
        return f"the kernels know no encoder {type(encoder).__name__}"
    modules = [potential, potential.network, encoder, potential.network.networks, potential.matrix]
    if type(encoder) is EquivariantMessages:
        modules.append(encoder.moments)
    for module in modules:
        if reason := _unknown_content(module):
            return reason
    for name, module in potential.named_children():
        if name in ("reference", "repulsion") and (reason := _unknown_content(module)):
            return reason
    if encoder.settings.element_channels is not None:
        return "the kernels know no mixtures of elements"
    if encoder.settings.cutoff_function != "polynomial":
        return f"the kernels know no cutoff function {encoder.settings.cutoff_function}"
    for layers in potential.network.networks.networks:
        if len(layers) < 3 or not all(isinstance(layer, nn.Linear | nn.SiLU) for layer in layers):
            return f"the kernels know no activation {potential.network.settings.activation}"
    if not math.isclose(encoder.cutoff, potential.matrix.cutoff):
        return "encoder and matrix have different cutoffs"
    return None


def _unknown_content(module: nn.Module) -> str | None:
    known = _PARTS.get(type(module))
    if known is None:
        return f"the kernels know no {type(module).__name__}"
    own = {name for table in (module._modules, module._parameters, module._buffers) for name in table}
    if unknown := sorted(own - known):
        return f"the kernels know no {unknown[0]} in {type(module).__name__}"
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return "the model has hooks" if any(hooks) else None


Tables = tuple[list[dict[str, nn.Module | None]], list[dict[str, Tensor | None]]]


def tables_of(potential: nn.Module) -> Tables:
    """Return the tables in which a potential keeps its parts, and those of parameters and buffers."""
    modules = list(potential.modules())
    parts = [module._modules for module in modules if module._modules]
    tensors = [table for module in modules for table in (module._parameters, module._buffers) if table]
    return parts, tensors


def stamp(tables: Tables) -> tuple[object, ...] | None:
    """Return what changes when any number of a potential does; None where that cannot be known.

    That is where derivatives in its parameters may be asked for, on another device than the processor, and of
    tensors that count no changes. It is asked before every evaluation.

    Args:
        tables: Its `tables_of`.
    """
    parts, tensors = tables
    found = [id(part) for table in parts for part in table.values()]
    graphs = torch.is_grad_enabled()
    for table in tensors:
        for tensor in table.values():
            if tensor is None:
                found.append(0)
                continue
            if (graphs and tensor.requires_grad) or not tensor.is_cpu or tensor.is_inference():
                return None
            found += (id(tensor), tensor._version, tensor.data_ptr())
    return tuple(found)
