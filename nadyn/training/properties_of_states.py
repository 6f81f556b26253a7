"""Dipoles and polarisabilities of states from the operators of the heads."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.eigen import eigh
from nadyn.models.encoders.features import Features
from nadyn.models.potential import Potential
from nadyn.models.surroundings import Surroundings
from nadyn.training.samples import Samples


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


def properties_in_signs(
    potential: Potential,
    batch: tuple[Samples, ...],
    surroundings: Surroundings,
    vectors: Float[Tensor, "frame basis basis"],
) -> tuple[Float[Tensor, "frame state state 3"] | None, Float[Tensor, "frame state 3 3"] | None]:
    """Return the properties of an evaluation of its own, in states of the signs of given eigenvectors.

    Nothing of it is differentiated in the positions, so that the graph of an ordinary evaluation serves
    beside derivatives of W that are written out.
    """
    learned = potential.learned(surroundings)
    own = eigh(learned.hamiltonian)[1]
    signs = (own.detach() * vectors).sum(dim=1, keepdim=True).sign()
    return properties_of(potential, batch, learned.features, surroundings, own * signs)
