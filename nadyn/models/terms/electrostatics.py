"""Energy of charges at all distances, softened where a network sees the atoms itself.

E = Σ_{i<j} q_i q_j erf(r_ij/√2σ)/r_ij: beyond the cutoff of the encoder, five σ, this is q_i q_j/r_ij but for
6·10⁻⁷ of it, and inside it is smooth. Between images of a cell it is the long-range part of an Ewald sum of
this very σ, which needs no sum over neighbours. An atom has no energy with itself, but one with its images.

Sources: P. P. Ewald, Ann. Phys. 369, 253 (1921); P. Loche et al., J. Chem. Phys. 162, 142501 (2025),
torch-pme.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nadyn.models.placement import Placement
from nadyn.models.surroundings import Surroundings
from nadyn.models.terms.longrange import check_installed

# The width of softened charges is this part of the encoder's cutoff.
_WIDTH = 1.0 / 5.0
# Pairs of atoms without a cell that are evaluated at once where there are many.
_PAIRS_AT_ONCE = 1_000_000
# Waves up to k σ of this size are summed: exp(-k²σ²/2) is 10⁻⁹ there.
_LONGEST_WAVE = 6.4
# From this number of atoms on a mesh is quicker than the sum over waves.
MESH_FROM = 200
# Distance of mesh points in σ, and the points among which a charge is spread.
_MESH, _NODES = 0.35, 5


def width_of(cutoff: float) -> float:
    """Return σ [bohr] for the cutoff of an encoder [bohr]."""
    return _WIDTH * cutoff


def electrostatic_energy(
    charges: Float[Tensor, "row column"], surroundings: Surroundings, width: float
) -> Float[Tensor, "structure"]:
    """Return the energy of the charges of each structure [hartree], differentiable in all that it depends on.

    Args:
        charges: Of all atoms of the surroundings [e].
        surroundings: Their placements are used, no neighbours.
        width: σ [bohr].
    """
    return torch.cat(
        [
            energy_of_placement(placement.of_structures(charges), placement, width)
            for placement in surroundings.placements
        ]
    )


def energy_of_placement(
    charges: Float[Tensor, "traj atom"], placement: Placement, width: float
) -> Float[Tensor, "traj"]:
    """Return the energy of the charges of structures of one composition [hartree]."""
    if placement.is_periodic:
        frames = zip(charges, placement.positions, placement.cells, strict=True)
        return torch.stack([_periodic(*frame, width) for frame in frames])
    return _open(charges, placement.positions, width)


def _open(
    charges: Float[Tensor, "traj atom"], positions: Float[Tensor, "traj atom 3"], width: float
) -> Float[Tensor, "traj"]:
    n_traj, n_atoms = charges.shape
    rows = max(1, _PAIRS_AT_ONCE // (n_traj * n_atoms))
    if rows >= n_atoms:
        return _open_rows(charges, positions, width, 0, n_atoms)
    parts = [
        checkpoint(_open_rows, charges, positions, width, first, first + rows, use_reentrant=False)
        for first in range(0, n_atoms, rows)
    ]
    return torch.stack(parts).sum(dim=0)


def _open_rows(
    charges: Float[Tensor, "traj atom"],
    positions: Float[Tensor, "traj atom 3"],
    width: float,
    first: int,
    last: int,
) -> Float[Tensor, "traj"]:
    """Return half the energy of some atoms with all."""
    own = positions[:, first:last]
    vectors = positions.unsqueeze(1) - own.unsqueeze(2)
    # An atom and itself: any other distance, which does not count.
    same = torch.zeros(own.shape[1], positions.shape[1], dtype=positions.dtype, device=positions.device)
    same.diagonal(first).fill_(1.0)
    squares = (vectors * vectors).sum(dim=-1) + same
    distances = torch.sqrt(squares)
    potential = torch.erf(distances / (math.sqrt(2.0) * width)) / distances * (1.0 - same)
    felt = (potential * charges.unsqueeze(1)).sum(dim=2)
    return 0.5 * (felt * charges[:, first:last]).sum(dim=1)


def _periodic(
    charges: Float[Tensor, "atom"],
    positions: Float[Tensor, "atom 3"],
    cell: Float[Tensor, "3 3"],
    width: float,
) -> Float[Tensor, ""]:
    """Return the energy of a neutral cell with all images."""
    check_installed("torchpme", "electrostatics in a cell")
    import torchpme

    kernel = torchpme.CoulombPotential(smearing=width)
    # The part at short range is what σ leaves out: there are no neighbours to sum over.
    nothing = torch.zeros((0, 2), dtype=torch.long, device=cell.device), positions.new_zeros(0)
    column = charges.unsqueeze(1)
    if len(charges) >= MESH_FROM:
        mesh = torchpme.P3MCalculator(kernel, mesh_spacing=_MESH * width, interpolation_nodes=_NODES)
        return (charges * mesh.to(charges)(column, cell, positions, *nothing)[:, 0]).sum()
    ewald = torchpme.EwaldCalculator(kernel, lr_wavelength=math.pi * width / _LONGEST_WAVE)
    waves = _half_of_the_waves(cell, _LONGEST_WAVE / width)
    half = (charges * ewald.to(charges)(column, cell, positions, *nothing, kvectors=waves)[:, 0]).sum()
    # With k of each pair k, -k the waves count half, but what belongs to the charges alone counts in full.
    alone = math.sqrt(2.0 / math.pi) / width * 0.5 * (charges * charges).sum()
    return 2.0 * half + alone


def _half_of_the_waves(cell: Float[Tensor, "3 3"], longest: float) -> Float[Tensor, "wave 3"]:
    """Return one k of each pair k, -k up to a length [1/bohr], without zero.

    A wave has n·a/2π whole periods along each cell vector, and |n_a| is at most |k| |a|/2π.
    """
    with torch.no_grad():
        most = (longest * cell.norm(dim=1) / (2.0 * math.pi)).floor().long().tolist()
        periods = torch.cartesian_prod(
            *(torch.arange(-n, n + 1, dtype=cell.dtype, device=cell.device) for n in most)
        )
        # Numbered like the digits of one number, of which those above zero are one of each pair.
        digits = periods.new_tensor([(2 * most[1] + 1) * (2 * most[2] + 1), 2 * most[2] + 1, 1])
        periods = periods[(periods * digits).sum(dim=1) > 0]
    waves = 2.0 * math.pi * periods @ torch.linalg.inv(cell).mT
    return waves[(waves.detach() ** 2).sum(dim=1) <= longest**2]
