"""Periodic data: each frame has its own cell, and the model keeps that of its starting geometry."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import configuration, geometries, labelled, teacher

from nadyn.data import Dataset, Group
from nadyn.electronic.surfaces import surfaces
from nadyn.models import load_model
from nadyn.training.build import elements_of, shortest_distances
from nadyn.training.evaluation import evaluate
from nadyn.training.train import train

PERIODIC = (True, True, False)
CELL = torch.tensor([[5.3, 0.2, 0.0], [-0.3, 6.4, 0.1], [0.0, 0.0, 9.0]], dtype=torch.float64)


def _crystal(n: int) -> Group:
    """Frames of the teacher in cells that breathe."""
    frames = []
    for number, positions in enumerate(geometries(n)):
        cell = CELL * (1.0 + 0.01 * number)
        model = teacher().for_atoms((7, 1, 1, 9), cell=cell, pbc=PERIODIC)
        group = labelled(model, positions[None])
        frames.append(replace(group, cell=cell.numpy()[None], pbc=np.array(PERIODIC)))
    arrays = {name: np.concatenate([getattr(f, name) for f in frames]) for name in frames[0].frame_arrays()}
    return replace(frames[0], **arrays)


@pytest.fixture(scope="module")
def crystal():
    return _crystal(14)


def test_a_model_of_a_crystal_is_stored_with_the_cell_of_its_starting_geometry(tmp_path, crystal):
    trained = train(Dataset((crystal,)), tmp_path / "m.safetensors", configuration(epochs=2))
    loaded = load_model(tmp_path / "m.safetensors")
    start = loaded.starting_geometry
    (frame,) = (i for i in range(14) if np.array_equal(crystal.positions[i], start.numpy()))
    for model in (trained.model, loaded):
        assert model.pbc == PERIODIC
        np.testing.assert_array_equal(model.cell.numpy(), crystal.cell[frame])
    positions = start[None]
    energies = surfaces(loaded, positions).energies
    assert torch.equal(energies, surfaces(trained.model, positions).energies)
    isolated = loaded.for_atoms(loaded.atomic_numbers)
    assert float((energies - surfaces(isolated, positions).energies).abs().max()) > 1e-6
    # Judged frame by frame in the frame's own cell.
    errors = evaluate(loaded, trained.validation)["toy"]
    best = min(trained.outcome.progress.history, key=lambda entry: entry["score"])
    np.testing.assert_allclose(errors["energy_mae_ev"], np.array(best["energy_mae"]) * 27.211386, rtol=1e-3)


def test_shortest_distances_are_those_to_the_nearest_image(crystal):
    elements = elements_of(Dataset((crystal,)))
    expected = np.full((3, 3), np.inf)
    for positions, cell in zip(crystal.positions, crystal.cell, strict=True):
        for i, j in np.ndindex(5, 5):
            shift = (i - 2) * cell[0] + (j - 2) * cell[1]
            between = positions[:, None] - positions[None] + shift
            lengths = np.linalg.norm(between, axis=-1)
            for p, q in np.ndindex(4, 4):
                first, second = (elements.index(int(crystal.atomic_numbers[k])) for k in (p, q))
                if lengths[p, q] > 0:
                    expected[first, second] = min(expected[first, second], lengths[p, q])
    np.testing.assert_allclose(shortest_distances(Dataset((crystal,)), elements), expected, rtol=1e-12)
    apart = replace(crystal, cell=None, pbc=np.zeros(3, dtype=bool))
    assert np.isinf(shortest_distances(Dataset((apart,)), elements)[2, 2])
