"""The models that must pass the contract: one line in the table for each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from contracts.committees import committee
from contracts.untrained import untrained
from torch import Tensor

from nadyn.models.analytic import (
    conical_intersection,
    jahn_teller_modes,
    morse,
    pyrazine,
    shin_metiu,
    spin_boson,
    springs,
    sulfur_dioxide,
    tully,
)
from nadyn.models.analytic.molecules import jahn_teller, renner_teller, trans_planar, twisted
from nadyn.models.model import Model


@dataclass(frozen=True)
class Case:
    """A model and where to look at it.

    Attributes:
        build: Returns the model.
        positions: Returns this many different positions without degeneracy.
        degenerate: Returns one position with two equal energies, None where the model has none.
    """

    build: Callable[[], Model]
    positions: Callable[[int], Tensor]
    degenerate: Callable[[], Tensor] | None = None


def _random(n: int, *shape: int, seed: int = 11) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


_GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)


def _springs() -> Model:
    """N, H, H, F with three states, degenerate where all springs have the length 2.5 bohr."""

    def symmetric(values: list[list[float]]) -> Tensor:
        # values[element of W][pair of species], both in the order of the upper triangle.
        full = torch.zeros(2, 2, 3, 3, dtype=torch.float64)
        rows, columns = torch.triu_indices(3, 3)
        for (a, b), row in zip([(0, 0), (0, 1), (1, 1)], values, strict=True):
            block = torch.zeros(3, 3, dtype=torch.float64)
            block[rows, columns] = block[columns, rows] = torch.tensor(row, dtype=torch.float64)
            full[a, b] = full[b, a] = block
        return full

    stiffness = symmetric(
        [
            [0.1, 0.3, 0.2, 0.4, 0.5, 0.6],
            [0.02, 0.05, -0.03, 0.04, 0.01, 0.02],
            [0.2, 0.2, 0.1, 0.5, 0.3, 0.4],
        ]
    )
    lengths = torch.full_like(stiffness, 2.5)
    constant = torch.tensor([[-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    return springs(_GEOMETRY, (7, 1, 1, 9), constant=constant, stiffness=stiffness, lengths=lengths)


def _around_geometry(n: int) -> Tensor:
    return _GEOMETRY + 0.2 * _random(n, 4, 3)


def _tetrahedron() -> Tensor:
    corners = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    return corners * (2.5 / 8**0.5)


def _equilateral() -> Tensor:
    """Three like atoms: the two components of a vector in their plane are one level by symmetry."""
    angles = torch.tensor([0.3, 0.3 + 2 * torch.pi / 3, 0.3 + 4 * torch.pi / 3], dtype=torch.float64)
    return 1.3 * torch.stack([angles.cos(), angles.sin(), torch.zeros(3, dtype=torch.float64)], dim=1)


def _around_equilateral(n: int) -> Tensor:
    return _equilateral() + 0.2 * _random(n, 3, 3)


def _vector_lowest(encoder: str) -> Model:
    """H, H, H with three states, the lowest levels being those of a vector."""
    return untrained(encoder, "1x0e + 1x1o", n_states=3, atomic_numbers=(1, 1, 1), offsets=(0.5, 0.0))


def _around_reference(build: Callable[[], Model], n: int) -> Tensor:
    reference = build().starting_geometry
    return reference + 0.1 * _random(n, *reference.shape)


def _twisted_intersection() -> Tensor:
    """Planar, so uncoupled, and stretched along X-X until both energies are one."""
    reference = twisted().starting_geometry
    stretch = torch.zeros_like(reference)
    stretch[[1, 3], 0], stretch[[0, 2], 0] = 0.5, -0.5
    low, high = torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    for _ in range(60):
        middle = 0.5 * (low + high)
        matrix = twisted().evaluate((reference + middle * stretch)[None]).hamiltonian[0]
        low, high = (middle, high) if matrix[1, 1] > matrix[0, 0] else (low, middle)
    return reference + low * stretch


def _pyrazine_intersection() -> Tensor:
    # Along mode 6a alone the two diabatic energies are straight lines in Q but for the common parabola.
    return torch.tensor([0.0, 2 * 0.423 / (0.09806 + 0.13545), 0.0, 0.0], dtype=torch.float64)[:, None]


MODELS = {
    "tully-1": Case(lambda: tully(1), lambda n: 2 * _random(n, 1, 1)),
    "tully-2": Case(lambda: tully(2), lambda n: 3 * _random(n, 1, 1)),
    "tully-3": Case(lambda: tully(3), lambda n: 2 * _random(n, 1, 1)),
    "pyrazine": Case(lambda: pyrazine(4), lambda n: _random(n, 4, 1), _pyrazine_intersection),
    "atomic sum, moments": Case(lambda: untrained("moments", None), _around_geometry),
    "atomic sum with repulsion": Case(lambda: untrained("moments", None, repulsion=4.0), _around_geometry),
    "invariant matrix, moments": Case(lambda: untrained("moments", "2x0e"), _around_geometry),
    "invariant matrix, symmetry functions": Case(lambda: untrained("acsf", "3x0e"), _around_geometry),
    "all representations, moments": Case(
        lambda: untrained("moments", "2x0e + 1x0o + 1x1o + 2x1e"), _around_geometry
    ),
    "all representations, equivariant": Case(
        lambda: untrained("equivariant", "2x0e + 1x0o + 1x1o + 2x1e"), _around_geometry
    ),
    "all representations, messages": Case(
        lambda: untrained("messages", "2x0e + 1x0o + 1x1o + 2x1e"), _around_geometry
    ),
    "all representations, soap": Case(
        lambda: untrained("soap", "2x0e + 1x0o + 1x1o + 2x1e"), _around_geometry
    ),
    "all representations, mixed elements, one network": Case(
        lambda: untrained("moments mixed", "2x0e + 1x0o + 1x1o + 2x1e", networks="shared"), _around_geometry
    ),
    "a vector lowest, equivariant": Case(
        lambda: _vector_lowest("equivariant"), _around_equilateral, _equilateral
    ),
    "all representations, symmetry functions": Case(
        lambda: untrained("acsf", "1x0e + 1x0o + 2x1o + 1x1e"), _around_geometry
    ),
    "three states and surplus levels, moments": Case(
        lambda: untrained("moments", "2x0e + 1x1o", n_states=3), _around_geometry
    ),
    "three states and surplus levels, symmetry functions": Case(
        lambda: untrained("acsf", "2x0e + 1x0o + 1x1e", n_states=3), _around_geometry
    ),
    "a member of a committee": Case(lambda: committee(2).running_on(1), _around_geometry),
    "a vector lowest, moments": Case(lambda: _vector_lowest("moments"), _around_equilateral, _equilateral),
    "a vector lowest, symmetry functions": Case(
        lambda: _vector_lowest("acsf"), _around_equilateral, _equilateral
    ),
    "sulfur_dioxide": Case(lambda: sulfur_dioxide("triplets"), lambda n: _random(n, 3, 1)),
    "spin_boson": Case(
        lambda: spin_boson("debye", 5, 0.002, 0.001, 0.004, 0.005), lambda n: _random(n, 5, 1)
    ),
    "jahn_teller_modes": Case(
        lambda: jahn_teller_modes(0.01, 0.02, 0.001),
        lambda n: _random(n, 2, 1),
        lambda: torch.zeros(2, 1, dtype=torch.float64),
    ),
    "conical_intersection": Case(
        lambda: conical_intersection(0.04),
        lambda n: torch.tensor([[3.0], [0.0]], dtype=torch.float64) + 0.5 * _random(n, 2, 1),
        lambda: torch.tensor([[3.0], [0.0]], dtype=torch.float64),
    ),
    "morse-1": Case(lambda: morse(1), lambda n: 3.5 + 0.3 * _random(n, 1, 1)),
    "morse-2": Case(lambda: morse(2), lambda n: 3.5 + 0.3 * _random(n, 1, 1)),
    "morse-3": Case(lambda: morse(3), lambda n: 3.5 + 0.3 * _random(n, 1, 1)),
    "shin_metiu": Case(shin_metiu, lambda n: 2 * _random(n, 1, 1)),
    "springs": Case(_springs, _around_geometry, _tetrahedron),
    "jahn_teller": Case(
        jahn_teller, lambda n: _around_reference(jahn_teller, n), lambda: jahn_teller().starting_geometry
    ),
    "renner_teller": Case(
        renner_teller,
        lambda n: _around_reference(renner_teller, n),
        lambda: renner_teller().starting_geometry,
    ),
    "twisted": Case(twisted, lambda n: _around_reference(twisted, n), _twisted_intersection),
    "trans_planar": Case(trans_planar, lambda n: _around_reference(trans_planar, n)),
}


def names_of_models_with(*laws: str) -> list[str]:
    """Names of the models that declare all of these laws."""
    return [name for name, case in MODELS.items() if set(laws) <= case.build().laws]
