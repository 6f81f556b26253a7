"""Dipoles and polarisabilities of states from the operators of the heads."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.encoders.features import Features
from nadyn.models.potential import Potential
from nadyn.models.surroundings import Surroundings
from nadyn.training.samples import Samples
from nadyn.training.second_order.function import AtomFeatures


def properties_of(
    potential: Potential,
    batch: tuple[Samples, ...],
    features: Features,
    surroundings: Surroundings,
    vectors: Float[Tensor, "frame basis basis"],
) -> tuple[Float[Tensor, "frame state state 3"] | None, Float[Tensor, "frame state 3 3"] | None]:
    """Return u_k · μ · u_l [e bohr] and u_k · α · u_k [bohr³] where any of the samples has labels of them.

    Where there are more structures than vectors, the first belong to the vectors.
    """
    states, n = vectors[:, :, : potential.n_states], len(vectors)
    dipoles = polarisabilities = None
    if any(part.dipoles is not None for part in batch):
        operator = potential.heads["dipole"](features, surroundings)[:n]
        dipoles = torch.einsum("fak,fabx,fbl->fklx", states, operator, states)
    if any(part.polarisabilities is not None for part in batch):
        operator = potential.heads["polarisability"](features, surroundings)[:n]
        polarisabilities = torch.einsum("fak,fabxy,fbk->fkxy", states, operator, states)
    return dipoles, polarisabilities


def features_of(batch: tuple[Samples, ...], found: AtomFeatures) -> tuple[Features, Surroundings]:
    """Return what heads read of the atoms of frames that derivatives were asked of, as joined structures.

    Nothing is around these atoms: heads read where they are and whose, and their features say the rest.

    Args:
        batch: Those frames.
        found: What was found of their atoms, and perhaps of others.
    """
    rows = found.rows
    starts = [sum(rows.sizes[:number]) for number in range(len(rows.sizes))]
    device = found.descriptors.device
    own = torch.cat([torch.arange(start, start + n) for start, n in zip(starts, rows.asked, strict=True)])
    descriptors, directed, place = (
        one.index_select(0, own.to(device)) for one in (found.descriptors, found.directed, rows.by_element)
    )
    positions = torch.cat([part.positions.flatten(0, 1) for part in batch])[place]
    n_atoms = torch.tensor([len(part.numbers) for part in batch for _ in range(len(part))])
    whose = torch.arange(len(n_atoms)).repeat_interleave(n_atoms).to(device)[place]
    atoms, stop = [], 0
    for element, n in zip(rows.elements, rows.asked, strict=True):
        atoms.append((element, slice(stop, stop + n)))
        stop += n
    nothing = descriptors.new_zeros((len(own), 1, 0))
    surroundings = Surroundings(
        nothing.unsqueeze(-1).expand(-1, -1, -1, 3),
        nothing,
        tuple(one for one in atoms if one[1].stop > one[1].start),
        (),
        structure=whose,
        n_joined=len(n_atoms),
        positions=positions.unsqueeze(1),
    )
    vectors, tensors = (one.mT.unsqueeze(1) for one in directed.split([3, 5], dim=1))
    return Features(descriptors.unsqueeze(1), vectors, tensors), surroundings
