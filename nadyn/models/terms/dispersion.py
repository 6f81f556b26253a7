"""Dispersion DFT-D3 with the damping of Becke and Johnson, at all distances.

E = -Σ_{i<j} Σ_{n=6,8} s_n C_n/(r^n + (a1 √(C8/C6) + a2)^n), with C6 of a pair from those of reference
molecules, weighted by how near their coordination numbers are to those of the atoms. The parameters a1, a2,
s6, s8 belong to a density functional; there is no three-body term.

All numbers are those of tad-dftd3; a model file holds the part for its elements, so that only a training
needs the package.

Sources: S. Grimme, J. Antony, S. Ehrlich and H. Krieg, J. Chem. Phys. 132, 154104 (2010); S. Grimme,
S. Ehrlich and L. Goerigk, J. Comput. Chem. 32, 1456 (2011); M. Friede et al., J. Chem. Phys. 161, 062501
(2024), the family of programs of tad-dftd3.
"""

from dataclasses import dataclass

import numpy as np
import torch
import vesin
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nadyn.checks.errors import InputError
from nadyn.models.encoders.radial import polynomial_cutoff
from nadyn.models.placement import Placement
from nadyn.models.surroundings import Surroundings
from nadyn.models.terms.longrange import check_installed

# Steepness of the counting of neighbours, and of the weight of a reference.
_COUNTING, _WEIGHTING = 16.0, 4.0
# Reference molecules of an element.
_N_REFERENCES = 7
# In a cell images are summed up to here [bohr]; without one there is no end.
CUTOFF = 40.0
# The last part of it in which the energy goes to zero smoothly.
_SMOOTH = 0.1
# Pairs that are evaluated at once where there are many.
_PAIRS_AT_ONCE = 1_000_000
# What is not in the table of tad-dftd3: a1, a2, s6, s8 of GFN1-xTB, S. Grimme, C. Bannwarth and P. Shushkov,
# J. Chem. Theory Comput. 13, 1989 (2017).
_MORE = {"gfn1": (0.63, 5.0, 1.0, 2.4)}


@dataclass(frozen=True)
class DispersionSettings:
    """Hyperparameters of `Dispersion`.

    Attributes:
        functional: Whose parameters it has.
        in_labels: Whether the labels of the training contain this very dispersion; otherwise they lack it,
            and it is added to what was learned.
    """

    functional: str
    in_labels: bool = False


class Dispersion(nn.Module):
    """DFT-D3(BJ) of some elements; without numbers until `set_functional` or a file gives them."""

    def __init__(self, elements: tuple[int, ...]):
        super().__init__()
        self.elements = elements
        n = len(elements)
        for name, shape in {
            "damping": (4,),
            "radii": (n,),
            "quotients": (n,),
            "reference_counts": (n, _N_REFERENCES),
            "reference_c6": (n * _N_REFERENCES, n * _N_REFERENCES),
        }.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def set_functional(self, functional: str) -> None:
        """Take the numbers of the elements, and the parameters a1, a2, s6, s8 of a functional.

        Raises:
            InputError: The functional or an element has none, or tad-dftd3 is not installed.
        """
        check_installed("tad_dftd3", "a training with dispersion")
        import tad_dftd3
        from tad_mctc.data import radii

        if max(self.elements) >= tad_dftd3.defaults.MAX_ELEMENT:
            raise InputError(
                "`dispersion` must be left out for elements beyond lawrencium, but there is "
                f"{max(self.elements)}."
            )
        kind = {"dtype": torch.float64, "device": torch.device("cpu")}
        index = torch.tensor(self.elements)
        reference = tad_dftd3.reference.Reference(**kind)
        self.damping.copy_(_damping_of(functional))
        self.radii.copy_(radii.COV_D3(**kind)[index])
        self.quotients.copy_(tad_dftd3.data.R4R2(**kind)[index])
        self.reference_counts.copy_(reference.cn[index])
        blocks = reference.c6[index][:, index]
        self.reference_c6.copy_(blocks.permute(0, 2, 1, 3).reshape(self.reference_c6.shape))

    def forward(self, surroundings: Surroundings) -> Float[Tensor, "structure"]:
        """Return the energy of each structure [hartree]."""
        return torch.cat([self.of_placement(placement) for placement in surroundings.placements])

    def of_placement(self, placement: Placement) -> Float[Tensor, "traj"]:
        """Return the energy of structures of one composition [hartree]."""
        index = placement.element_index(self.elements)
        if placement.is_periodic:
            frames = zip(placement.positions, placement.cells, strict=True)
            return torch.stack([self._in_cell(positions, cell, index) for positions, cell in frames])
        n_traj, n_atoms = placement.positions.shape[:2]
        size = max(1, _PAIRS_AT_ONCE // n_atoms**2)
        if size >= n_traj:
            return self._open(placement.positions, index)
        return torch.cat(
            [
                checkpoint(self._open, part, index, use_reentrant=False)
                for part in placement.positions.split(size)
            ]
        )

    def _open(
        self, positions: Float[Tensor, "traj atom 3"], index: Int[Tensor, "atom"]
    ) -> Float[Tensor, "traj"]:
        first, second = torch.triu_indices(len(index), len(index), 1, device=positions.device)
        vectors = positions.index_select(1, second) - positions.index_select(1, first)
        distances = torch.sqrt((vectors * vectors).sum(dim=-1))
        counted = self._counted(distances, index[first], index[second])
        counts = torch.zeros_like(positions[..., 0])
        counts = counts.index_add(1, first, counted).index_add(1, second, counted)
        c6 = self._c6(counts, index).flatten(1).index_select(1, first * len(index) + second)
        return self._pair_energies(distances, c6, index[first], index[second]).sum(dim=1)

    def _in_cell(
        self, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"], index: Int[Tensor, "atom"]
    ) -> Float[Tensor, ""]:
        first, second, shifts = _pairs_in_cell(positions, cell)

        def distances(part: slice) -> Tensor:
            vectors = positions[second[part]] - positions[first[part]] + shifts[part] @ cell
            return torch.sqrt((vectors * vectors).sum(dim=-1))

        def counts(part: slice) -> Tensor:
            far = distances(part)
            counted = self._counted(far, index[first[part]], index[second[part]]) * _ending(far)
            total = torch.zeros_like(positions[:, 0])
            return total.index_add(0, first[part], counted).index_add(0, second[part], counted)

        def energy(part: slice, c6: Tensor) -> Tensor:
            far, own = distances(part), c6.flatten().index_select(0, first[part] * len(index) + second[part])
            pairs = self._pair_energies(far, own, index[first[part]], index[second[part]])
            return (pairs * _ending(far)).sum()

        parts = [slice(start, start + _PAIRS_AT_ONCE) for start in range(0, len(first), _PAIRS_AT_ONCE)]
        if not parts:
            return positions.sum() * 0.0
        if len(parts) == 1:
            return energy(parts[0], self._c6(counts(parts[0]), index))
        c6 = self._c6(sum(checkpoint(counts, part, use_reentrant=False) for part in parts), index)
        return sum(checkpoint(energy, part, c6, use_reentrant=False) for part in parts)

    def _counted(self, distances: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Return how much each pair counts as neighbours, from 0 to 1."""
        return torch.sigmoid(_COUNTING * ((self.radii[first] + self.radii[second]) / distances - 1.0))

    def _c6(
        self, counts: Float[Tensor, "*traj atom"], index: Int[Tensor, "atom"]
    ) -> Float[Tensor, "*traj atom atom"]:
        """Return C6 of all pairs [hartree bohr⁶]."""
        references = self.reference_counts[index]
        exponents = -_WEIGHTING * (references - counts.unsqueeze(-1)) ** 2
        # As a softmax the weights stay a number where an atom is far from all references.
        weights = torch.softmax(exponents.masked_fill(references < 0.0, -torch.inf), dim=-1)
        own = nn.functional.one_hot(index, len(self.elements)).to(weights)
        placed = (own.unsqueeze(-1) * weights.unsqueeze(-2)).flatten(-2)
        return placed @ self.reference_c6 @ placed.mT

    def _pair_energies(self, distances: Tensor, c6: Tensor, first: Tensor, second: Tensor) -> Tensor:
        a1, a2, s6, s8 = self.damping
        quotient = 3.0 * self.quotients[first] * self.quotients[second]
        radius = a1 * torch.sqrt(quotient) + a2
        square = distances * distances
        sixth, sixth_radius = square**3, radius**6
        six = s6 / (sixth + sixth_radius)
        eight = s8 * quotient / (sixth * square + sixth_radius * radius * radius)
        return -c6 * (six + eight)


def _damping_of(functional: str) -> Float[Tensor, "4"]:
    """Return a1, a2, s6, s8 of a functional; names as in s-dftd3.

    Raises:
        InputError: It has none.
    """
    import tad_dftd3

    if functional.lower().replace("-", "") in _MORE:
        return torch.tensor(_MORE[functional.lower().replace("-", "")], dtype=torch.float64)
    try:
        found = tad_dftd3.param.get_functional_params(functional, damping="bj", dtype=torch.float64)
    except (KeyError, ValueError) as error:
        raise InputError(
            "`dispersion.functional` must be one that D3(BJ) has parameters for, such as pbe, b3lyp, pbe0, "
            f"blyp, tpss, r2scan or gfn1, but is {functional!r}."
        ) from error
    return torch.stack([found[name].to(torch.float64) for name in ("a1", "a2", "s6", "s8")])


def _ending(distances: Tensor) -> Tensor:
    """Return 1, and in the last tenth before the cutoff a smooth way to 0."""
    return polynomial_cutoff(((distances / CUTOFF - 1.0) / _SMOOTH + 1.0).clamp(min=0.0))


def _pairs_in_cell(
    positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"]
) -> tuple[Int[Tensor, "pair"], Int[Tensor, "pair"], Float[Tensor, "pair 3"]]:
    """Return both atoms of each pair within the cutoff, each once, and the cell vectors between them."""
    search = vesin.NeighborList(cutoff=CUTOFF, full_list=False, n_threads=1)
    points = np.ascontiguousarray(positions.detach().cpu().numpy().astype(np.float64))
    box = np.ascontiguousarray(cell.detach().cpu().numpy().astype(np.float64))
    first, second, shifts = search.compute(points, box, [True, True, True], "ijS")
    pairs = (torch.from_numpy(one.astype(np.int64)).to(positions.device) for one in (first, second))
    return *pairs, torch.from_numpy(shifts.astype(np.float64).reshape(-1, 3)).to(positions.device)
