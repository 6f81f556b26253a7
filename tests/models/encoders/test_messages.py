"""Invariant messages against loops over pairs written out in NumPy."""

import numpy as np
import pytest
import torch
from surroundings import free_atoms

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.models.encoders.messages import Messages, MessagesSettings
from nadyn.training.configuration import TrainingConfiguration

NUMBERS = (8, 1, 6, 1, 8)
ELEMENTS = (1, 6, 8)
SETTINGS = MessagesSettings(ELEMENTS, cutoff=4.0, shortest=1.5, n_radial=5, n_channels=8, n_layers=3)
POSITIONS = np.array(
    [[0.0, 0.1, 0.0], [1.7, 0.3, -0.4], [-0.6, 2.2, 0.5], [-1.1, -1.0, 1.2], [2.9, 2.6, 1.4]]
)


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(4)
        built = Messages(SETTINGS).double().requires_grad_(False)
        for tensor in (built.mean, built.bias):
            tensor.copy_(torch.randn_like(tensor))
        built.inverse_spread.copy_(0.3 + torch.rand_like(built.inverse_spread))
    return built


def _filter(encoder, matrix, r):
    """Learned function of the distance: a mixture of Gaussians in exp(-r/λ) times the quintic cutoff."""
    cutoff = SETTINGS.cutoff
    scale = cutoff / 3.0
    low, high = np.exp(-cutoff / scale), np.exp(-SETTINGS.shortest / scale)
    centres = np.linspace(low, high, SETTINGS.n_radial).astype(np.float32).astype(np.float64)
    x = r / cutoff
    cut = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5 if x < 1 else 0.0
    width = (high - low) / (SETTINGS.n_radial - 1)
    return cut * np.exp(-0.5 * ((np.exp(-r / scale) - centres) / width) ** 2) @ matrix.numpy()


def test_each_round_is_the_sum_of_what_neighbours_are_after_the_rounds_before(encoder):
    surroundings, order = free_atoms(NUMBERS, torch.from_numpy(POSITIONS)[None], SETTINGS.cutoff)
    features = encoder(surroundings)
    n, elements = len(NUMBERS), [ELEMENTS.index(number) for number in NUMBERS]
    apart = POSITIONS[None] - POSITIONS[:, None]
    lengths = np.linalg.norm(apart, axis=-1)
    states = encoder.embedding.numpy()[elements]
    for layer in range(3):
        told = states @ encoder.tell[layer].numpy()
        heard = np.zeros((n, 8))
        for i in range(n):
            for j in range(n):
                if i != j:
                    heard[i] += _filter(encoder, encoder.filters[layer], lengths[i, j]) * told[j]
        found = features.invariants[:, 0, 8 * layer : 8 * layer + 8].numpy()
        np.testing.assert_allclose(found, heard[order], rtol=1e-6, atol=1e-9)
        if layer < 2:
            scaled = (heard - encoder.mean[layer].numpy()[elements]) * encoder.inverse_spread[layer].numpy()[
                elements
            ]
            hidden = scaled @ encoder.hear[layer].numpy() + encoder.bias[layer].numpy()
            states = states + (hidden / (1.0 + np.exp(-hidden))) @ encoder.change[layer].numpy()
    told = states @ encoder.direction_weights.numpy()
    for row, i in enumerate(order.tolist()):
        vectors, tensors = np.zeros((8, 3)), np.zeros((8, 3, 3))
        for j in (j for j in range(n) if j != i):
            weight = _filter(encoder, encoder.direction_filters, lengths[i, j]) * told[j]
            unit = apart[i, j] / lengths[i, j]
            vectors += np.outer(weight[:8], unit)
            tensors += weight[8:, None, None] * (1.5 * np.outer(unit, unit) - 0.5 * np.eye(3))
        np.testing.assert_allclose(features.vectors[row, 0].numpy(), vectors, rtol=1e-6, atol=1e-9)
        # Squared lengths do not depend on the choice of five components: Y·Y is 1 for one direction.
        np.testing.assert_allclose(
            (features.tensors[row, 0] ** 2).sum(-1).numpy(),
            (tensors**2).sum((1, 2)) / 1.5,
            rtol=1e-6,
            atol=1e-9,
        )


def test_what_is_told_on_has_unit_spread_in_the_training_set():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        encoder = Messages(SETTINGS).double().requires_grad_(False)
    noise = torch.randn(60, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    frames = [
        free_atoms(NUMBERS, torch.from_numpy(POSITIONS) + 0.1 * part, SETTINGS.cutoff)[0]
        for part in noise.split(40)
    ]
    encoder.standardise(frames)
    invariants = torch.cat([encoder(surroundings).invariants for surroundings in frames], dim=1)
    first = 0
    for index, n_atoms in enumerate((2, 1, 2)):
        rows = invariants[first : first + n_atoms].flatten(0, 1).unflatten(-1, (3, 8))
        first += n_atoms
        scaled = (rows - encoder.mean[:, index]) * encoder.inverse_spread[:, index]
        torch.testing.assert_close(scaled.mean(0), torch.zeros(3, 8).double(), rtol=0, atol=1e-5)
        torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(3, 8).double(), rtol=0, atol=1e-5)


def test_channels_come_in_eights_because_narrower_products_round_by_the_place_of_a_row():
    with pytest.raises(InputError, match=r"encoder.*n_channels.*multiple of 8.*12"):
        content = {"encoder": {"name": "messages", "n_channels": 12}}
        parse_configuration(content, TrainingConfiguration, where="train.yaml")
