"""Small labelled data of a known model, and small trainings of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.untrained import untrained

from nadyn.data import Dataset, Group, group_from_arrays, state_pairs
from nadyn.electronic.surfaces import surfaces
from nadyn.models.learned import LearnedModel
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import Trained, train
from nadyn.training.validation import Errors

NUMBERS = (7, 1, 1, 9)
GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
)


def geometries(n: int, *, spread: float = 0.1, seed: int = 11) -> torch.Tensor:
    """Return distorted geometries [bohr]."""
    generator = torch.Generator().manual_seed(seed)
    return GEOMETRY + spread * torch.randn(n, 4, 3, generator=generator, dtype=torch.float64)


def labelled(
    model: LearnedModel, positions: torch.Tensor, *, couplings: bool = True, name: str = "toy"
) -> Group:
    """Return a group with the model's own energies, forces and couplings; signs of states are random."""
    result = surfaces(model, positions)
    pairs = state_pairs(model.n_states)
    h = None
    if couplings and pairs:
        signs = np.random.default_rng(3).choice([-1.0, 1.0], size=(len(positions), model.n_states))
        h = np.stack(
            [
                result.interstate_coupling[:, k, l].numpy() * (signs[:, k] * signs[:, l])[:, None, None]
                for k, l in pairs
            ],
            axis=1,
        )
    return group_from_arrays(
        name,
        atomic_numbers=np.array(model.atomic_numbers),
        positions=positions.numpy(),
        energies=result.energies.numpy(),
        forces=result.forces.numpy(),
        interstate_couplings=h,
        theory="a network with random weights",
        source="tests",
        licence="CC0-1.0",
    )


def teacher(basis: str | None = "2x0e", n_states: int = 2) -> LearnedModel:
    """Return a smooth model whose states lie some 0.5 eV apart."""
    model = untrained("moments", basis, n_states=n_states, seed=5).double()
    model.potential.reference.offsets.copy_(
        0.02 * torch.arange(model.n_basis, dtype=torch.float64) if basis else torch.zeros(1).double()
    )
    return model


def dataset(n: int = 24, *, basis: str | None = "2x0e", n_states: int = 2, couplings: bool = True) -> Dataset:
    """Return one group of frames labelled by `teacher`; its arrays may be written to."""
    return Dataset((_labelled_once(n, basis, n_states, couplings).select(np.arange(n)),))


@cache
def _labelled_once(n: int, basis: str | None, n_states: int, couplings: bool) -> Group:
    return labelled(teacher(basis, n_states), geometries(n), couplings=couplings)


def without_labels(group: Group, frames: list[int], **arrays: object) -> Group:
    """Return the group with NaN at these frames of the named arrays."""
    changed = {}
    for name in arrays:
        array = getattr(group, name).copy()
        array[frames] = np.nan
        changed[name] = array
    return replace(group, **changed)


def configuration(**changes: object) -> TrainingConfiguration:
    """Return a configuration for seconds: few channels, small layers, one thread.

    A checkpoint takes as long as a step: those that go on from one ask for it more often.
    """
    values = {
        "encoder": {"cutoff_angstrom": 3.5, "n_radial": 5, "n_channels": 3},
        "model": {"hidden": [16, 8], "basis": "2x0e"},
        "epochs": 2,
        "batch_size": 5,
        "warmup_steps": 10,
        "checkpoint_every": 20,
        "threads": 1,
    }
    return TrainingConfiguration.model_validate(values | changes)


class Stop(Exception):
    """Raised in the middle of a training."""


def errors_of(
    energy: list[float], force: list[float], coupling: list[float], nothing: Errors | None = None
) -> Errors:
    """Errors of three quantities; an empty list is one without labels."""
    found = {"energy": energy, "force": force, "coupling": coupling}
    return Errors.of({name: values for name, values in found.items() if values}, nothing)


def train_with_stops(
    data: Dataset,
    path: Path,
    settings: TrainingConfiguration,
    stops: tuple[int, ...],
    *,
    train: Callable[..., Trained] = train,
) -> Trained:
    """Return what a training has become that was stopped after these reports, and resumed each time.

    Reports are counted over all parts of the training; a step that is made again counts again.
    """
    calls = [0]

    def report(progress):
        calls[0] += 1
        if calls[0] in stops:
            raise Stop

    for number in range(len(stops)):
        with pytest.raises(Stop):
            train(data, path, settings, resume=number > 0, report=report)
        assert not path.exists()
    return train(data, path, settings, resume=True, report=report)
