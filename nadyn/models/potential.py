"""One learned potential: an encoder and element networks, heads that read them, terms that are added.

The matrix head gives the diabatic Hamiltonian. With one scalar row that is the atomic sum: the ground-state
potential.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nadyn.checks.errors import InputError
from nadyn.models.atomic_network import AtomicNetwork, NetworkSettings
from nadyn.models.encoders.features import Features
from nadyn.models.heads.charges import Charges, ChargesSettings
from nadyn.models.heads.table import build_heads
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.matrix.equivariant_matrix import EquivariantMatrix
from nadyn.models.matrix.numbered_atoms import numbered_atoms_of
from nadyn.models.outputs import Learned, Outcome
from nadyn.models.sum_of_part import sum_of_part
from nadyn.models.surroundings import Surroundings
from nadyn.models.terms.dispersion import Dispersion, DispersionSettings
from nadyn.models.terms.electrostatics import electrostatic_energy
from nadyn.models.terms.reference_energies import ReferenceEnergies
from nadyn.models.terms.repulsion import Repulsion, check_ends

# The latent basis of a ground-state potential: energies of fragments far apart add.
ATOMIC_SUM = "1x0e"

# Pairs of atoms that are evaluated at once where there are many, on the processor and on another device.
_PAIRS_AT_ONCE = 30_000
_PAIRS_ON_DEVICE = 10_000_000
# Strength of the in-plane term at the start, in units of the energy spread.
_NORMAL_FIRST = 0.5


@dataclass(frozen=True)
class PotentialSettings:
    """Hyperparameters of `Potential`.

    Attributes:
        network: Encoder and layers.
        basis: Latent basis, for example "2x0e" or "1x0e + 1x1o".
        n_states: Number of physical states, the lowest eigenvalues; at most the size of the basis.
        start: Representation that each state starts from; the other basis functions start above.
        repulsion_ends: For each pair of elements the distance [bohr] below which the repulsion of Ziegler,
            Biersack and Littmark acts, or None for no repulsion; at most the cutoff of the encoder, beyond
            which an atom does not see others.
        heads: Settings of the heads beside that of W, see `nadyn.models.heads.table`.
        electrostatics: Charges that act at all distances, or None.
        dispersion: Dispersion at all distances, or None.
        numbers: Ascending atomic numbers of the molecule where rows of the basis change sign; else None.
    """

    network: NetworkSettings
    basis: str
    n_states: int
    start: tuple[str, ...]
    repulsion_ends: tuple[tuple[float, ...], ...] | None = None
    heads: tuple[object, ...] = ()
    electrostatics: ChargesSettings | None = None
    dispersion: DispersionSettings | None = None
    numbers: tuple[int, ...] | None = None


def atomic_sum(
    network: NetworkSettings,
    repulsion_ends: tuple[tuple[float, ...], ...] | None = None,
    heads: tuple[object, ...] = (),
) -> PotentialSettings:
    """Return the settings of a ground-state potential, a matrix of one scalar row.

    Source: J. Behler and M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
    """
    return PotentialSettings(network, ATOMIC_SUM, 1, ("0e",), repulsion_ends, heads)


class Potential(nn.Module):
    """W = (Σ_i ε_{Z_i} + terms) 1 + diag(offsets) + s M, with M from atom sums in the latent basis.

    Terms are a repulsion at short range, and at all distances the energy of charges and dispersion.

    The elements of W are extensive. With one row the energy is: those of fragments beyond the cutoff of each
    other add. With more it is so only where one fragment contributes a multiple of the unit matrix; two
    chromophores far apart are outside this model.
    """

    def __init__(self, settings: PotentialSettings):
        super().__init__()
        basis = parse_basis(settings.basis)
        if settings.n_states > basis.size:
            raise InputError(
                f"`basis` must have at least {settings.n_states} rows for {settings.n_states} states, but "
                f"{settings.basis!r} has {basis.size}. Try '{settings.n_states}x0e'."
            )
        elements = settings.network.encoder.elements
        ends = settings.repulsion_ends
        if ends is not None:
            check_ends(ends, settings.network.encoder.cutoff)
        self.settings = settings
        self.n_states = settings.n_states
        self.n_basis = basis.size
        more = 0 if settings.electrostatics is None else 1
        self.n_outputs = EquivariantMatrix.n_outputs_of(basis)
        self.network = AtomicNetwork(settings.network, self.n_outputs + more)
        self.matrix = EquivariantMatrix(
            basis, elements, n_vectors=self.network.encoder.n_vectors, cutoff=self.network.cutoff
        )
        self.reference = ReferenceEnergies(elements, self.n_basis)
        self.repulsion = (
            None if ends is None else Repulsion(elements, torch.tensor(ends, dtype=torch.float64))
        )
        self.charges = None if settings.electrostatics is None else Charges(elements, self.network.cutoff)
        self.dispersion = None if settings.dispersion is None else Dispersion(elements)
        # Last, so that without them every number drawn at the start is as it was.
        self.heads = build_heads(settings.heads, basis, self.network)
        self.numbered = numbered_atoms_of(basis, settings.numbers, self.network)

    @property
    def is_atomic_sum(self) -> bool:
        """Whether it is a ground-state potential whose energy is a sum over atoms."""
        return self.n_basis == 1

    @property
    def vector_rows(self) -> tuple[int, ...]:
        """First row of each vector of the basis, polar or axial."""
        return tuple(row for name, row in self.matrix.functions if name[0] == "1")

    @property
    def is_longrange(self) -> bool:
        """Whether something acts beyond the cutoff, and structures must be such that it has a meaning."""
        return self.charges is not None or self.dispersion is not None

    def forward(self, surroundings: Surroundings) -> tuple[Float[Tensor, "structure basis basis"], Features]:
        """Return W [hartree] in float64 as it is learned, without dispersion, and the features."""
        learned = self.learned(surroundings)
        return learned.hamiltonian, learned.features

    def learned(self, surroundings: Surroundings) -> Learned:
        """Return what weights have a part in: W [hartree] in float64 without dispersion, and charges."""
        outputs, features = self.network(surroundings)
        matrix = self.matrix(outputs[..., : self.n_outputs], features, surroundings)
        if self.numbered is not None:
            matrix = matrix + self.numbered(surroundings)
        charges = None
        terms = self._terms(surroundings)
        if self.charges is not None:
            charges = self.charges(outputs[..., self.n_outputs], surroundings)
            terms = terms + self._of_charges(charges, surroundings)
        return Learned(self._hamiltonian(matrix, terms, surroundings), features, charges)

    def evaluate(self, surroundings: Surroundings) -> Outcome:
        """Return W [hartree] in float64 with all terms, the novelty, and charges.

        Where there are many pairs of atoms, parts of the atoms are taken one after the other, and again where
        derivatives are asked for: memory then grows with the vectors between neighbours alone.
        """
        size = _atoms_at_once(surroundings)
        # Parts know nothing of what their neighbours have heard from others.
        whole = self.numbered is not None or self.network.reach > self.network.cutoff
        if whole or size >= len(surroundings.vectors):
            learned = self.learned(surroundings)
            novelty = self.network.novelty(learned.features, surroundings)
            hamiltonian, charges = learned.hamiltonian, learned.charges
        else:
            if self._has_derivatives_at_once():
                return self._sum_of_parts(surroundings, size)
            parts = [checkpoint(self._part, one, use_reentrant=False) for one in surroundings.parts(size)]
            matrices, energies, novelties, differences = zip(*parts, strict=True)
            novelty, energy, charges = torch.stack(novelties).amax(dim=0), sum(energies), None
            if self.charges is not None:
                charges = self.charges(torch.cat(differences)[..., 0], surroundings)
                energy = energy + self._of_charges(charges, surroundings)
            hamiltonian = self._hamiltonian(sum(matrices), energy, surroundings)
        if self.dispersion is not None:
            hamiltonian = self._in_every_state(hamiltonian, self.dispersion(surroundings))
        if charges is None:
            return Outcome(hamiltonian, novelty)
        return Outcome(
            hamiltonian, novelty, tuple(one.of_structures(charges) for one in surroundings.placements)
        )

    def _has_derivatives_at_once(self) -> bool:
        """Tell whether each atom adds a number, whose derivative can be had before anybody asks for it."""
        fixed = not any(one.requires_grad for one in self.parameters())
        return self.is_atomic_sum and not self.is_longrange and fixed

    def _sum_of_parts(self, surroundings: Surroundings, size: int) -> Outcome:
        """Return the energy of an atomic sum, each part with its derivative while it is at hand."""

        def energy(part: Surroundings) -> tuple[Tensor, Tensor]:
            matrix, terms, novelty, _ = self._part(part)
            return self.reference.scale * matrix[:, 0, 0] + terms, novelty

        energies, novelties = zip(
            *(sum_of_part(energy, one) for one in surroundings.parts(size)), strict=True
        )
        total = sum(energies)[:, None, None] + torch.diag_embed(self.reference(surroundings))
        return Outcome(total, torch.stack(novelties).amax(dim=0))

    def operator(self, name: str, surroundings: Surroundings) -> Float[Tensor, "structure basis basis *xyz"]:
        """Return the output of a head alone [atomic units] in float64."""
        return self.heads[name](self.network.encoder(surroundings), surroundings)

    def _part(self, surroundings: Surroundings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what some atoms add to the matrix and to the terms, the novelty of the worst, and the rest.

        That are the outputs of the network that charges are made of.
        """
        outputs, features = self.network(surroundings)
        matrix = self.matrix(outputs[..., : self.n_outputs], features, surroundings)
        novelty = self.network.novelty(features, surroundings)
        return matrix, self._terms(surroundings), novelty, outputs[..., self.n_outputs :]

    def _terms(self, surroundings: Surroundings) -> Float[Tensor, "structure"]:
        """Return the energy at short range that is added in every state [hartree]."""
        if self.repulsion is not None:
            return self.repulsion(surroundings)
        return surroundings.vectors.new_zeros(surroundings.n_structures, dtype=torch.float64)

    def _of_charges(
        self, charges: Float[Tensor, "atom traj"], surroundings: Surroundings
    ) -> Float[Tensor, "structure"]:
        return electrostatic_energy(charges, surroundings, self.settings.electrostatics.width)

    def _hamiltonian(
        self, matrix: Tensor, terms: Tensor, surroundings: Surroundings
    ) -> Float[Tensor, "structure basis basis"]:
        symmetric = (0.5 * self.reference.scale) * (matrix + matrix.mT)
        hamiltonian = symmetric + torch.diag_embed(self.reference(surroundings))
        if self.repulsion is not None or self.charges is not None:
            hamiltonian = self._in_every_state(hamiltonian, terms)
        return hamiltonian

    def _in_every_state(self, hamiltonian: Tensor, energy: Float[Tensor, "structure"]) -> Tensor:
        return hamiltonian + torch.diag_embed(energy[:, None].expand(-1, self.n_basis))

    def start_rows(self) -> tuple[int | None, ...]:
        """Return for each row of W the state it starts from, None for surplus rows.

        A vector lends one component to a state and keeps two; all three start from its energy, and the
        in-plane term lifts two of them. Where there are more such states than vectors, the last vector lends
        further components, and all start from the energy of its first state.
        """
        rows: list[int | None] = [None] * self.n_basis
        for state, function in self._lenders():
            first = function[1]
            if rows[first] is None:
                rows[first : first + int(function[0][0]) * 2 + 1] = [state] * (int(function[0][0]) * 2 + 1)
        return tuple(rows)

    def standardise(self, frames: list[Surroundings]) -> None:
        """Scale descriptors by the training set, and let a vector that starts as a state start in order.

        A polar vector that lends one component starts normal first, an axial one in-plane first. One that
        lends two starts with the two lowest that are best apart from the third: in a planar molecule those in
        the plane, in a linear one those normal to its axis.
        """
        self.network.standardise(frames)
        self.matrix.standardise(self.network.encoder, frames)
        if self.numbered is not None:
            self.numbered.standardise(frames)
        for head in self.heads.values():
            head.standardise(self.network, frames)
        lent = [function[1] for _, function in self._lenders()]
        for row, _ in self.matrix.first_vectors:
            if row in lent:
                lowered = self.matrix.start_in_order(_NORMAL_FIRST, frames, n_lowest=lent.count(row))
                # They start from the energies of their states, not below.
                self.reference.offsets[row : row + 3] += lowered * self.reference.scale

    def _lenders(self) -> list[tuple[int, tuple[str, int]]]:
        """Return for each state the function of the basis that it starts from: its name and first row."""
        left = {function: int(function[0][0]) * 2 + 1 for function in self.matrix.functions}
        lenders = []
        for state, name in enumerate(self.settings.start):
            own = [function for function in left if function[0] == name]
            unused = [function for function in own if left[function] == int(name[0]) * 2 + 1]
            if unused:
                function = unused[0]
            elif own and left[own[-1]] > 0:
                function = own[-1]
            else:
                raise InputError(
                    f"`start` must name functions of the basis {self.settings.basis!r}, but "
                    f"{', '.join(self.settings.start)} asks for more {name} than there are."
                )
            left[function] -= 1
            lenders.append((state, function))
        return lenders


def _atoms_at_once(surroundings: Surroundings) -> int:
    """Return how many atoms have about as many pairs as are evaluated at once."""
    _, n_traj, n_slots = surroundings.distances.shape
    pairs = _PAIRS_AT_ONCE if surroundings.distances.device.type == "cpu" else _PAIRS_ON_DEVICE
    return max(1, round(pairs / (n_traj * n_slots)))
