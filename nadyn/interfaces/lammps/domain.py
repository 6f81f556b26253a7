"""Energy, forces and virial of some atoms of a larger structure, from them and the atoms around them alone.

What an atom adds to an atomic sum depends on atoms within the reach of the model. So the force on an atom of
ours needs the energies of all atoms within one reach, and those need atoms within two. Nothing has to be
told to the processors that own the others.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.data.kept_neighbors import KeptNeighbors
from nadyn.models.kernels.listed_bound import ListedAnswer
from nadyn.models.kernels.listed_path import ListedPath
from nadyn.models.learned import LearnedModel
from nadyn.models.surroundings import Surroundings, element_slices, far_vectors, lengths

_OURS, _NEAR, _FAR = 0, 1, 2


@dataclass(frozen=True)
class Share:
    """What one processor knows of the energy of a structure, in atomic units.

    Attributes:
        energy: Of our atoms, without what a structure has once.
        forces: Of the whole structure on our atoms.
        virial: -∂E/∂ε for r → r (1 + ε) of the energy of our atoms, symmetric.
        novelty: Of the worst of our atoms, see `Evaluation`.
    """

    energy: float
    forces: Float[np.ndarray, "own 3"]
    virial: Float[np.ndarray, "3 3"]
    novelty: float


class Domain:
    """The atoms of one processor, and ghosts around them; made anew when atoms come or go."""

    def __init__(self, model: LearnedModel, numbers: Int[np.ndarray, "atom"], n_own: int) -> None:
        """Take a model of an atomic sum, and atomic numbers, ours first."""
        self.numbers, self.n_own = numbers, n_own
        self._potential, self._precision = model.potential, model.precision
        self._order = torch.from_numpy(np.argsort(numbers, kind="stable"))
        self._sorted = numbers[self._order.numpy()]
        self._is_own = self._order < n_own
        network = model.potential.network
        self._cutoff = network.cutoff
        self._rounds = round(network.reach / network.cutoff)
        sorted_numbers = tuple(int(n) for n in self._sorted)
        self._kept = KeptNeighbors(sorted_numbers, self._cutoff)
        self._path = ListedPath(self._potential, self._order, sorted_numbers, self._precision, self._kept)

    def share(self, positions: Float[np.ndarray, "atom 3"]) -> Share:
        """Return the energy of our atoms and the forces on them at positions [bohr]."""
        if self.n_own == 0:
            return Share(0.0, np.zeros((0, 3)), np.zeros((3, 3)), 0.0)
        places = torch.from_numpy(positions)[self._order]
        near = self._kept.near(places, None)
        zone = self._zones(near.index, near.mask)
        if self._rounds == 1 and (by_kernel := self._by_kernel(places, zone)) is not None:
            return by_kernel
        # With messages an atom hears of what its neighbours have heard, so all of them are asked.
        rows = torch.nonzero(zone < _FAR)[:, 0] if self._rounds == 1 else torch.arange(len(zone))
        others, mask = near.index[rows], near.mask[rows]
        between = (places[others] - places[rows, None]).to(self._precision)
        far = far_vectors(mask.shape[1], self._cutoff, places.device, self._precision)
        vectors = torch.where(mask[:, :, None], between, far)[:, None].requires_grad_(True)
        surroundings = Surroundings(
            vectors,
            lengths(vectors),
            element_slices(tuple(self._sorted[rows.numpy()].tolist())),
            near.element_slices,
            None if self._rounds == 1 else others[:, None],
            zone[rows],
            3,
        )
        found = self._potential.evaluate(surroundings)
        energies = found.hamiltonian[:, 0, 0]
        slopes, of_ours = self._slopes(energies, vectors, zone[rows] == _OURS)
        forces = torch.zeros_like(places).index_add(0, rows, slopes.sum(dim=1))
        forces = forces.index_add(0, others.flatten(), -slopes.flatten(0, 1))
        virial = -torch.einsum("npx,npy->xy", torch.where(mask[:, :, None], between, 0.0).double(), of_ours)
        own = np.empty((self.n_own, 3))
        own[self._order[self._is_own].numpy()] = forces[self._is_own].numpy()
        once = float(self._potential.reference.offsets[0])
        return Share(
            float(energies[_OURS].detach()) - once,
            own,
            (0.5 * (virial + virial.mT)).numpy(),
            float(found.novelty[_OURS]),
        )

    def _by_kernel(self, places: Float[Tensor, "atom 3"], zone: Int[Tensor, "atom"]) -> Share | None:
        """Return the same by compiled kernels, or None where they do not serve this potential."""
        ours = self._share_of(places, zone == _OURS)
        if ours is None:
            return None
        slopes = ours.gradient
        if (zone == _NEAR).any():
            near = self._share_of(places, zone == _NEAR)
            if near is None:
                return None
            slopes = slopes + near.gradient
        reference = self._potential.reference
        alone = sum(
            float(energy) * int((self.numbers[: self.n_own] == element).sum())
            for element, energy in zip(reference.elements, reference.per_element, strict=True)
        )
        own = np.empty((self.n_own, 3))
        own[self._order[self._is_own].numpy()] = -slopes[self._is_own].numpy()
        # Slopes of one energy add up to zero, so positions do for vectors between atoms.
        virial = -(places.T @ ours.gradient)
        return Share(
            float(ours.hamiltonian[0, 0]) + alone,
            own,
            (0.5 * (virial + virial.mT)).numpy(),
            float(ours.novelty),
        )

    def _share_of(self, places: Float[Tensor, "atom 3"], chosen: Bool[Tensor, "atom"]) -> ListedAnswer | None:
        pairs = self._kept.candidates(places, None)
        one = torch.ones(1, 1, dtype=torch.float64)
        return self._path.share(places, pairs, torch.nonzero(chosen)[:, 0], one)

    def _zones(self, index: Int[Tensor, "atom slot"], mask: Bool[Tensor, "atom slot"]) -> Int[Tensor, "atom"]:
        """Tell which atoms are ours, which add an energy that depends on ours, and which neither."""
        reached = self._is_own
        for _ in range(self._rounds):
            wider = reached.clone()
            wider[index[reached][mask[reached]]] = True
            reached = wider
        zone = torch.full((len(reached),), _FAR)
        zone[reached] = _NEAR
        zone[self._is_own] = _OURS
        return zone

    def _slopes(
        self, energies: Float[Tensor, "3"], vectors: Tensor, is_ours: Bool[Tensor, "row"]
    ) -> tuple[Float[Tensor, "row slot 3"], Float[Tensor, "row slot 3"]]:
        """Return ∂E/∂r of each pair, of the energies of our atoms and those near, and of ours alone."""
        once = self._rounds == 1
        (both,) = torch.autograd.grad(energies[:_FAR].sum(), vectors, retain_graph=not once)
        both = both[:, 0].double()
        if once:
            # The vectors of an atom are in its own energy and no other.
            return both, torch.where(is_ours[:, None, None], both, 0.0)
        (ours,) = torch.autograd.grad(energies[_OURS], vectors)
        return both, ours[:, 0].double()
