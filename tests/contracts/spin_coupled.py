"""Untrained models of several spins with a spin-orbit coupling between all their rows."""

from dataclasses import replace

import numpy as np
import torch
from contracts.untrained import untrained

from nadyn.data import Group, group_from_arrays
from nadyn.electronic.operators import between_states
from nadyn.electronic.surfaces import surfaces
from nadyn.models.spin_coupled import SpinCoupled, new_head
from nadyn.models.spin_vectors import matrix_of_vectors

# Two singlets of four rows and three triplets of five.
SPINS = (1, 1, 3, 3, 3)
GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
)
BASES = ("1x0e + 1x1o", "1x0o + 1x0e + 1x1e")


def spin_coupled(
    spins: tuple[int, ...] = (1, 3),
    bases: tuple[str, ...] = BASES,
    n_states: tuple[int, ...] = (2, 3),
    *,
    seed: int = 3,
    scale: float = 0.5,
) -> SpinCoupled:
    """Return random blocks in float64 and a random head; its coupling is about 0.01 `scale` [hartree]."""
    blocks = tuple(
        replace(
            untrained("moments", basis, n_states=n, seed=seed + number), multiplicities=(spin,) * n
        ).double()
        for number, (spin, basis, n) in enumerate(zip(spins, bases, n_states, strict=True))
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = new_head(blocks).double()
    head.scale.fill_(scale)
    return SpinCoupled(blocks, head.requires_grad_(False))


def labelled_group(model: SpinCoupled, n: int = 12, *, couplings: bool = True, seed: int = 2) -> Group:
    """Return labels of a model, with random signs of its states."""
    random = np.random.default_rng(seed)
    positions = GEOMETRY + 0.1 * torch.from_numpy(random.standard_normal((n, 4, 3)))
    found = surfaces(model, positions)
    signs = random.choice([-1.0, 1.0], size=(n, len(SPINS)))
    vectors = between_states(model.spin_orbit_vectors(positions), found.eigenvectors)
    vectors = vectors * torch.from_numpy(signs[:, :, None] * signs[:, None])[..., None]
    matrix = matrix_of_vectors(vectors, SPINS)
    pairs = [(k, l) for k in range(5) for l in range(k + 1, 5)]
    h = found.interstate_coupling.numpy()
    known = np.stack(
        [
            h[:, k, l] * (signs[:, k] * signs[:, l])[:, None, None]
            if SPINS[k] == SPINS[l]
            else np.full_like(h[:, 0, 0], np.nan)
            for k, l in pairs
        ],
        axis=1,
    )
    return group_from_arrays(
        "toy",
        atomic_numbers=model.atomic_numbers,
        positions=positions.numpy(),
        energies=found.energies.numpy(),
        forces=found.forces.numpy(),
        interstate_couplings=known if couplings else None,
        spin_orbit=torch.view_as_real(matrix).numpy(),
        multiplicities=SPINS,
    )
