"""Rigid translation and rotation of a molecule: a vector without them, and states that turn with them.

Source: Y. Shu, L. Zhang, S. Sun, Y. Huang and D. G. Truhlar, J. Phys. Chem. Lett. 11, 1135 (2020), which
shows why raw couplings change the angular momentum.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.state.batch_independence import ordered_sum
from nadyn.electronic.surfaces import in_blocks
from nadyn.models.model import HasVectorRows, Model

# A direction that keeps less of its length than this in the projection was a rigid motion; noise is left.
_RIGID_FRACTION = 1e-10
_INERTIA_BLOCK = 64


def is_free(model: Model) -> bool:
    """Tell whether the energy of the model keeps total and angular momentum."""
    return model.coordinates == "cartesian" and {"rotation", "translation"} <= model.laws


def without_rigid_motion(
    direction: Float[Tensor, "traj atom 3"],
    positions: Float[Tensor, "traj atom 3"],
    masses: Float[Tensor, "atom"],
) -> Float[Tensor, "traj atom 3"]:
    """Return a direction of momentum change that keeps total and angular momentum.

    d' = d - M (V + w x r), r from the centre of mass, V = sum d / sum M and w = I^-1 sum r x d: the
    velocities d/M lose their rigid translation and rotation. Zero if nothing else was in them.

    Args:
        direction: Direction of the kick, for instance h_kl, or a force.
        positions: Nuclear positions [bohr].
        masses: Masses [electron mass].
    """

    def block(direction: Tensor, positions: Tensor) -> tuple[Tensor]:
        return (_project(direction, positions, masses),)

    return in_blocks(_INERTIA_BLOCK, block, direction, positions)[0]


def turned_halfway(
    model: Model,
    masses: Float[Tensor, "atom"],
    positions: Float[Tensor, "traj atom x"],
    new_positions: Float[Tensor, "traj atom x"],
    eigenvectors: Float[Tensor, "traj basis state"],
    new_eigenvectors: Float[Tensor, "traj basis state"],
) -> tuple[Float[Tensor, "traj basis state"], Float[Tensor, "traj basis state"]]:
    """Return the eigenvectors of both ends of a step as one sees them who turns with the molecule.

    The step turns it by g, of angle and axis w = I^-1 sum M r x dR in the middle of the step; the vectors in
    the basis of the states before it are turned forward by half of g, and those behind it back by as much.
    Nothing changes for a model without vectors, and for a molecule without angular momentum.

    Args:
        model: Any model.
        masses: [electron mass].
        positions: At the start of the step [bohr].
        new_positions: At its end [bohr].
        eigenvectors: At its start.
        new_eigenvectors: At its end.
    """
    rows = model.vector_rows if isinstance(model, HasVectorRows) else ()
    if not rows or not is_free(model):
        return eigenvectors, new_eigenvectors

    def block(old: Tensor, new: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        r, inertia = _about_the_centre(0.5 * (old + new), masses)
        angular = _sum_over_atoms(torch.linalg.cross(r, masses[:, None] * (new - old)))
        # A rotation by an angle x moves r by 2 tan(x/2) times its axis cross the mean of both r.
        half = 0.5 * _turned_by(angular, inertia)
        square = half[:, 0] * half[:, 0] + half[:, 1] * half[:, 1] + half[:, 2] * half[:, 2]
        quarter = half / (1.0 + torch.sqrt(1.0 + square))[:, None]
        return _turned(before, quarter, rows), _turned(after, -quarter, rows)

    return in_blocks(_INERTIA_BLOCK, block, positions, new_positions, eigenvectors, new_eigenvectors)


def _turned(vectors: Tensor, a: Tensor, rows: tuple[int, ...]) -> Tensor:
    """Turn vectors about a by 2 arctan |a|: v + 2 (a x v + a x (a x v)) / (1 + a^2)."""
    result, column = vectors.clone(), a[:, :, None].expand(-1, -1, vectors.shape[2])
    scale = 2.0 / (1.0 + (a[:, 0] * a[:, 0] + a[:, 1] * a[:, 1] + a[:, 2] * a[:, 2]))
    for row in rows:
        v = vectors[:, row : row + 3]
        once = torch.linalg.cross(column, v, dim=1)
        change = once + torch.linalg.cross(column, once, dim=1)
        result[:, row : row + 3] = v + change * scale[:, None, None]
    return result


def _project(direction: Tensor, positions: Tensor, masses: Tensor) -> Tensor:
    r, inertia = _about_the_centre(positions, masses)
    weight = (masses / masses.sum())[:, None]
    free = direction - weight * _sum_over_atoms(direction)[:, None]
    omega = _turned_by(_sum_over_atoms(torch.linalg.cross(r, free)), inertia)
    projected = free - masses[:, None] * torch.linalg.cross(omega[:, None].expand_as(r), r)
    rigid = ordered_sum(projected * projected) <= _RIGID_FRACTION**2 * ordered_sum(direction * direction)
    return torch.where(rigid[:, None, None], 0.0, projected)


def _about_the_centre(positions: Tensor, masses: Tensor) -> tuple[Tensor, Tensor]:
    """Positions from the centre of mass, and the tensor of inertia."""
    centre = _sum_over_atoms(positions * (masses / masses.sum())[:, None])
    r = positions - centre[:, None]
    squares = r * r
    distance = squares[..., 0] + squares[..., 1] + squares[..., 2]
    identity = torch.eye(3, dtype=r.dtype, device=r.device)
    outer = r[..., :, None] * r[..., None, :]
    return r, _sum_over_atoms(masses[:, None, None] * (distance[..., None, None] * identity - outer))


def _turned_by(angular: Tensor, inertia: Tensor) -> Tensor:
    """Return I^-1 L."""
    # LAPACK refuses a whole batch for one matrix that is not finite.
    finite = torch.isfinite(inertia).all(2).all(1)[:, None, None]
    moments, axes = torch.linalg.eigh(
        torch.where(finite, inertia, torch.eye(3, dtype=inertia.dtype, device=inertia.device))
    )
    # A linear molecule has no inertia about its axis, and nothing turns about it.
    turning = moments > 1e-10 * moments[:, -1:]
    components = _dot(axes, angular[:, :, None]) / torch.where(turning, moments, 1.0)
    components = torch.where(turning, components, 0.0)
    return _dot(axes.mT, components[:, :, None])


def _sum_over_atoms(terms: Tensor) -> Tensor:
    total = terms[:, 0]
    for n in range(1, terms.shape[1]):
        total = total + terms[:, n]
    return total


def _dot(matrix: Tensor, column: Tensor) -> Tensor:
    """Sum over the first matrix axis, for 3 x 3 matrices."""
    terms = matrix * column
    return terms[:, 0] + terms[:, 1] + terms[:, 2]
