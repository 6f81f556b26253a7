"""A small made-up dataset with every kind of label, and where the real slices are."""

from pathlib import Path

import numpy as np
import pytest

from nadyn.data import Dataset, group_from_arrays

N_FRAMES, N_STATES, N_ATOMS = 7, 4, 5
PAIRS = N_STATES * (N_STATES - 1) // 2
MULTIPLICITIES = (1, 1, 3, 3)


@pytest.fixture
def fixtures() -> Path:
    return Path(__file__).parent / "fixtures"


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Arguments of `group_from_arrays`: 7 frames, 4 states, 5 atoms, periodic."""
    random = np.random.default_rng(5)
    n_spin = sum(MULTIPLICITIES)
    grid = np.stack([np.arange(N_ATOMS), np.arange(N_ATOMS) % 2, np.zeros(N_ATOMS)], axis=1) * 2.5
    energies = np.sort(random.normal(size=(N_FRAMES, 2, N_STATES // 2)), axis=2).reshape(N_FRAMES, N_STATES)
    stress = random.normal(size=(N_FRAMES, N_STATES, 3, 3))
    return {
        "atomic_numbers": np.array([6, 1, 8, 1, 7]),
        "positions": grid + 0.2 * random.normal(size=(N_FRAMES, N_ATOMS, 3)),
        "energies": energies,
        "forces": random.normal(size=(N_FRAMES, N_STATES, N_ATOMS, 3)),
        "interstate_couplings": random.normal(size=(N_FRAMES, PAIRS, N_ATOMS, 3)),
        "dipoles": random.normal(size=(N_FRAMES, N_STATES, N_STATES, 3)),
        "spin_orbit": random.normal(size=(N_FRAMES, n_spin, n_spin, 2)),
        "cell": 20 * np.eye(3) + random.normal(size=(N_FRAMES, 3, 3)),
        "stress": stress + stress.swapaxes(2, 3),
    }


@pytest.fixture
def attributes() -> dict[str, object]:
    return {
        "pbc": (True, False, True),
        "charge": 1,
        "multiplicities": MULTIPLICITIES,
        "theory": "guesswork",
        "source": "dice",
        "licence": "CC0-1.0",
        "note": "π",
    }


@pytest.fixture
def dataset(arrays, attributes) -> Dataset:
    return Dataset((group_from_arrays("made up", **arrays, **attributes),))
