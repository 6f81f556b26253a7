"""Molecules and crystals of any size learned in one step, and stress."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained
from teacher import configuration

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.training.evaluation import compare, constant_errors, metrics
from nadyn.training.losses import NoiseScales, residuals, total_loss
from nadyn.training.predictions import label_pairs, predict, predict_together
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import samples_together
from nadyn.training.train import train
from nadyn.training.validation import validate
from nadyn.units import GIGAPASCAL_PER_AU

CELL = np.array([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]])
ONE = {q.name: 1.0 for q in QUANTITIES}
NO_BOUND = {q.name: 1e4 for q in QUANTITIES}


def frames(name, numbers, n, *, basis, n_states, cell=None, seed=0):
    """Frames labelled by a random network; of a crystal with the stress of every state."""
    model = untrained("moments", basis, cutoff=5.0).double()
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid([0, 1, 2], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 3) * 2.3
    positions = grid[: len(numbers)] + 0.2 * generator.standard_normal((n, len(numbers), 3))
    pbc = np.full(3, cell is not None)
    cells = None if cell is None else np.tile(cell, (n, 1, 1))
    bare = Group(name, np.array(numbers), positions, np.zeros((n, n_states)), cell=cells, pbc=pbc)
    if cell is not None:
        bare = replace(bare, stress=np.zeros((n, n_states, 3, 3)))
    (samples,) = samples_together((bare,))
    pairs = tuple((k, k) for k in range(n_states))
    found = predict(model.potential, samples, pairs)
    forces = np.empty((n, n_states, len(numbers), 3))
    forces[:, :, samples.order.numpy()] = -found.gradients.detach().numpy()
    stress = None if cell is None else found.stress.detach().numpy()
    return replace(bare, energies=found.energies.detach().numpy(), forces=forces, stress=stress)


def three(basis=None, n_states=1):
    crystal = frames("crystal", (9, 1, 6, 1, 7), 5, basis=basis, n_states=n_states, cell=CELL)
    molecule = frames("molecule", (7, 1, 1, 9), 6, basis=basis, n_states=n_states, seed=1)
    larger = frames("larger", (6, 6, 1, 1, 1, 9, 7), 4, basis=basis, n_states=n_states, seed=2)
    return crystal, molecule, larger


def test_the_stress_is_the_derivative_of_the_energy_by_a_finite_strain():
    for basis, n_states in ((None, 1), ("2x0e + 1x1o", 2)):
        crystal = three(basis, n_states)[0]
        potential = untrained("moments", basis, cutoff=5.0).double().potential
        volume = abs(np.linalg.det(CELL))
        for i, j in ((0, 0), (1, 2), (2, 0)):
            energies = []
            for step in (1e-4, -1e-4):
                strain = np.zeros((3, 3))
                strain[i, j] = step
                moved = crystal.positions @ (np.eye(3) + strain), crystal.cell @ (np.eye(3) + strain)
                (samples,) = samples_together((replace(crystal, positions=moved[0], cell=moved[1]),))
                energies.append(predict(potential, samples, ()).energies.detach().numpy())
            slope = (energies[0] - energies[1]) / 2e-4 / volume
            np.testing.assert_allclose(crystal.stress[:, :, i, j], slope, atol=1e-9)
            assert np.abs(slope).max() > 1e-5
        # A turn of the whole crystal costs nothing.
        np.testing.assert_allclose(crystal.stress, crystal.stress.swapaxes(2, 3), atol=1e-12)


@pytest.mark.parametrize("basis, n_states", [(None, 1), ("2x0e + 1x1o", 2)])
def test_learned_together_each_frame_has_the_residual_and_the_gradient_that_it_has_alone(basis, n_states):
    batch = samples_together(three(basis, n_states))
    student = untrained("moments", basis, cutoff=5.0, seed=8).double().potential
    student.requires_grad_(True)
    pairs = label_pairs(batch, n_states)
    together = residuals(predict_together(student, batch, pairs), batch)
    apart = [residuals((predict(student, part, pairs),), (part,)) for part in batch]
    for name, squares in together.items():
        own = torch.cat(
            [one.get(name, torch.full((len(p),), torch.nan)) for one, p in zip(apart, batch, strict=True)]
        )
        torch.testing.assert_close(squares, own, rtol=1e-9, atol=1e-14, equal_nan=True)
    assert set(together) == {"energy", "force", "stress"}
    assert torch.isnan(together["stress"]).tolist() == [False] * 5 + [True] * 10

    def gradient(values):
        return torch.autograd.grad(values, list(student.parameters()), allow_unused=True)

    sums = gradient(sum(squares.nansum() for squares in together.values()))
    parts = [gradient(sum(squares.nansum() for squares in one.values())) for one in apart]
    for whole, *own in zip(sums, *parts, strict=True):
        found = [one for one in own if one is not None]
        if whole is not None:
            torch.testing.assert_close(whole, sum(found), rtol=1e-7, atol=1e-9)


def test_energies_of_molecules_of_different_size_count_per_atom():
    batch = samples_together(three())
    sizes = [part.size for part in batch]
    assert sum(len(part) * part.size for part in batch) == pytest.approx(15)
    assert sizes[2] / sizes[1] == pytest.approx(7 / 4)
    student = untrained("moments", None, cutoff=5.0).double().potential
    predictions = predict_together(student, batch, ((0, 0),))
    shifted = [
        replace(one, energies=one.energies + 0.01 * size)
        for one, size in zip(predictions, sizes, strict=True)
    ]
    squares = residuals(shifted, batch)["energy"]
    torch.testing.assert_close(squares, torch.full_like(squares, 1e-4), rtol=1e-5, atol=0)
    # Labels that are met exactly have the loss of none.
    exact = total_loss(residuals(predictions, batch), NoiseScales(ONE), weights=ONE, outlier_sigmas=NO_BOUND)
    assert float(exact.detach()) < 1e-15


@pytest.mark.slow
def test_a_training_learns_molecules_and_crystals_with_stress(tmp_path):
    data = Dataset(tuple(group.select(np.tile(np.arange(4), 6)) for group in three()))
    settings = configuration(
        encoder={"name": "moments", "cutoff_angstrom": 2.6, "n_radial": 6, "n_channels": 4},
        model={"hidden": [16, 16]},
        epochs=60,
        batch_size=8,
        learning_rate=5e-3,
        optimizer="muon",
    )
    trained = train(data, tmp_path / "model.safetensors", settings)
    history = trained.outcome.progress.history
    assert history[-1]["stress_mae"][0] < 0.5 * history[0]["stress_mae"][0]
    samples = samples_together(data.groups)
    errors = validate(trained.learned.potential, samples, label_pairs(samples, 1))
    assert set(errors.mae) == {"energy", "force", "stress"}
    comparison = compare(trained.model, data.groups[0])
    found = metrics(comparison)["stress_mae_gpa"]
    assert found == pytest.approx([errors.mae["stress"][0] * GIGAPASCAL_PER_AU], rel=1e-4)
    assert found[0] < 0.5 * constant_errors(comparison)["stress"][0]
    assert "stress_mae_gpa" not in metrics(compare(trained.model, data.groups[1]))


def test_a_weight_of_what_has_no_labels_is_refused(tmp_path):
    (_, molecule, _) = three()
    data = Dataset((molecule.select(np.tile(np.arange(6), 3)),))
    settings = configuration(weights={"stress": 3.0})
    sentence = r"`weights.stress` must be left out for data without stresses, but is 3"
    with pytest.raises(InputError, match=sentence):
        train(data, tmp_path / "model.safetensors", settings)
