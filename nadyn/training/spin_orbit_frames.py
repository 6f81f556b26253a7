"""Labels of spin-orbit coupling as vectors between states, beside what models of several spins say there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.data import Group, state_pairs
from nadyn.electronic.signs import common_signs
from nadyn.electronic.surfaces import surfaces
from nadyn.models.spin_coupled import SpinCoupled
from nadyn.models.spin_vectors import couples, matrix_of_vectors, vectors_of_matrix

# What a label holds beside vectors, as a part of it, and is taken for rounding.
_MOST_OF_OTHER_KIND = 0.02
# Frames that are evaluated together.
CHUNK = 64


@dataclass(frozen=True)
class SpinOrbitFrames:
    """What a head learns from, for frames of one molecule.

    Attributes:
        positions: [bohr]
        states: Eigenvectors of the blocks.
        labels: Vectors of the pairs of `coupled_pairs` [hartree]; NaN where there is none.
        couplings: Predicted and labelled h of all pairs [hartree/bohr], where there are labels.
    """

    positions: Float[Tensor, "frame atom 3"]
    states: Float[Tensor, "frame row state"]
    labels: Float[Tensor, "frame pair 3"]
    couplings: tuple[Tensor, Tensor] | None

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, index: Int[Tensor, "chosen"]) -> "SpinOrbitFrames":
        """Return the chosen frames."""
        known = self.couplings
        chosen = None if known is None else (known[0][index], known[1][index])
        return SpinOrbitFrames(self.positions[index], self.states[index], self.labels[index], chosen)


def label_vectors(group: Group) -> Float[Tensor, "frame state state 3"]:
    """Return the spin-orbit vectors v_kl [hartree] of a group, NaN where a frame has no label.

    Raises:
        InputError: There are no labels, or their matrices are not i v·K in the order and with the phases of
            `nadyn.models.spin_vectors`.
    """
    if group.spin_orbit is None or np.isnan(group.spin_orbit).all():
        more = "" if group.spin_orbit_norms is None else " Its `spin_orbit_norms` tell sizes only."
        raise InputError(
            f"group {group.name!r} must have labels `spin_orbit` for a coupling to be learned, but has none."
            + more
        )
    given = torch.from_numpy(group.spin_orbit)
    matrix = torch.complex(given[..., 0], given[..., 1])
    states = torch.arange(matrix.shape[1])
    # Some programs leave the energies on the diagonal, where the coupling has nothing.
    matrix[:, states, states] = 0.0
    vectors = vectors_of_matrix(matrix, group.multiplicities)
    known = ~torch.isnan(given).flatten(1).any(dim=1)
    rest = matrix_of_vectors(vectors, group.multiplicities) - matrix
    size = float(matrix[known].abs().square().sum())
    part = (float(rest[known].abs().square().sum()) / size) ** 0.5 if size > 0 else 0.0
    if part > _MOST_OF_OTHER_KIND:
        raise InputError(
            f"`spin_orbit` of group {group.name!r} must be between states of M_S = -S … S with the phases of "
            f"Condon and Shortley and real orbitals, but {100 * part:.0f} % of it cannot be. Real spin "
            "functions (T_x, T_y, T_z), as some programs have them, must be transformed first."
        )
    return torch.where(known[:, None, None, None], vectors, torch.nan)


def coupled_pairs(multiplicities: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the pairs of states that can have a spin-orbit coupling."""
    pairs = state_pairs(len(multiplicities))
    return [(k, l) for k, l in pairs if couples(multiplicities[k], multiplicities[l])]


def of_pairs(
    values: Float[Tensor, "frame state state 3"], pairs: list[tuple[int, int]]
) -> Float[Tensor, "frame pair 3"]:
    """Return the vectors of these pairs."""
    return torch.stack([values[:, k, l] for k, l in pairs], dim=1)


def signed_labels(
    predicted: Float[Tensor, "frame pair 3"], frames: SpinOrbitFrames, multiplicities: tuple[int, ...]
) -> Float[Tensor, "frame pair 3"]:
    """Return the labels with one sign a state and frame that fits vectors and couplings h best."""
    own, every = coupled_pairs(multiplicities), list(state_pairs(len(multiplicities)))
    places = [every.index(pair) for pair in own]
    missing = frames.labels.new_full((len(frames), len(every), 3), torch.nan)
    whole = [missing.index_copy(1, torch.tensor(places), one) for one in (predicted.detach(), frames.labels)]
    compared = [(whole[0], whole[1])]
    if frames.couplings is not None:
        compared.append(frames.couplings)
    return frames.labels * common_signs(compared, tuple(every))[:, places, None]


@torch.no_grad()
def frames_of(model: SpinCoupled, group: Group) -> SpinOrbitFrames:
    """Return the frames of a group with the eigenvectors of the blocks.

    Raises:
        InputError: The group is of other atoms or states, in a cell, or has no labels.
    """
    _check_group(model, group)
    positions = torch.from_numpy(group.positions)
    labels = of_pairs(label_vectors(group), coupled_pairs(model.multiplicities))
    found = [surfaces(model, part) for part in positions.split(CHUNK)]
    states = torch.cat([one.eigenvectors for one in found])
    couplings = None
    if group.interstate_couplings is not None and not np.isnan(group.interstate_couplings).all():
        h = torch.cat([one.interstate_coupling for one in found])
        predicted = torch.stack([h[:, k, l] for k, l in state_pairs(model.n_states)], dim=1)
        couplings = predicted, torch.from_numpy(group.interstate_couplings)
    return SpinOrbitFrames(positions, states, labels, couplings)


def frames_together(parts: Sequence[SpinOrbitFrames]) -> SpinOrbitFrames:
    """Return the frames of several groups as one, without those that have no label."""
    if any(part.couplings is None for part in parts):
        parts = [replace(part, couplings=None) for part in parts]
    couplings = None
    if parts[0].couplings is not None:
        predicted, known = zip(*(part.couplings for part in parts), strict=True)
        couplings = torch.cat(predicted), torch.cat(known)
    whole = SpinOrbitFrames(
        torch.cat([part.positions for part in parts]),
        torch.cat([part.states for part in parts]),
        torch.cat([part.labels for part in parts]),
        couplings,
    )
    return whole.take(torch.nonzero(~torch.isnan(whole.labels).all(dim=2).all(dim=1))[:, 0])


def _check_group(model: SpinCoupled, group: Group) -> None:
    numbers = [int(number) for number in group.atomic_numbers]
    if numbers != list(model.atomic_numbers):
        raise InputError(
            f"group {group.name!r} must have the atoms of the models in their order "
            f"({list(model.atomic_numbers)}), but has {numbers}."
        )
    if tuple(group.multiplicities) != model.multiplicities:
        raise InputError(
            f"group {group.name!r} must have the states of the models (2S+1: {list(model.multiplicities)}), "
            f"but has {list(group.multiplicities)}."
        )
    if group.pbc.any():
        raise InputError(
            f"group {group.name!r} must be of isolated molecules for a spin-orbit coupling, but is in a "
            "periodic cell."
        )
