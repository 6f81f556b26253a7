"""How far an atom feels others: the reach that an encoder states is the reach that it has."""

import pytest
import torch
from surroundings import free_atoms

from nadyn.models.encoders.kind import Encoder, irreps
from nadyn.models.encoders.table import ENCODERS, build_encoder, choose_settings

CUTOFF = 4.0
SPACING = 0.9 * CUTOFF
# A zigzag of single atoms: the one at place k is heard of after k rounds of messages.
PLACES = torch.tensor([[k * SPACING, 0.3 * (k % 2), 0.1 * (k % 3)] for k in range(7)], dtype=torch.float64)
NUMBERS = (6,) * 7


def _built(name):
    settings = choose_settings(ENCODERS[name].section(), (1, 6), CUTOFF, 1.5)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return build_encoder(settings).double().requires_grad_(False), settings


@pytest.mark.parametrize("name", ENCODERS)
def test_an_atom_changes_another_one_up_to_the_reach_and_no_farther(name):
    encoder, settings = _built(name)
    positions = PLACES[None].clone().requires_grad_(True)
    features = encoder(free_atoms(NUMBERS, positions, CUTOFF)[0])
    parts = [part[0] for part in (features.invariants, features.vectors, features.tensors)]
    (gradient,) = torch.autograd.grad(sum((part**2).sum() for part in parts), positions)
    size = gradient[0].norm(dim=-1)
    rounds = round(settings.reach / CUTOFF)
    assert settings.reach == rounds * CUTOFF and 1 <= rounds <= 5
    assert bool((size[: rounds + 1] > 0).all())
    assert float(size[rounds + 1 :].max()) == 0.0


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_states_what_its_features_are(name):
    encoder, _ = _built(name)
    features = encoder(free_atoms(NUMBERS, PLACES[None], CUTOFF)[0])
    assert isinstance(encoder, Encoder)
    n, vectors = features.invariants.shape[-1], features.vectors.shape[-2]
    assert features.tensors.shape[-2] == vectors
    assert irreps(encoder) == f"{n}x0e + {vectors}x1o + {vectors}x2e"
