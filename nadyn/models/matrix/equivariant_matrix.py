"""W in a latent basis of irreducible representations, as a linear map of atom sums.

Which sums couple two basis functions follows from their symmetry:

    0e 0e, 0o 0o     invariants
    0e 0o            pseudoscalars
    0e 1o, 0o 1e     polar vectors
    0e 1e, 0o 1o     axial vectors
    1o 1o, 1e 1e     an invariant times 1 and a symmetric traceless tensor; between two different
                     functions also an axial vector, as an antisymmetric matrix
    1o 1e            a pseudoscalar times 1 and a polar vector, as an antisymmetric matrix

A rotation, reflection or inversion Q of the molecule turns W into D(Q) W D(Q)ᵀ with the representation
D of the basis: eigenvalues are invariant, while single elements may change sign.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.angular import rank_two_matrices
from nadyn.models.encoders.features import Features
from nadyn.models.encoders.radial import polynomial_cutoff
from nadyn.models.matrix.basis import Basis, basis_functions
from nadyn.models.matrix.directions import COMPONENTS, N_DIRECTIONS, mixed, set_scales, sources, summed
from nadyn.models.surroundings import Surroundings

# kind of atom sum -> number of components
KINDS = {kind: COMPONENTS[kind] for kind in ("invariant", "pseudoscalar", "polar", "axial", "tensor")}


def block_terms(first: str, second: str, *, same: bool) -> tuple[str, ...]:
    """Return the kinds of sums between two basis functions of the given representations."""
    pair = {first, second}
    if first == second:
        if first[0] == "0":
            return ("invariant",)
        return ("invariant", "tensor") if same else ("invariant", "tensor", "axial")
    if pair == {"0e", "0o"}:
        return ("pseudoscalar",)
    if pair in ({"0e", "1o"}, {"0o", "1e"}):
        return ("polar",)
    if pair in ({"0e", "1e"}, {"0o", "1o"}):
        return ("axial",)
    return ("pseudoscalar", "polar")


class EquivariantMatrix(nn.Module):
    """Networks give coefficients, sums of unit vectors give directions, a constant map puts both into W."""

    def __init__(self, basis: Basis, elements: tuple[int, ...], *, n_vectors: int, cutoff: float):
        """Take the latent basis, the elements, and the number of vectors and the cutoff of the encoder."""
        super().__init__()
        self.size = basis.size
        self.elements = elements
        self.cutoff = cutoff
        functions, counts, entries = _plan(basis)
        self.counts = counts
        self.functions = functions
        self.register_buffer("assembly", _assembly(basis.size, counts, entries), persistent=False)
        self.directional = any(n for kind, n in counts.items() if kind != "invariant")
        if self.directional:
            shape = (len(elements), n_vectors, N_DIRECTIONS)
            self.vector_mixing = nn.Parameter(torch.randn(shape) / n_vectors**0.5)
            self.tensor_mixing = nn.Parameter(torch.randn(shape) / n_vectors**0.5)
            self.register_buffer("vector_scale", torch.ones(len(elements), n_vectors))
            self.register_buffer("tensor_scale", torch.ones(len(elements), n_vectors))
        self.first_vectors = [(start, name) for name, start in functions if name in ("1o", "1e")][:1]
        if self.first_vectors:
            # κ: pushes the in-plane components of the first vector up, or down where it is negative.
            self.in_plane = nn.Parameter(torch.zeros(()))

    @staticmethod
    def n_outputs_of(basis: Basis) -> int:
        """Return how many numbers the networks give for each atom."""
        _, counts, _ = _plan(basis)
        directional = sum(n for kind, n in counts.items() if kind != "invariant")
        return counts["invariant"] + N_DIRECTIONS * directional

    def forward(
        self, outputs: Float[Tensor, "atom traj output"], features: Features, surroundings: Surroundings
    ) -> Float[Tensor, "structure basis basis"]:
        """Return W in units of the energy scale, float64."""
        n = self.counts["invariant"]
        invariant, directional = torch.split(outputs, [n, outputs.shape[-1] - n], dim=-1)
        parts = [surroundings.per_structure(invariant.to(torch.float64))]
        if self.directional:
            parts += self._directions(directional, features, surroundings)
        matrix = (torch.cat(parts, dim=1) @ self.assembly).reshape(-1, self.size, self.size)
        if self.first_vectors:
            matrix = matrix + self._in_plane_term(surroundings)
        return matrix

    @torch.no_grad()
    def standardise(self, encoder: nn.Module, frames: list[Surroundings]) -> None:
        """Scale vectors and tensors by their spread in these frames."""
        if self.directional:
            set_scales(self.vector_scale, self.tensor_scale, self.elements, encoder, frames)

    @torch.no_grad()
    def start_in_order(self, strength: float, frames: list[Surroundings], *, n_lowest: int) -> float:
        """Let the first vector start with one component, or the two best apart from the third, lowest.

        Returns by how much these have been lowered, in units of the energy scale; 0 where κ is positive.

        Args:
            strength: Size of κ. Positive values put the component normal to the atoms lowest, negative ones
                that along their largest extension.
            frames: Some of the training set; they say whether two normal or two in-plane components
                are the better pair.
            n_lowest: How many components are states.
        """
        # What changes sign under reflection in the plane of a planar molecule, as scalars do not: of a polar
        # vector the component normal to the plane, of an axial vector those in the plane.
        sign = 1.0 if self.first_vectors[0][1] == "1o" else -1.0
        tensors = torch.cat([self._in_plane_tensor(surroundings) for surroundings in frames])
        low, middle, high = levels = torch.linalg.eigvalsh(tensors).mean(dim=0).tolist()
        if n_lowest == 2:
            sign = 1.0 if high - middle > middle - low else -1.0
        self.in_plane.fill_(sign * strength)
        return 0.0 if sign > 0 else strength * sum(levels[-n_lowest:]) / n_lowest

    def _directions(
        self, coefficients: Tensor, features: Features, surroundings: Surroundings
    ) -> list[Tensor]:
        polar = mixed(
            features.vectors, self.vector_mixing, self.vector_scale, self.elements, surroundings.atoms
        )
        tensor = mixed(
            features.tensors, self.tensor_mixing, self.tensor_scale, self.elements, surroundings.atoms
        )
        kinds = [kind for kind in KINDS if self.counts[kind]]
        return summed(coefficients, sources(polar, tensor, kinds), self.counts, surroundings)

    def _in_plane_term(self, surroundings: Surroundings) -> Float[Tensor, "structure basis basis"]:
        """Return κ Σ_ij f_c(r_ij)² r̂_ij r̂_ijᵀ in the block of the first vector."""
        start = self.first_vectors[0][0]
        after = self.size - start - 3
        padded = nn.functional.pad(self._in_plane_tensor(surroundings), (start, after, start, after))
        return self.in_plane * padded

    def _in_plane_tensor(self, surroundings: Surroundings) -> Float[Tensor, "structure 3 3"]:
        """Return Σ_ij f_c(r_ij)² r̂_ij r̂_ijᵀ."""
        weight = polynomial_cutoff(surroundings.distances / self.cutoff) / surroundings.distances
        pulled = (surroundings.vectors * weight.unsqueeze(-1)).transpose(1, 2)
        # A product of small matrices would round by their place in memory; this sum does not.
        outer = (pulled.unsqueeze(-1) * pulled.unsqueeze(-2)).flatten(-2)
        return surroundings.per_structure_of_pairs(outer).unflatten(-1, (3, 3)).to(torch.float64)


def _plan(
    basis: Basis,
) -> tuple[list[tuple[str, int]], dict[str, int], list[tuple[str, int, int, int, str, str]]]:
    """Return basis functions with their first row, the number of sums of each kind, and where each goes."""
    functions = basis_functions(basis)
    counts = dict.fromkeys(KINDS, 0)
    entries = []
    for a, (first, row_a) in enumerate(functions):
        for b in range(a, len(functions)):
            second, row_b = functions[b]
            if not basis.couples(row_a, row_b):
                continue
            for kind in block_terms(first, second, same=a == b):
                entries.append((kind, counts[kind], row_a, row_b, first, second))
                counts[kind] += 1
    return functions, counts, entries


def _assembly(
    size: int, counts: dict[str, int], entries: list[tuple[str, int, int, int, str, str]]
) -> Float[Tensor, "component entry"]:
    """Return the constant matrix from the components of all sums to the elements of W."""
    offsets, total = {}, 0
    for kind, width in KINDS.items():
        offsets[kind] = total
        total += counts[kind] * width
    result = torch.zeros(total, size, size, dtype=torch.float64)
    levi_civita = torch.zeros(3, 3, 3, dtype=torch.float64)
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi_civita[x, y, z], levi_civita[x, z, y] = 1.0, -1.0
    tensors = rank_two_matrices()
    for kind, number, row_a, row_b, first, second in entries:
        rows = slice(row_a, row_a + int(first[0]) * 2 + 1)
        columns = slice(row_b, row_b + int(second[0]) * 2 + 1)
        for component in range(KINDS[kind]):
            index = offsets[kind] + number * KINDS[kind] + component
            if first[0] == second[0] == "1":
                block = {"tensor": tensors, "polar": levi_civita, "axial": levi_civita}.get(kind)
                block = torch.eye(3, dtype=torch.float64) if block is None else block[component]
            elif first[0] == second[0] == "0":
                block = torch.ones(1, 1, dtype=torch.float64)
            else:
                unit = torch.zeros(3, dtype=torch.float64)
                unit[component] = 1.0
                block = unit[None, :] if first[0] == "0" else unit[:, None]
            result[index, rows, columns] = block
            result[index, columns, rows] = block.T
    return result.reshape(total, size * size)
